//! Which principal may publish and subscribe where: one pure function, deny by default.

use super::action::Action;
use super::principal::{Principal, Scope};
use protocol::{EdgeId, LocationId, Topic};

/// Whether this principal may do that. Compared level by level against the table in `topics.md`; what the table
/// does not allow is refused, `$` topics and shared subscriptions included. A stand-alone broker's users have rights
/// of their own instead; those that the auth service has to be asked about are refused until it has answered
/// (`Core::ask`).
pub fn may(principal: &Principal, action: Action<'_>) -> bool {
    if let Principal::User(user) = principal {
        return user.may(action);
    }
    match action {
        Action::Publish { topic, retain } => may_publish(principal, topic, retain),
        Action::Subscribe { filter } => may_subscribe(principal, filter),
    }
}

fn may_publish(principal: &Principal, topic: &str, retain: bool) -> bool {
    let Ok(topic) = topic.parse::<Topic>() else { return false };
    if retain && !topic.retained() {
        return false;
    }
    match principal {
        Principal::Website => match topic {
            Topic::Customer(..) | Topic::Head(..) | Topic::Inbox(..) => true,
            Topic::ViewCustomer(..)
            | Topic::ViewHead(..)
            | Topic::ViewChanges(..)
            | Topic::ViewVisits(..) => true,
            // An edge writes its presence itself; the website takes it away when the edge is revoked.
            Topic::ViewEdge(..) => true,
            Topic::Report(..) | Topic::Visits(..) | Topic::ViewBroker => false,
        },
        Principal::Edge { location, edge } => match topic {
            Topic::Report(l, e) | Topic::Visits(l, e) | Topic::ViewEdge(l, e) => l == *location && e == *edge,
            Topic::Customer(..) | Topic::Head(..) | Topic::Inbox(..) => false,
            Topic::ViewCustomer(..)
            | Topic::ViewHead(..)
            | Topic::ViewChanges(..)
            | Topic::ViewVisits(..) => false,
            Topic::ViewBroker => false,
        },
        // A user's rights are not in this table.
        Principal::Ops { .. } | Principal::User(_) => false,
    }
}

fn may_subscribe(principal: &Principal, filter: &str) -> bool {
    let (first, rest) = filter.split_once('/').unwrap_or((filter, ""));
    match principal {
        Principal::Website => matches!(first, "store" | "view"),
        Principal::Edge { location, edge } => first == "store" && edge_may_read(location, edge, rest),
        Principal::Ops { scope, .. } => match first {
            "view" => person_may_read(scope, rest),
            "$SYS" => *scope == Scope::All,
            _ => false,
        },
        Principal::User(_) => false,
    }
}

fn edge_may_read(location: &LocationId, edge: &EdgeId, rest: &str) -> bool {
    let Some((l, rest)) = rest.split_once('/') else { return false };
    if l != location.as_str() {
        return false;
    }
    match rest.split_once('/') {
        Some(("edges", own)) => own.split_once('/') == Some((edge.as_str(), "inbox")),
        Some(("customers", below)) => !below.is_empty() && !below.contains('/'),
        Some(_) => false,
        None => rest == "customers",
    }
}

fn person_may_read(scope: &Scope, rest: &str) -> bool {
    let second = rest.split('/').next().unwrap_or_default();
    match scope {
        Scope::All => true,
        Scope::Locations(locations) => {
            rest == "broker" || locations.iter().any(|location| location.as_str() == second)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge() -> Principal {
        Principal::Edge { location: "A".parse().unwrap(), edge: "e1".parse().unwrap() }
    }

    fn person(scope: Scope) -> Principal {
        Principal::Ops { name: "ann".into(), scope }
    }

    #[test]
    fn an_edge_may_read_its_customers_and_its_inbox() {
        for (filter, expected) in [
            ("store/A/customers/#", true),
            ("store/A/customers/+", true),
            ("store/A/customers/f1", true),
            ("store/A/customers", true),
            ("store/A/edges/e1/inbox", true),
            ("store/A/customers/+/x", false),
            ("store/A/customers/", false),
            ("store/A/customersX/#", false),
            ("store/B/customers/#", false),
            ("store/A/edges/e2/inbox", false),
            ("store/A/edges/+/inbox", false),
            ("store/A/edges/e1/#", false),
            ("store/A/edges/e1/report", false),
            ("store/A/visits/e1", false),
            ("store/A/#", false),
            ("store/+/customers/#", false),
            ("+/A/customers/#", false),
            ("#", false),
            ("store/#", false),
            ("store/A", false),
            ("store", false),
            ("view/A/edges/e1", false),
            ("$share/g/store/A/customers/#", false),
            ("$SYS/#", false),
            ("/store/A/customers/#", false),
        ] {
            assert_eq!(may(&edge(), Action::Subscribe { filter }), expected, "{filter}");
        }
    }

    #[test]
    fn an_edge_may_write_its_report_visits_and_presence() {
        for (topic, live, retained) in [
            ("store/A/edges/e1/report", true, false),
            ("store/A/visits/e1", true, false),
            ("view/A/edges/e1", true, true),
            ("store/A/edges/e1/inbox", false, false),
            ("store/A/edges/e2/report", false, false),
            ("store/B/edges/e1/report", false, false),
            ("store/A/visits/e2", false, false),
            ("store/A/visits/e1/x", false, false),
            ("store/A/visits", false, false),
            ("view/A/edges/e2", false, false),
            ("view/B/edges/e1", false, false),
            ("store/A/customers", false, false),
            ("store/A/customers/f1", false, false),
            ("view/broker", false, false),
            ("$SYS/x", false, false),
            ("é/x", false, false),
        ] {
            assert_eq!(may(&edge(), Action::Publish { topic, retain: false }), live, "{topic}");
            assert_eq!(may(&edge(), Action::Publish { topic, retain: true }), retained, "{topic} retained");
        }
    }

    #[test]
    fn the_website_may_do_its_part_of_the_table() {
        for (topic, live, retained) in [
            ("store/A/customers/f1", true, true),
            ("store/A/customers", true, true),
            ("store/A/edges/e1/inbox", true, false),
            ("view/A/customers/f1", true, true),
            ("view/A/head", true, true),
            ("view/A/changes", true, false),
            ("view/A/visits", true, false),
            ("view/A/edges/e1", true, true),
            ("view/broker", false, false),
            ("store/A/edges/e1/report", false, false),
            ("store/A/visits/e1", false, false),
            ("elsewhere", false, false),
        ] {
            assert_eq!(may(&Principal::Website, Action::Publish { topic, retain: false }), live, "{topic}");
            assert_eq!(
                may(&Principal::Website, Action::Publish { topic, retain: true }),
                retained,
                "{topic}"
            );
        }
        for (filter, expected) in [
            ("store/+/visits/+", true),
            ("store/+/edges/+/report", true),
            ("view/+/edges/+", true),
            ("store/#", true),
            ("#", false),
            ("+/A/visits/e1", false),
            ("$share/g/store/+/visits/+", false),
            ("$SYS/#", false),
        ] {
            assert_eq!(may(&Principal::Website, Action::Subscribe { filter }), expected, "{filter}");
        }
    }

    #[test]
    fn people_may_only_look_below_view_and_sys() {
        let all = person(Scope::All);
        let some = person(Scope::Locations(vec!["A".parse().unwrap()]));
        for (filter, sees_all, sees_some) in [
            ("view/#", true, false),
            ("view/+/visits", true, false),
            ("view/A/#", true, true),
            ("view/A/customers/+", true, true),
            ("view/broker", true, true),
            ("view/broker/#", true, false),
            ("view/B/#", true, false),
            ("view/AB/#", true, false),
            ("view", true, false),
            ("#", false, false),
            ("+/#", false, false),
            ("store/#", false, false),
            ("store/A/customers/#", false, false),
            ("viewer/#", false, false),
            ("$share/g/view/#", false, false),
            ("$SYS/#", true, false),
            ("$SYS/broker/uptime", true, false),
            ("$SYSTEM/x", false, false),
        ] {
            assert_eq!(may(&all, Action::Subscribe { filter }), sees_all, "all: {filter}");
            assert_eq!(may(&some, Action::Subscribe { filter }), sees_some, "some: {filter}");
        }
        for topic in ["view/A/changes", "store/A/customers", "x"] {
            assert!(!may(&all, Action::Publish { topic, retain: false }), "{topic}");
        }
    }
}

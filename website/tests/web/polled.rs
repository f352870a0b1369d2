//! Boxes that poll: what they send is stored once, and answered with the id that counts.

use crate::{
    on_both, scene,
    sender::{answered, assert_kinds, customer, joins, known, moment, new, now, person, remove, store, with},
    stage::Stage,
};
use protocol::message::EnrolPolicy;
use serde_json::{Value, json};
use website::{
    changes::{self, Actor},
    locations::{self, NewSettings},
    tables::consents::How,
};

on_both!(
    a_visit_is_stored_once_however_often_it_is_sent,
    the_face_tells_people_apart_and_not_the_number,
    the_stores_policy_holds,
    removal_wins_over_what_a_box_sends,
    what_a_visit_was_decided_on_is_told_by_its_answer_or_its_time,
    a_bad_visit_is_named_and_takes_no_other_with_it,
    a_body_that_is_no_good_is_refused,
    points_are_the_boxs_own_or_the_stores,
    times_are_read_on_the_stores_clock,
    who_is_shut_out_sends_nothing,
);

fn a_visit_is_stored_once_however_often_it_is_sent(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    let (first, again) = (new("v1", Some("visitor_1"), &person(1, 0)), known("v2", "visitor_1"));
    let sent = [first.clone(), again.clone(), first.clone()];
    let answer = kiosk.visits(&sent).expect(200).body;
    let expected = json!({ "success": true, "visits": [
        { "id": "v1", "status": "created", "face_id": "visitor_1" },
        { "id": "v2", "status": "stored", "face_id": "visitor_1" },
        { "id": "v1", "status": "created", "face_id": "visitor_1" },
    ] });
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), expected);
    assert_eq!(kiosk.visits(&sent).expect(200).body, answer);
    // From many connections at once.
    let more: Vec<Value> = (0..5).map(|n| known(&format!("at once {n}"), "visitor_1")).collect();
    let bodies: Vec<String> = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..6).map(|_| scope.spawn(|| kiosk.visits(&more).expect(200).body)).collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_kinds(stage, &oslo, &[("enrolled", 1), ("known", 6)]);
    assert_eq!(customer(stage, "visitor_1")["visits"], 7);
    // Another box may give the same ids.
    let other = joins(stage, &oslo, "Till");
    assert_eq!(other.one(&known("v1", "visitor_1")), answered("stored", "visitor_1"));
    assert_eq!(customer(stage, "visitor_1")["visits"], 8);
    let list = stage.api("GET", "/locations/oslo/visits?limit=1", "").expect(200).json();
    assert_eq!(
        (&list["visits"][0]["edge"], &list["visits"][0]["similarity"]),
        (&json!(other.edge), &json!(0.7))
    );
}

fn the_face_tells_people_apart_and_not_the_number(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    let till = joins(stage, &oslo, "Till");
    assert_eq!(kiosk.one(&new("a", Some("visitor_5"), &person(1, 0))), answered("created", "visitor_5"));
    // The same number, another person: an id of its own.
    let (status, minted) = till.one(&new("a", Some("visitor_5"), &person(2, 0)));
    assert!(status == "created" && minted != "visitor_5", "{status} {minted}");
    // The same person under other numbers, or none, and under the other one's id: the face tells.
    assert_eq!(
        till.one(&new("b", Some("visitor_9"), &person(1, 1))),
        answered("already exists", "visitor_5")
    );
    assert_eq!(till.one(&new("c", None, &person(1, 2))), answered("already exists", "visitor_5"));
    let swapped = new("d", minted.as_str(), &person(1, 3));
    assert_eq!(till.one(&swapped), answered("already exists", "visitor_5"));
    assert_eq!(
        (&customer(stage, "visitor_5")["visits"], &customer(stage, minted.as_str().unwrap())["visits"]),
        (&json!(4), &json!(1))
    );
    // No number was used up by that.
    assert_eq!(till.one(&new("e", Some("visitor_9"), &person(3, 0))), answered("created", "visitor_9"));
    // Whom a manager merges is the other one from then on, also for what was sent before.
    let (loser, winner) = ("visitor_9".parse().unwrap(), "visitor_5".parse().unwrap());
    stage.run(changes::merge(&stage.app, &oslo, &loser, &winner, &Actor::command_line())).unwrap();
    assert_eq!(till.one(&known("f", "visitor_9")), answered("stored", "visitor_5"));
    assert_eq!(till.one(&new("e", Some("visitor_9"), &person(3, 0))), answered("created", "visitor_5"));
    // The number of one that was merged or removed is never given again.
    remove(stage, &oslo, "visitor_5");
    let told = kiosk.poll("");
    for (id, wanted, n) in [("g", "visitor_9", 6), ("h", "visitor_5", 7)] {
        let sent = with(new(id, Some(wanted), &person(n, 0)), "since", told.as_str());
        let (status, given) = kiosk.one(&sent);
        assert!(status == "created" && given != wanted, "{wanted}: {status} {given}");
    }
}

fn the_stores_policy_holds(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Approve);
    assert_eq!(kiosk.one(&new("a", Some("visitor_1"), &person(1, 0))), answered("waiting", "visitor_1"));
    assert_eq!(kiosk.one(&known("b", "visitor_1")), answered("waiting", "visitor_1"));
    let (status, minted) = kiosk.one(&new("c", Some("visitor_1"), &person(2, 0)));
    assert!(status == "waiting" && minted != "visitor_1", "{status} {minted}");
    let (one, other) = ("visitor_1".parse().unwrap(), minted.as_str().unwrap().parse().unwrap());
    stage.run(changes::accept(&stage.app, &oslo, &one, How::Spoken, &Actor::command_line())).unwrap();
    stage.run(changes::refuse(&stage.app, &oslo, &other, &Actor::command_line())).unwrap();
    assert_eq!(customer(stage, "visitor_1")["visits"], 2);
    // Whoever was refused is gone, also for what was sent before.
    let refused = new("c", Some("visitor_1"), &person(2, 0));
    assert_eq!(kiosk.one(&refused).0, "removed");
    let off = NewSettings { enrol: Some(EnrolPolicy::Off), ..NewSettings::default() };
    stage.run(locations::set(&stage.app, &oslo, off, &Actor::command_line())).unwrap();
    let answer = kiosk.visits(&[new("d", None, &person(3, 0)), known("e", "visitor_1")]).expect(200);
    let answer = answer.says("this store makes nobody a customer").json();
    let status = |n: usize| answer["visits"][n]["status"].clone();
    assert_eq!((status(0), status(1)), (json!("not counted"), json!("stored")));
    assert_eq!(answer["visits"][0].get("face_id"), None);
}

fn removal_wins_over_what_a_box_sends(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    let told = kiosk.poll("");
    kiosk.one(&new("a", Some("visitor_1"), &person(1, 0)));
    kiosk.one(&known("b", "visitor_1"));
    let early = with(new("late", Some("visitor_2"), &person(1, 1)), "since", told.as_str());
    remove(stage, &oslo, "visitor_1");
    // Known, new, and sent again: the box is told to let go.
    assert_eq!(kiosk.one(&known("c", "visitor_1")), answered("removed", "visitor_1"));
    assert_eq!(kiosk.one(&known("b", "visitor_1")), answered("removed", "visitor_1"));
    assert_eq!(kiosk.one(&new("a", Some("visitor_1"), &person(1, 0))), answered("removed", "visitor_1"));
    // A face that was taken for new before the box knew of the removal brings nobody back.
    let answer = kiosk.visits(&[early]).expect(200).says("before the box knew of the newest removal").json();
    assert_eq!(answer["visits"][0]["status"], "not counted");
    assert_eq!(
        kiosk.visits(&[known("d", "nobody")]).expect(200).json()["visits"][0]["status"],
        "not counted"
    );
    assert_kinds(
        stage,
        &oslo,
        &[("enrolled", 1), ("known", 1), ("lag_hit", 1), ("unknown", 1), ("untrusted", 1)],
    );
    assert_eq!(stage.api("GET", "/locations/oslo", "").json()["customers"], 0);
    // One that names an answer which told it of the removal has recognised whom it should not know: an alarm.
    let knows = kiosk.poll(&told);
    let stale = with(known("e", "visitor_1"), "since", knows.as_str());
    assert_eq!(kiosk.one(&stale), answered("removed", "visitor_1"));
    let edge = stage.api("GET", &format!("/locations/oslo/edges/{}", kiosk.edge), "").expect(200).json();
    assert_eq!(edge["alarm"], "stale_hit");
    // Who comes again is a new visitor.
    let comes = with(new("f", None, &person(1, 2)), "since", knows.as_str());
    assert_eq!(kiosk.one(&comes).0, "created");
}

fn what_a_visit_was_decided_on_is_told_by_its_answer_or_its_time(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    // Before anybody was ever removed there is nothing to know.
    assert_eq!(kiosk.one(&new("a", Some("visitor_1"), &person(1, 0))).0, "created");
    remove(stage, &oslo, "visitor_1");
    let far = ["2025-01-01T00:00:00Z".to_owned(), moment(-3_600), moment(3_600)];
    // Nothing was told to this box: by no time can it know.
    for (n, seen_at) in far.iter().chain(&[now()]).enumerate() {
        let sent = with(new(&format!("b{n}"), None, &person(2, 0)), "seen_at", seen_at.as_str());
        assert_eq!(kiosk.one(&sent).0, "not counted", "{seen_at}");
    }
    // It is told. What it saw earlier it decided earlier, and of a moment that has not come nothing follows.
    let told = kiosk.poll("");
    for (n, seen_at) in far.iter().enumerate() {
        let sent = with(new(&format!("c{n}"), None, &person(2, 0)), "seen_at", seen_at.as_str());
        assert_eq!(kiosk.one(&sent).0, "not counted", "{seen_at}");
    }
    // The answer ages, which only time can do.
    stage.sql("UPDATE polling_answers SET stamp = stamp - 60");
    assert_eq!(kiosk.one(&new("d", None, &person(2, 0))).0, "created");
    // A time that no answer bore says nothing more than the moment does.
    let odd = with(new("e", None, &person(3, 0)), "since", "2025-01-01T00:00:00Z");
    assert_eq!(kiosk.one(&odd).0, "created");
    let odd = with(with(new("f", None, &person(4, 0)), "since", told.as_str()), "seen_at", far[1].as_str());
    assert_eq!(kiosk.one(&odd).0, "not counted");
    // Without an answer named, somebody known raises no alarm.
    assert_eq!(kiosk.one(&known("g", "visitor_1")).0, "removed");
    let edge = stage.api("GET", &format!("/locations/oslo/edges/{}", kiosk.edge), "").expect(200).json();
    assert_eq!(edge["alarm"], "none");
}

fn a_bad_visit_is_named_and_takes_no_other_with_it(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    let good = || new("good", Some("visitor_1"), &person(1, 0));
    let huge = "x".repeat(65);
    let bad = [
        (new("bad", None, &person(1, 0)[..15]), "its embedding has 15 numbers, one of test-space has 16"),
        (new("bad", None, &[0.0; 16]), "its embedding is no face"),
        (with(new("bad", None, &person(1, 0)), "embedding", vec![1e300; 16]), "its embedding is no face"),
        (with(new("bad", None, &person(1, 0)), "space", "other"), "its face is of space \"other\""),
        (with(good(), "id", ""), "1 to 64 characters"),
        (with(good(), "id", huge.as_str()), "1 to 64 characters"),
        (with(good(), "id", "a\nb"), "1 to 64 characters"),
        (with(good(), "id", 7), "invalid type"),
        (with(good(), "face_id", "visitor 5"), "face_id is none"),
        (with(good(), "seen_at", "yesterday"), "seen_at is a time such as"),
        (with(good(), "seen_at", "1970-01-01T00:00:00Z"), "between the years 2020 and 2120"),
        (with(known("bad", "visitor_1"), "similarity", 1.5), "similarity is a cosine"),
        (with(known("bad", "visitor_1"), "points", 10_001), "a whole number of points from 0 to 10000"),
        (with(known("bad", "visitor_1"), "points", -1), "a whole number of points from 0 to 10000"),
        (with(known("bad", "visitor_1"), "since", "then"), "since is a time such as"),
        (with(known("bad", "visitor_1"), "colour", "red"), "unknown field `colour`"),
        (json!({ "id": "bad", "seen_at": now() }), "it names nobody"),
        (json!({ "id": "bad" }), "missing field `seen_at`"),
        (json!(5), "invalid type"),
    ];
    for (visit, why) in &bad {
        let answer = kiosk.visits(std::slice::from_ref(visit)).expect(422).says("nothing is stored").json();
        let one = &answer["visits"][0];
        assert_eq!((&answer["success"], &one["status"]), (&json!(false), &json!("refused")), "{why}");
        assert!(one["reason"].as_str().unwrap().contains(why), "{why}: {answer}");
        assert_eq!(one["id"], visit.get("id").cloned().unwrap_or(Value::Null));
    }
    assert_kinds(stage, &oslo, &[]);
    let mut all: Vec<Value> = bad.into_iter().map(|(visit, _)| visit).collect();
    all.insert(7, good());
    all.push(known("last", "visitor_1"));
    let answer = kiosk.visits(&all).expect(200).json();
    let status: Vec<&str> =
        answer["visits"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    let mut expected = vec!["refused"; all.len()];
    (expected[7], expected[all.len() - 1]) = ("created", "stored");
    assert_eq!(status, expected);
    assert_kinds(stage, &oslo, &[("enrolled", 1), ("known", 1)]);
}

fn a_body_that_is_no_good_is_refused(stage: &Stage) {
    let (_, kiosk) = store(stage, EnrolPolicy::Auto);
    let many: Vec<Value> = (0..101).map(|n| known(&n.to_string(), "a")).collect();
    let nan = r#"{"id":"a","seen_at":"2026-01-01T00:00:00Z","embedding":[NaN]}"#;
    for (body, status, why) in [
        ("", 400, "not the JSON asked for"),
        ("[]", 400, "the body is one visit"),
        ("7", 400, "the body is one visit"),
        (r#"{"visits":[]}"#, 400, "1 to 100 visits come at once, these are 0"),
        (r#"{"visits":{}}"#, 400, "visits is a list of visits"),
        (&*json!({ "visits": many }).to_string(), 400, "1 to 100 visits come at once, these are 101"),
        (nan, 400, "not the JSON asked for"),
        (&*" ".repeat(2 * 1024 * 1024 + 1), 413, "the body is longer than 2048 KiB, send less"),
        (&*"[".repeat(100_000), 400, "not the JSON asked for"),
    ] {
        kiosk.call("POST", "visits", body).expect(status).says(why);
    }
    // A hundred new faces fit.
    let all: Vec<Value> = (0..100).map(|n| new(&n.to_string(), None, &person(n, 0))).collect();
    kiosk.visits(&all).expect(200);
}

fn points_are_the_boxs_own_or_the_stores(stage: &Stage) {
    let (_, kiosk) = store(stage, EnrolPolicy::Auto);
    stage.api("PATCH", "/locations/oslo", r#"{"points_per_visit":5}"#).expect(200);
    for (visit, points) in [
        (new("a", Some("visitor_1"), &person(1, 0)), 5),
        (known("b", "visitor_1"), 10),
        (with(known("c", "visitor_1"), "points", 2), 12),
        (with(known("c", "visitor_1"), "points", 2), 12),
        (with(known("d", "visitor_1"), "points", 0), 12),
        (with(new("e", None, &person(1, 1)), "points", 10_000), 10_012),
    ] {
        kiosk.one(&visit);
        assert_eq!(customer(stage, "visitor_1")["points"], points, "{}", visit["id"]);
    }
    let newest = stage.api("GET", "/locations/oslo/visits?limit=1", "").expect(200).json();
    assert_eq!(newest["visits"][0]["points"], 10_000);
}

fn times_are_read_on_the_stores_clock(stage: &Stage) {
    let (_, kiosk) = store(stage, EnrolPolicy::Auto);
    kiosk.one(&new("a", Some("visitor_1"), &person(1, 0)));
    for (n, (text, expected)) in [
        ("2026-03-05T15:05:09", scene::SEEN.0),
        ("2026-03-05T15:05:09+01:00", scene::SEEN.0),
        ("2026-03-05 14:05:09.000000+00:00", scene::SEEN.0),
    ]
    .into_iter()
    .enumerate()
    {
        kiosk.one(&with(known(&format!("b{n}"), "visitor_1"), "seen_at", text));
        let list = stage.api("GET", "/locations/oslo/visits?limit=1", "").expect(200).json();
        assert_eq!(list["visits"][0]["seen_at"], expected, "{text}");
    }
    // A box whose clock is a year ahead loses no visit, and nobody was seen in the future.
    kiosk.one(&with(known("c", "visitor_1"), "seen_at", moment(365 * 86_400).as_str()));
    let list = stage.api("GET", "/locations/oslo/visits?limit=1", "").expect(200).json();
    let newest = &list["visits"][0];
    assert!(newest["clock_offset_ms"].as_i64().unwrap() > 300 * 86_400_000, "{newest}");
    assert!(customer(stage, "visitor_1")["last_seen_at"].as_i64().unwrap() <= website::clock::now().0);
}

fn who_is_shut_out_sends_nothing(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    let body = known("a", "visitor_1").to_string();
    for headers in [vec![], vec![("authorization", "Bearer regulars_box_x_00")]] {
        let headers: Vec<_> = headers.into_iter().chain([("content-type", "application/json")]).collect();
        for path in ["/api/edge/visits", "/api/edge/sync/confirm"] {
            stage.send("POST", path, &headers, &body).expect(401).says("no valid token of a box that polls");
        }
    }
    stage.api("DELETE", &format!("/locations/oslo/edges/{}", kiosk.edge), "").expect(204);
    for answer in [kiosk.call("POST", "visits", &body), kiosk.confirm(&["a"])] {
        answer.expect(403).says("this box has been revoked");
    }
    assert_kinds(stage, &oslo, &[]);
}

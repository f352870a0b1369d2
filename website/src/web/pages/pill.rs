//! A state in words, with a tone that only helps.

use crate::{
    decide::{
        fleet::Standing,
        polls::{LastAsked, Polls},
    },
    tables::edges::Presence,
};

/// Words for a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pill {
    /// What the page says.
    pub text: String,
    /// How it looks.
    pub tone: Tone,
}

/// How a state looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Nothing to do.
    Calm,
    /// Will pass, or somebody should look.
    Warn,
    /// Somebody must look.
    Bad,
}

impl Tone {
    /// The style sheet's class.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Calm => "calm",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
        }
    }
}

impl Pill {
    /// Words and a tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Pill {
        Pill { text: text.into(), tone }
    }

    /// Where an edge stands.
    pub fn of_standing(standing: &Standing) -> Pill {
        let tone = match standing {
            Standing::InSync => Tone::Good,
            Standing::Revoked | Standing::WaitsToJoin | Standing::Silent => Tone::Calm,
            Standing::Polls(Polls { asked: LastAsked::At { .. }, .. }) => Tone::Warn,
            // It proves nothing, so it is never shown as what an equal digest is.
            Standing::Polls(_) => Tone::Calm,
            Standing::Filling | Standing::Behind { .. } => Tone::Warn,
            Standing::Alarmed(_) | Standing::Blocked { .. } | Standing::Expired | Standing::Differs => {
                Tone::Bad
            }
        };
        Pill::new(tone, standing.to_string())
    }

    /// All edges of a store in one sentence: the worst decides the tone, and only equal digests are in sync.
    pub fn of_fleet<'a>(edges: impl Iterator<Item = (&'a Standing, Presence)>) -> Pill {
        let working = edges.filter(|(standing, _)| !matches!(standing, Standing::Revoked));
        let (mut all, mut in_sync, mut offline, mut poll, mut worst) = (0, 0, 0, 0, Tone::Good);
        for (standing, presence) in working {
            if matches!(standing, Standing::Polls(_)) {
                poll += 1;
                worst = worst.max(Pill::of_standing(standing).tone);
                continue;
            }
            all += 1;
            in_sync += usize::from(*standing == Standing::InSync);
            let waits = matches!(standing, Standing::WaitsToJoin);
            offline += usize::from(presence == Presence::Offline && !waits);
            worst = worst.max(Pill::of_standing(standing).tone);
        }
        let polling = if poll == 1 { "1 polls".to_owned() } else { format!("{poll} poll") };
        let mut text = match (all, in_sync) {
            (0, _) if poll == 0 => return Pill::new(Tone::Calm, "no edge yet"),
            (0, _) => return Pill::new(worst, polling),
            (1, 1) => "in sync".to_owned(),
            (_, _) if in_sync == all => format!("all {all} edges in sync"),
            (_, _) => format!("{in_sync} of {all} edges in sync"),
        };
        if offline > 0 {
            text = format!("{text}, {offline} offline");
            worst = worst.max(Tone::Warn);
        }
        if poll > 0 {
            text = format!("{text}, {polling}");
        }
        Pill::new(worst, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::polls::Has, tables::edges::Alarm};

    #[test]
    fn a_fleet_is_as_good_as_its_worst_edge() {
        use Presence::{Offline, Online};
        use Standing::{Alarmed, Behind, InSync, Revoked, WaitsToJoin};
        let late = Behind { changes: 2 };
        let alarm = Alarmed(Alarm::StillFound);
        let polls = |asked| Standing::Polls(Polls { asked, has: Has::Unknown });
        let (asks, away) = (polls(LastAsked::Ago { s: 3 }), polls(LastAsked::At { words: "09:12".into() }));
        type Row<'a> = (&'a [(&'a Standing, Presence)], Tone, &'a str);
        let table: &[Row<'_>] = &[
            (&[], Tone::Calm, "no edge yet"),
            (&[(&Revoked, Offline)], Tone::Calm, "no edge yet"),
            (&[(&InSync, Online)], Tone::Good, "in sync"),
            (&[(&InSync, Online), (&InSync, Online), (&Revoked, Offline)], Tone::Good, "all 2 edges in sync"),
            (&[(&InSync, Online), (&InSync, Offline)], Tone::Warn, "all 2 edges in sync, 1 offline"),
            (&[(&InSync, Online), (&late, Online)], Tone::Warn, "1 of 2 edges in sync"),
            (&[(&InSync, Online), (&WaitsToJoin, Offline)], Tone::Calm, "1 of 2 edges in sync"),
            (&[(&InSync, Online), (&alarm, Offline)], Tone::Bad, "1 of 2 edges in sync, 1 offline"),
            (&[(&asks, Offline)], Tone::Calm, "1 polls"),
            (&[(&InSync, Online), (&asks, Offline), (&asks, Offline)], Tone::Calm, "in sync, 2 poll"),
            (&[(&InSync, Online), (&away, Offline)], Tone::Warn, "in sync, 1 polls"),
        ];
        for (edges, tone, text) in table {
            let pill = Pill::of_fleet(edges.iter().copied());
            assert_eq!((pill.tone, pill.text.as_str()), (*tone, *text), "{edges:?}");
        }
    }
}

//! The load-bearing rules, each of which can be left out, to see that the simulator would notice. The real code has no
//! switches: a rule is left out by changing what goes into that code, or comes out of it.

use std::{fmt, str::FromStr};

/// One rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What is pushed at or below the verified floor changes nothing.
    Floor,
    /// Only a higher seq of a face wins.
    SeqGuard,
    /// A report goes out after what it tells is durable.
    CommitFirst,
    /// An enrolment decided on less than the newest removal is not trusted.
    Basis,
    /// Whatever speaks of another epoch is ignored.
    EpochCheck,
    /// A face of an edge's own has an end.
    ProvisionalEnd,
    /// Visits are numbered anew at every start.
    StreamPerStart,
    /// Only a completed round counts towards giving the rows up.
    CountedRounds,
    /// A roster tells rows of one seq apart by their hash.
    RowHash,
    /// A new start voids what the website believed of the edge.
    StartNonce,
    /// What a restored database forgot is removed again.
    Ledger,
    /// A removal names every face that was merged into the removed one.
    LedgerAliases,
    /// A roster drops what it does not name.
    Drop,
    /// Settled visits wait for a new epoch.
    Unsettle,
    /// The verified floor is on the disk with the rows, before anybody is told of it.
    DurableFloor,
}

impl Rule {
    /// Every rule.
    pub const ALL: [(Rule, &str); 15] = [
        (Rule::Floor, "floor"),
        (Rule::SeqGuard, "seq-guard"),
        (Rule::CommitFirst, "commit-first"),
        (Rule::Basis, "basis"),
        (Rule::EpochCheck, "epoch-check"),
        (Rule::ProvisionalEnd, "provisional-end"),
        (Rule::StreamPerStart, "stream-per-start"),
        (Rule::CountedRounds, "counted-rounds"),
        (Rule::RowHash, "row-hash"),
        (Rule::StartNonce, "start-nonce"),
        (Rule::Ledger, "ledger"),
        (Rule::LedgerAliases, "ledger-aliases"),
        (Rule::Drop, "drop"),
        (Rule::Unsettle, "unsettle"),
        (Rule::DurableFloor, "durable-floor"),
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Rule::ALL.iter().find(|(rule, _)| rule == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Rule::ALL.iter().find(|(_, name)| *name == text).map(|(rule, _)| *rule);
        found.ok_or_else(|| {
            let names: Vec<&str> = Rule::ALL.iter().map(|(_, name)| *name).collect();
            format!("a rule is one of {}", names.join(", "))
        })
    }
}

/// Which rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// All.
    All,
    /// All but this one.
    Without(Rule),
}

impl Rules {
    /// Whether `rule` is left out.
    pub fn lack(self, rule: Rule) -> bool {
        self == Rules::Without(rule)
    }
}

//! Checks a certificate without a website, a database or a network.

use super::{CONTEXT, Certificate, EdgeStatement, Statement, epoch, opened};
use crate::decide::certificate::Proof;
use chrono::DateTime;
use protocol::{PublicKey, Signature, UnixMs, message::Probe};

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not one.
    #[error("this is no certificate of an erasure: {0}")]
    Unreadable(String),
    /// Another website's, or somebody's own.
    #[error("it is signed with the key {found}, not with the website's, {expected}")]
    OtherKey {
        /// The key in the file.
        found: String,
        /// The one expected.
        expected: String,
    },
    /// Changed since.
    #[error("it was changed since the website signed it")]
    Changed,
    /// An edge did not say what is stated of it.
    #[error("what it states of edge {0} is not what that edge signed")]
    NotSaid(String),
    /// It contradicts itself.
    #[error("it calls itself complete, or not, and its edges say otherwise")]
    Contradiction,
}

/// Checks every signature and that the edges said what is stated of them, and tells in one sentence what is proved.
/// Without `website` it is checked against the key in the file, which the sentence names.
///
/// # Errors
/// When anything does not hold.
pub fn verify(text: &[u8], website: Option<&PublicKey>) -> Result<String, Refused> {
    let certificate: Certificate =
        serde_json::from_slice(text).map_err(|error| Refused::Unreadable(error.to_string()))?;
    let Certificate { statement, signature } = &certificate;
    let unreadable = |what: &str| Refused::Unreadable(what.to_owned());
    if statement.regulars_erasure != 1 {
        return Err(unreadable("it is of a newer form than this program knows"));
    }
    let key: PublicKey = statement.website.parse().map_err(|_| unreadable("the website's key is none"))?;
    if let Some(expected) = website.filter(|expected| **expected != key) {
        let (found, expected) = (key.to_string(), expected.to_string());
        return Err(Refused::OtherKey { found, expected });
    }
    let bytes = hex::decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
    let signature = Signature::from_bytes(bytes.ok_or_else(|| unreadable("the signature is none"))?);
    key.verify(CONTEXT, &statement.text(), &signature).map_err(|_| Refused::Changed)?;
    for edge in &statement.edges {
        if !said(statement, edge) {
            return Err(Refused::NotSaid(edge.edge.to_string()));
        }
    }
    if statement.complete != statement.edges.iter().all(|edge| edge.proof.settles()) {
        return Err(Refused::Contradiction);
    }
    Ok(sentence(statement, &key))
}

/// Whether an edge said what is stated of it. A proof without its report is the website's word, and not refused.
fn said(statement: &Statement, edge: &EdgeStatement) -> bool {
    let lease_over = statement.drawn_up_at > statement.recognised_until;
    let Some(signed) = &edge.signed_report else {
        return match edge.proof {
            Proof::Verified => false,
            Proof::LeaseOver => lease_over,
            Proof::Confirmed => edge.confirmed_at.is_some_and(|at| at >= statement.removed_at),
            _ => true,
        };
    };
    let report = edge
        .public_key
        .parse()
        .ok()
        .and_then(|key| opened(&hex::decode(signed).ok()?, &statement.location, &edge.edge, &key));
    let (Some(report), Some(removal)) = (report, epoch(&statement.epoch)) else { return false };
    let Some(receipt) = &edge.receipt else {
        return edge.proof == Proof::Verified && report.epoch == removal && report.verified >= statement.seq;
    };
    let carried = report.receipts.iter().any(|carried| {
        carried.key.face_id == statement.face_id
            && epoch(&receipt.epoch) == Some(carried.key.epoch)
            && carried.key.epoch == removal
            && carried.key.seq == receipt.seq
            && carried.key.seq >= statement.seq
            && carried.removed_at == receipt.removed_at
            && carried.probe == receipt.probe
    });
    let fits = match edge.proof {
        Proof::Removed => receipt.probe == Probe::Gone,
        Proof::NeverHeld => receipt.probe == Probe::NeverHeld,
        Proof::StillFound | Proof::Doubtful => true,
        // A box that polls signs nothing.
        Proof::Confirmed | Proof::Unconfirmed => false,
        Proof::Verified | Proof::Outstanding | Proof::LeaseOver => false,
    };
    carried && fits
}

fn sentence(statement: &Statement, key: &PublicKey) -> String {
    let Statement { location, face_id, requested_by, .. } = statement;
    let removed = moment(statement.removed_at);
    let what = format!("{face_id} of {location} was removed at {removed} by {requested_by}");
    let all = statement.edges.len();
    let by_word = |edge: &&EdgeStatement| {
        edge.signed_report.is_none() && matches!(edge.proof, Proof::Removed | Proof::NeverHeld)
    };
    let by_word = match statement.edges.iter().filter(by_word).count() {
        0 => String::new(),
        count => format!(", {count} of them by the website's word alone"),
    };
    let open = statement.edges.iter().filter(|edge| !edge.proof.settles()).count();
    let of = |proof| statement.edges.iter().filter(|edge| edge.proof == proof).count();
    let (outstanding, confirmed, unconfirmed) =
        (of(Proof::Outstanding), of(Proof::Confirmed), of(Proof::Unconfirmed));
    let until = moment(statement.recognised_until);
    let mut state = match (open, outstanding, all) {
        (0, _, 0) => "no edge could hold the face".to_owned(),
        (0, _, 1) => format!("the one edge that could hold the face cannot recognise it{by_word}"),
        (0, ..) => format!("none of the {all} edges that could hold the face can recognise it{by_word}"),
        (open, outstanding, all) if open == outstanding => format!(
            "{open} of {all} edges have not proved it, and recognise nobody after {until} without doing so{by_word}"
        ),
        (open, outstanding, all) if open == outstanding + confirmed + unconfirmed => {
            format!("{open} of {all} edges have not proved it{by_word}")
        }
        (open, _, all) => format!("{open} of {all} edges have not proved it, some of them in doubt{by_word}"),
    };
    if confirmed > 0 {
        state += &format!("; {confirmed} of them confirmed it by the box's word alone, which is no proof");
    }
    if unconfirmed > 0 {
        state += &format!("; {unconfirmed} of them poll, have not confirmed it, and have no lease that ends");
    }
    let valid = if statement.complete { "valid and complete" } else { "valid, not complete" };
    format!("{valid}: {what}; {state}; as of {}, signed with the key {key}", moment(statement.drawn_up_at))
}

fn moment(at: UnixMs) -> String {
    let moment = DateTime::from_timestamp_millis(at.0);
    moment.map_or_else(|| at.0.to_string(), |moment| moment.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::sample, erasure::Receipt};
    use protocol::{
        Epoch, Seq, SigningKey,
        codec::Message,
        message::{self, Applied, ReceiptKey, Report, SignedApplied},
    };

    fn report(probe: Probe, key: &SigningKey) -> String {
        let receipt = message::Receipt {
            key: ReceiptKey { face_id: "face".parse().unwrap(), epoch: Epoch(7), seq: Seq(5) },
            removed_at: UnixMs(1_100),
            probe,
        };
        let applied = Applied { receipts: vec![receipt], ..sample::report(7, 6) };
        let signed = SignedApplied::sign(applied, &"berlin".parse().unwrap(), &"door".parse().unwrap(), key);
        hex::encode(Report::Applied(Box::new(signed)).encode())
    }

    fn statement(proof: Proof, receipt: Option<Probe>, signed_report: Option<String>) -> Statement {
        Statement {
            regulars_erasure: 1,
            website: SigningKey::from_seed([1; 32]).public().to_string(),
            location: "berlin".parse().unwrap(),
            face_id: "face".parse().unwrap(),
            also: Vec::new(),
            requested_by: "manager:ada".into(),
            removed_at: UnixMs(1_000),
            epoch: Epoch(7).to_string(),
            seq: Seq(5),
            recognised_until: UnixMs(9_000),
            drawn_up_at: UnixMs(2_000),
            complete: proof.settles(),
            edges: vec![EdgeStatement {
                edge: "door".parse().unwrap(),
                name: "Door".into(),
                public_key: SigningKey::from_seed([2; 32]).public().to_string(),
                proof,
                receipt: receipt.map(|probe| Receipt {
                    epoch: Epoch(7).to_string(),
                    seq: Seq(5),
                    removed_at: UnixMs(1_100),
                    probe,
                }),
                stored_at: None,
                signed_report,
                outstanding_until: None,
                confirmed_at: (proof == Proof::Confirmed).then_some(UnixMs(1_500)),
            }],
        }
    }

    fn checked(statement: Statement) -> Result<String, Refused> {
        let certificate = statement.signed(&SigningKey::from_seed([1; 32]));
        verify(&serde_json::to_vec_pretty(&certificate).unwrap(), None)
    }

    #[test]
    fn only_what_the_edge_signed_is_believed_even_of_the_website() {
        let edge = SigningKey::from_seed([2; 32]);
        let gone = || Some(report(Probe::Gone, &edge));
        let forged = || Some(report(Probe::Gone, &SigningKey::from_seed([3; 32])));
        for (proof, receipt, signed, good) in [
            (Proof::Removed, Some(Probe::Gone), gone(), true),
            (Proof::Verified, None, gone(), true),
            (Proof::Outstanding, None, None, true),
            (Proof::Removed, Some(Probe::Gone), forged(), false),
            (Proof::Removed, Some(Probe::Gone), Some("00".into()), false),
            (Proof::NeverHeld, Some(Probe::NeverHeld), gone(), false),
            (Proof::Removed, Some(Probe::Gone), Some(report(Probe::StillFound, &edge)), false),
            (Proof::Verified, None, None, false),
            (Proof::Outstanding, None, gone(), false),
            (Proof::LeaseOver, None, None, false),
            (Proof::Confirmed, None, None, true),
            (Proof::Confirmed, None, gone(), false),
            (Proof::Unconfirmed, None, None, true),
            (Proof::Unconfirmed, None, gone(), false),
        ] {
            let got = checked(statement(proof, receipt, signed));
            assert_eq!(got.is_ok(), good, "{proof:?}, {receipt:?}: {got:?}");
        }
        let mut later = statement(Proof::Verified, None, gone());
        later.seq = Seq(7);
        assert_eq!(checked(later), Err(Refused::NotSaid("door".into())));
        for (proof, said) in [
            (Proof::Confirmed, "1 of them confirmed it by the box's word alone, which is no proof"),
            (Proof::Unconfirmed, "1 of them poll, have not confirmed it, and have no lease that ends"),
        ] {
            let got = checked(statement(proof, None, None)).unwrap();
            assert!(got.starts_with("valid, not complete: ") && got.contains(said), "{got}");
            let mut complete = statement(proof, None, None);
            complete.complete = true;
            assert_eq!(checked(complete), Err(Refused::Contradiction), "{proof:?}");
        }
        let mut before = statement(Proof::Confirmed, None, None);
        before.removed_at = UnixMs(1_501);
        assert_eq!(checked(before), Err(Refused::NotSaid("door".into())), "a word before the removal");
        let mut lie = statement(Proof::Outstanding, None, None);
        lie.complete = true;
        assert_eq!(checked(lie), Err(Refused::Contradiction));
    }

    #[test]
    fn a_changed_certificate_is_refused_and_the_key_is_named() {
        let (site, edge) = (SigningKey::from_seed([1; 32]), SigningKey::from_seed([2; 32]));
        let good = statement(Proof::Removed, Some(Probe::Gone), Some(report(Probe::Gone, &edge)));
        let text = serde_json::to_string(&good.signed(&site)).unwrap();
        let said = verify(text.as_bytes(), Some(&site.public())).unwrap();
        assert!(
            said.starts_with("valid and complete: face of berlin was removed at 1970-01-01 00:00:01 UTC")
        );
        assert!(said.ends_with(&site.public().to_string()));
        for (from, to) in [
            ("manager:ada", "manager:eve"),
            ("\"removed_at\":1000", "\"removed_at\":1001"),
            ("\"complete\":true", "\"complete\":false"),
            ("\"name\":\"Door\"", "\"name\":\"Till\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_eq!(verify(changed.as_bytes(), None), Err(Refused::Changed), "{to}");
        }
        let other = SigningKey::from_seed([9; 32]).public();
        assert!(matches!(verify(text.as_bytes(), Some(&other)), Err(Refused::OtherKey { .. })));
        for bad in ["", "{}", "[1]", &text.replacen("\"also\"", "\"more\":1,\"also\"", 1)] {
            assert!(matches!(verify(bad.as_bytes(), None), Err(Refused::Unreadable(_))), "{bad}");
        }
    }
}

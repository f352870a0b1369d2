//! Golden bytes: what a released program wrote, every later one must read. The files under `golden/` hold one
//! message each, as hexadecimal digits; `REGULARS_WRITE_GOLDEN=1` writes those that do not exist yet and never
//! changes one that does.
#![allow(clippy::unwrap_used)]

mod samples;

use protocol::{codec::Message, *};
use samples::*;
use std::{fmt::Debug, fs, path::PathBuf};

#[track_caller]
fn check<M: Message + PartialEq + Debug>(name: &str, message: &M) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v1_{name}.hex"));
    let written: String = message.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    if !path.exists() && std::env::var_os("REGULARS_WRITE_GOLDEN").is_some() {
        fs::write(&path, format!("{written}\n")).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert_eq!(written, golden.trim(), "{name} is written as ever");
    let bytes: Vec<u8> = (0..golden.trim().len() / 2)
        .map(|i| u8::from_str_radix(&golden[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    assert_eq!(&M::decode(&bytes).unwrap(), message, "{name} is read as ever");
}

#[test]
fn every_message_has_its_golden_bytes() {
    check("change_live", &live());
    check("change_merged", &merged());
    check("head", &signed_head());
    for (name, inbox) in ["roster", "change", "settled", "receipts_stored", "command"].iter().zip(inboxes()) {
        check(&format!("inbox_{name}"), &inbox);
    }
    for (name, report) in ["applied", "repair", "want"].iter().zip(reports()) {
        check(&format!("report_{name}"), &report);
    }
    for (name, visit) in ["known", "new", "anonymous"].iter().zip(visits()) {
        check(&format!("visit_{name}"), &visit);
    }
}

#[test]
fn the_row_hash_and_the_bucket_are_frozen_too() {
    let hash = DigestKey::from_bytes([3; 32]).hash(&face(5), Seq(300), &customer());
    assert_eq!(Digest::of([hash]).to_string(), "617a2d072158f5b7e759d357790f63a4");
    assert_eq!([bucket_of(&face(5)), bucket_of(&face(6))], [851, 552]);
}

#[test]
fn a_head_or_a_report_elsewhere_or_by_another_does_not_verify() {
    let key = website_key().public();
    assert_eq!(signed_head().verify(&location(), &key), Ok(head()));
    assert_eq!(signed_head().verify(&"oslo-2".parse().unwrap(), &key), Err(BadSignature));
    assert_eq!(signed_head().verify(&location(), &edge_key().public()), Err(BadSignature));

    let report = message::SignedApplied::sign(applied(), &location(), &edge(), &edge_key());
    let key = edge_key().public();
    assert_eq!(report.clone().verify(&location(), &edge(), &key), Ok(applied()));
    assert_eq!(report.clone().verify(&location(), &"edge_B".parse().unwrap(), &key), Err(BadSignature));
    assert_eq!(report.verify(&location(), &edge(), &website_key().public()), Err(BadSignature));
}

//! Boxes that poll say what they have deleted: their word, and no proof.

use crate::{
    on_both,
    sender::{joins, joins_with, known, new, person, remove, store, with},
    stage::Stage,
};
use protocol::message::EnrolPolicy;
use serde_json::{Value, json};
use website::erasure;

on_both!(a_word_is_no_proof, a_word_counts_only_of_the_box_that_had_the_face);

/// The certificate of somebody's removal: complete or not, each edge's proof, and what checking it says.
fn certificate(stage: &Stage, face: &str) -> (Value, Vec<(String, String)>, String) {
    let answer = stage.api("GET", &format!("/locations/oslo/customers/{face}/erasure"), "").expect(200);
    let said = erasure::verify(answer.body.as_bytes(), Some(&stage.app.key.public())).unwrap();
    let statement = answer.json()["statement"].clone();
    let text = |edge: &Value, field: &str| edge[field].as_str().unwrap().to_owned();
    let edges = statement["edges"].as_array().unwrap();
    let proofs = edges.iter().map(|edge| (text(edge, "name"), text(edge, "proof"))).collect();
    (statement["complete"].clone(), proofs, said)
}

fn is(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, proof)| ((*name).to_owned(), (*proof).to_owned())).collect()
}

fn a_word_is_no_proof(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    kiosk.one(&new("a", Some("visitor_5"), &person(5, 0)));
    kiosk.confirm(&["visitor_5"]).expect(422).says("not removed at this store").says("visitor_5");
    remove(stage, &oslo, "visitor_5");
    joins(stage, &oslo, "Later");
    let change = |words: &str| stage.sign_in().get("/stores/oslo/changes/2").expect(200).says(words);
    change("polls: has not asked for it yet");
    let (complete, proofs, said) = certificate(stage, "visitor_5");
    assert_eq!((complete, proofs), (json!(false), is(&[("Door", "outstanding"), ("Kiosk", "unconfirmed")])));
    assert!(said.contains("1 of them poll, have not confirmed it, and have no lease that ends"), "{said}");
    let page = |words: &str| {
        let page = stage.sign_in().get("/stores/oslo/customers/visitor_5/erasure").expect(200);
        page.says(words).does_not_say("No edge can recognise").does_not_say("Later")
    };
    page("nothing but its word will come");

    let answer = kiosk.confirm(&["visitor_5", "visitor_6", "no id"]).expect(200).json();
    assert_eq!(
        (&answer["confirmed"], &answer["refused"]),
        (&json!(["visitor_5"]), &json!(["no id", "visitor_6"]))
    );
    let again = kiosk.confirm(&["visitor_5"]).expect(200).json();
    assert_eq!(again, json!({ "success": true, "confirmed": ["visitor_5"], "refused": [] }));
    change("polls: says that it has deleted it").says("not proved");
    // The lease of the other one ends; this one's never does.
    stage.sql("UPDATE erasures SET recognised_until = at");
    let (complete, proofs, said) = certificate(stage, "visitor_5");
    assert_eq!((complete, proofs), (json!(false), is(&[("Door", "lease_over"), ("Kiosk", "confirmed")])));
    assert!(said.starts_with("valid, not complete"), "{said}");
    assert!(said.contains("confirmed it by the box's word alone, which is no proof"), "{said}");
    page("confirmed by the box’s word, not proved").says("boxes that poll can only say so");
    // Shut out it stays: nothing else will come.
    stage.api("DELETE", &format!("/locations/oslo/edges/{}", kiosk.edge), "").expect(204);
    assert_eq!(certificate(stage, "visitor_5").1, is(&[("Door", "lease_over"), ("Kiosk", "confirmed")]));
}

fn a_word_counts_only_of_the_box_that_had_the_face(stage: &Stage) {
    let (oslo, kiosk) = store(stage, EnrolPolicy::Auto);
    kiosk.one(&new("a", Some("visitor_5"), &person(5, 0)));
    kiosk.one(&new("b", Some("visitor_6"), &person(6, 0)));
    remove(stage, &oslo, "visitor_5");
    remove(stage, &oslo, "visitor_6");
    kiosk.confirm(&["visitor_5"]).expect(200);
    // Another box takes its place. What the first one said stands; of the rest it knows nothing.
    let path = format!("/locations/oslo/edges/{}/code", kiosk.edge);
    let code = stage.api("POST", &path, "").expect(201).json()["code"].as_str().unwrap().to_owned();
    let other = joins_with(stage, &code);
    other.confirm(&["visitor_5", "visitor_6"]).expect(200);
    kiosk.confirm(&["visitor_6"]).expect(401);
    let proof = |face| certificate(stage, face).1[1].clone();
    assert_eq!(proof("visitor_5"), ("Kiosk".to_owned(), "confirmed".to_owned()));
    assert_eq!(proof("visitor_6"), ("Kiosk".to_owned(), "unconfirmed".to_owned()));
    // Whoever recognises somebody it said it had deleted is not believed.
    let told = other.poll("");
    other.one(&with(known("c", "visitor_5"), "since", told.as_str()));
    assert_eq!(proof("visitor_5"), ("Kiosk".to_owned(), "doubtful".to_owned()));
}

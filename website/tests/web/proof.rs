//! The review queue, dead letters and certificates, for people and for programs.

use crate::{on_both, scene, stage::Stage};
use protocol::{
    Embedding, FaceId, LocationId, StreamId, UnixMs,
    message::{EnrolPolicy, Probe, Similarity},
};
use website::{
    changes::{Actor, Held},
    locations::{self, NewSettings},
    tables::{dead_letters, edges, edges::Alarm, review_queue, spaces, spaces::Space},
};

on_both!(
    new_faces_wait_until_somebody_says_that_they_agreed,
    dead_letters_are_told_with_their_reasons,
    a_certificate_is_shown_and_handed_over,
    an_alarm_is_seen_to_and_a_shut_out_edge_joins_again,
    repairs_are_shown_by_what_made_them,
);

fn asks(stage: &Stage, location: &LocationId) {
    let new = NewSettings { enrol: Some(EnrolPolicy::Approve), ..NewSettings::default() };
    stage.run(locations::set(&stage.app, location, new, &Actor::command_line())).unwrap();
}

fn waits(stage: &Stage, location: &LocationId, edge: &edges::Edge, face: &str, n: usize) {
    let mut vector = [0.01_f32; 16];
    vector[n] = 1.0;
    let waiting = review_queue::Waiting {
        face_id: face.parse().unwrap(),
        edge: edge.id.clone(),
        space: "test-space".parse().unwrap(),
        embedding: Embedding::from_f32(&vector).unwrap(),
        seen_at: scene::SEEN,
        received_at: website::clock::now(),
    };
    stage.run(async {
        let mut held = Held::begin(&stage.app.db, location).await.unwrap();
        let space = Space {
            id: waiting.space.clone(),
            dimension: 16,
            match_at: Similarity(6_000),
            new_below: Similarity(4_000),
        };
        spaces::insert(&mut held.tx, &space, scene::SEEN).await.unwrap();
        held.queue_for_review(&waiting).await.unwrap();
        held.commit().await.unwrap();
    });
}

fn new_faces_wait_until_somebody_says_that_they_agreed(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let door = scene::edge(stage, &oslo, "Door");
    let browser = stage.sign_in();
    browser.get("/stores/oslo/review").expect(200).says("does not ask a manager");
    asks(stage, &oslo);
    browser.get("/stores/oslo/review").expect(200).says("Nobody waits");
    for (n, face) in ["new_1", "new_2", "new_3", "new_4"].into_iter().enumerate() {
        waits(stage, &oslo, &door, face, n);
    }
    let page = browser.get("/stores/oslo/review").expect(200);
    page.says("4 new faces wait").says("new_1").says("5 Mar 2026, 15:05").says("Door");
    // Nobody is let in without consent.
    for form in ["", "consent=", "consent=perhaps"] {
        browser.post("/stores/oslo/review/new_1/accept", form).expect(400).says("written, spoken");
    }
    let page = browser.submit("/stores/oslo/review/new_1/accept", "consent=spoken");
    page.says("The face is a customer now").says("New customer");
    browser.get("/stores/oslo/customers/new_1").expect(200).says("<dd class=\"text\">spoken,");
    browser.submit("/stores/oslo/review/new_2/refuse", "").says("destroyed").says("2 new faces wait");
    browser.post("/stores/oslo/review/new_2/refuse", "").expect(404).says("does not wait for review");

    let list = stage.api("GET", "/locations/oslo/review", "").expect(200).json();
    assert_eq!((&list["waiting"], &list["faces"][0]["face_id"]), (&2.into(), &"new_3".into()));
    assert!(!list.to_string().contains("embedding"));
    let accept = "/locations/oslo/review/new_3/accept";
    stage.api("POST", accept, r#"{"consent":"perhaps"}"#).expect(400).says("written, spoken, online");
    stage.api("POST", accept, r#"{}"#).expect(400);
    let done = stage.api("POST", accept, r#"{"consent":"written"}"#).expect(200).json();
    assert_eq!(done["seq"], 3);
    stage.api("POST", "/locations/oslo/review/new_4/refuse", "{}").expect(200);
    stage.api("POST", "/locations/oslo/review/new_4/refuse", "{}").expect(404);
    let customers = stage.api("GET", "/locations/oslo/customers", "").expect(200).json();
    assert_eq!(customers["customers"].as_array().unwrap().len(), 2);
    // Whoever was refused has a certificate too.
    stage.api("GET", "/locations/oslo/customers/new_4/erasure", "").expect(200);
    // What was agreed goes with the customer.
    browser.submit("/stores/oslo/customers/new_1/remove", "");
    let face: FaceId = "new_1".parse().unwrap();
    let consent = stage.run(async {
        let mut tx = stage.app.db.read().await.unwrap();
        website::tables::consents::get(&mut tx, &oslo, &face).await.unwrap()
    });
    assert_eq!(consent, None);
}

fn dead_letters_are_told_with_their_reasons(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let door = scene::edge(stage, &oslo, "Door");
    let browser = stage.sign_in();
    browser.get("/stores/oslo/dead-letters").expect(200).says("No dead letters");
    stage.run(async {
        let mut tx = stage.app.db.write().await.unwrap();
        for n in 1..=60 {
            let at = UnixMs(scene::SEEN.0 + n);
            let number = (StreamId(0xab), n as u64);
            dead_letters::insert(&mut tx, &door.id, number, &oslo, "id_taken", at).await.unwrap();
        }
        tx.commit().await.unwrap();
    });
    let page = browser.get("/stores/oslo/dead-letters").expect(200);
    let page = page.says("a new face under an id that exists or existed").says("00000000000000ab 60");
    let next = page.attributes("href").into_iter().find(|path| path.ends_with("?offset=50")).unwrap();
    browser.get(&next).expect(200).says("00000000000000ab 10").does_not_say("00000000000000ab 11<");
    browser.get("/stores/oslo/visits").expect(200).says("/stores/oslo/dead-letters");
    let list = stage.api("GET", "/locations/oslo/dead-letters?limit=2", "").expect(200).json();
    assert_eq!((&list["dead_letters"][0]["n"], &list["next_offset"]), (&60.into(), &2.into()));
    assert_eq!(list["dead_letters"][0]["reason"], "id_taken");
}

fn a_certificate_is_shown_and_handed_over(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let face = scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let (door, till) = (scene::edge(stage, &oslo, "Door"), scene::edge(stage, &oslo, "Till"));
    let browser = stage.sign_in();
    let page = "/stores/oslo/customers/face_1/erasure";
    browser.get(page).expect(404).says("has not been removed");
    browser.submit("/stores/oslo/customers/face_1/remove", "").says(page);
    let shown = browser.get(page).expect(200);
    shown
        .says("Not every edge has proved it yet")
        .says("its lease ends")
        .says("manager:")
        .does_not_say("Ada");
    scene::receipt(stage, &oslo, &door, &face, 2, Probe::Gone);
    scene::receipt(stage, &oslo, &till, &face, 2, Probe::NeverHeld);
    let shown = browser.get(page).expect(200).says("No edge can recognise this face any more");
    shown.says("forgotten, and checked").says("never held this face");
    let file = browser.get(&format!("{page}.json")).expect(200);
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"erasure-face_1.json\"");
    let by_api = stage.api("GET", "/locations/oslo/customers/face_1/erasure", "").expect(200).json();
    assert_eq!((&by_api["statement"]["complete"], &by_api["statement"]["seq"]), (&true.into(), &2.into()));
    // These receipts stand on empty reports, which is not what an edge signs.
    let refused = website::erasure::verify(file.body.as_bytes(), Some(&stage.app.key.public())).unwrap_err();
    assert!(refused.to_string().contains("is not what that edge signed"), "{refused}");
    stage.api("GET", "/locations/oslo/customers/face_9/erasure", "").expect(404);
    stage.api("GET", "/locations/bergen/customers/face_1/erasure", "").expect(404);
    stage.send("GET", "/api/v1/locations/oslo/customers/face_1/erasure", &[], "").expect(401);
}

fn an_alarm_is_seen_to_and_a_shut_out_edge_joins_again(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let door = scene::edge(stage, &oslo, "Door");
    let browser = stage.sign_in();
    let alarm = |alarm| {
        stage.run(async {
            let mut tx = stage.app.db.write().await.unwrap();
            edges::set_alarm(&mut tx, &door.id, alarm, website::clock::now()).await.unwrap();
            edges::order_repair(&mut tx, &door.id, website::clock::now()).await.unwrap();
            tx.commit().await.unwrap();
        });
    };
    alarm(Alarm::StaleHit);
    let page = browser.get("/stores/oslo/edges").expect(200);
    let page = page.says("recognised somebody it had confirmed as removed").says("told to compare its rows");
    let seen_to = page.attributes("action").into_iter().find(|path| path.ends_with("/alarm")).unwrap();
    browser.submit(&seen_to, "").says("The alarm is ended").does_not_say("recognised somebody");
    alarm(Alarm::Clone);
    let page = browser.get("/stores/oslo/edges").expect(200);
    let page = page.says("shut out: a second box reports as this edge").does_not_say("/alarm\"");
    browser.post(&seen_to, "").expect(409).says("is shut out: give it a new code");
    let path = format!("/locations/oslo/edges/{}", door.id);
    stage.api("DELETE", &format!("{path}/alarm"), "").expect(409);
    let edge = stage.api("GET", &path, "").expect(200).json();
    assert_eq!((&edge["state"], &edge["alarm"]), (&"alarm".into(), &"clone".into()));
    assert!(edge["alarm_at"].is_number());
    let code = page.attributes("action").into_iter().find(|path| path.ends_with("/code")).unwrap();
    browser.post(&code, "").expect(200).says("Door is waiting to join");
}

fn repairs_are_shown_by_what_made_them(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let door = scene::edge(stage, &oslo, "Door");
    let browser = stage.sign_in();
    browser.get("/stores/oslo/edges").expect(200).does_not_say("repairs since").does_not_say("when it last");
    let metrics = || stage.scrape("/metrics").expect(200);
    metrics().does_not_say("regulars_edge_repairs_total{");
    scene::report(stage, &oslo, &door, None);
    let page = browser.get("/stores/oslo/edges").expect(200);
    page.says("repairs since its start: 2 because messages did not come, 1 because the website asked")
        .does_not_say("to fill itself")
        // Three visits wait, as far as it has said.
        .says("3<small>when it last reported, <time");
    let edge = stage.api("GET", &format!("/locations/oslo/edges/{}", door.id), "").expect(200).json();
    let repairs = serde_json::json!(
        {"first_start": 0, "missed": 2, "digest": 0, "epoch": 0, "quarantine": 0, "asked": 1}
    );
    assert_eq!(edge["report"]["repairs"], repairs);
    let line = |reason, count| {
        format!(
            "\nregulars_edge_repairs_total{{location=\"oslo\",edge=\"{}\",reason=\"{reason}\"}} {count}\n",
            door.id
        )
    };
    metrics()
        .says(&line("missed", 2))
        .says(&line("asked", 1))
        .says(&line("quarantine", 0))
        .says("\n# TYPE regulars_visits_total counter\nregulars_visits_total 0\n");
    stage.send("GET", "/metrics", &[], "").expect(401);
}

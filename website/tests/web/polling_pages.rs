//! Boxes that poll as people and programs see them.

use crate::{on_both, scene, stage::Stage};
use protocol::FaceId;
use serde_json::json;
use std::process::Command;
use website::changes::{self, Actor};

on_both!(a_page_gives_a_box_its_token_once, what_a_box_has_asked_is_shown, the_command_line_lets_a_box_in,);

fn ask(stage: &Stage, token: &str, question: &str) -> serde_json::Value {
    let bearer = format!("Bearer {token}");
    let path = format!("/api/edge/sync{question}");
    stage.send("GET", &path, &[("authorization", &bearer)], "").expect(200).json()
}

/// The token that a page shows.
fn shown(body: &str) -> String {
    let at = body.find("regulars_box_").unwrap();
    body[at..].split('<').next().unwrap().to_owned()
}

fn a_page_gives_a_box_its_token_once(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let browser = stage.sign_in();
    let add = |form: &str| browser.post("/stores/oslo/edges", form);
    add("name=Till&kind=polling").expect(400).says("space is known yet");
    add("name=Till&kind=post").expect(400);
    scene::customer(stage, &oslo, "visitor_1", "", 1);
    let page = add("name=Till&place=left&kind=polling&space=").expect(200);
    let page = page.says("Till may poll").says("/api/edge/sync").says("faces of the model test-space");
    let token = shown(&page.body);
    browser.get("/stores/oslo/edges").expect(200).says("polls: never asked").does_not_say(&token);
    ask(stage, &token, "");
    browser.get("/stores/oslo/edges").says("has confirmed nothing yet").does_not_say("not yet</span>");
    browser.get("/").says("1 polls");
    add("name=Till&kind=polling").expect(409).says("already");
    // Where there are several, one is chosen.
    let other = r#"{"id":"other","dimension":8,"match":0.6,"new":0.4}"#;
    let code = stage.api("POST", "/locations/oslo/edges", r#"{"name":"other"}"#).expect(201).json();
    let body = format!(r#"{{"code":{},"kind":"polling","space":{other}}}"#, code["code"]);
    stage.send("POST", "/api/edge/join", &[("content-type", "application/json")], &body).expect(200);
    browser.get("/stores/oslo/edges").says("<option>other</option>").says("blocked: its model (other)");
    add("name=Third&kind=polling&space=other").expect(200).says("faces of the model other");
    add("name=Fourth&kind=polling&space=unheard-of").expect(400).says("is not registered");
    add("name=Fourth&kind=polling&space=a+b").expect(400);
}

fn what_a_box_has_asked_is_shown(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let gone: FaceId = scene::customer(stage, &oslo, "visitor_1", "", 1);
    let browser = stage.sign_in();
    let token = shown(&browser.post("/stores/oslo/edges", "name=Till&kind=polling").expect(200).body);
    let edges = || stage.api("GET", "/locations/oslo/edges", "").expect(200).json()["edges"][0].clone();
    assert_eq!((edges()["state"].clone(), edges()["behind"].clone()), (json!("never_asked"), json!(null)));
    let changed = stage.run(changes::remove(&stage.app, &oslo, &gone, &Actor::command_line())).unwrap();
    let change = format!("/locations/oslo/changes/{}", changed.seq);
    let time = ask(stage, &token, "?format=changes")["sync_timestamp"].as_str().unwrap().to_owned();
    let progress = stage.api("GET", &change, "").expect(200).json();
    assert_eq!((&progress["complete"], &progress["edges"][0]["state"]), (&json!(false), &json!("not_asked")));
    browser.get(&format!("/stores/oslo/changes/{}", changed.seq)).says("polls: has not asked for it yet");
    stage.sql("UPDATE polling_boxes SET asked_at = asked_at - 60000");
    ask(stage, &token, &format!("?format=changes&since={time}"));
    let progress = stage.api("GET", &change, "").expect(200).json();
    assert_eq!((&progress["complete"], &progress["edges"][0]["state"]), (&json!(true), &json!("asked")));
    let page = browser.get(&format!("/stores/oslo/changes/{}", changed.seq));
    page.says("1 of 1 box that polls has asked for it, which proves nothing")
        .says("polls: asked for it today");
    let edge = edges();
    assert_eq!(edge["state"], "polls");
    assert_eq!((&edge["polling"]["removed_seq"], &edge["polling"]["changed_seq"]), (&json!(2), &json!(2)));
    assert!(edge["words"].as_str().unwrap().ends_with("has everything to seq 2"), "{edge}");
    assert_eq!(
        (&edge["space"], &edge["report"], &edge["presence"]),
        (&json!("test-space"), &json!(null), &json!("offline"))
    );
    let id = edge["edge"].as_str().unwrap();
    let metrics = stage.scrape("/metrics").expect(200);
    let metrics =
        metrics.says(&format!("regulars_polling_confirmed_seq{{location=\"oslo\",edge=\"{id}\"}} 2\n"));
    let line = format!("regulars_polling_asked_timestamp_seconds{{location=\"oslo\",edge=\"{id}\"}} ");
    metrics.says(&line).does_not_say(&token);
}

fn the_command_line_lets_a_box_in(stage: &Stage) {
    scene::location(stage, "Oslo");
    let settings = &stage.app.settings;
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_website"));
        command.args(["edge", "add", "oslo"]).args(words).arg("--data").arg(&settings.data);
        if let Some(url) = &settings.database_url {
            command.args(["--database-url", url]);
        }
        let output = command.output().unwrap();
        let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), out, error)
    };
    let all = ["--space", "toy", "--dimension", "8", "--match", "0.6", "--new", "0.4"];
    for (words, said) in [
        (vec!["a", "--polling"], "no space is known yet"),
        (vec!["a", "--polling", "--space", "toy"], "space toy is not registered"),
        (vec!["a", "--polling", "--space", "toy", "--dimension", "8"], "--match"),
        (vec!["a", "--print-token"], "--polling"),
        (vec!["a", "--space", "toy"], "--polling"),
        (vec!["a", "--polling", "--print-code"], "--print-code"),
    ] {
        let (done, _, error) = run(&words);
        assert!(!done && error.contains(said), "{words:?}: {error}");
    }
    let (done, out, error) = run(&[&["a", "--polling", "--print-token"], &all[..]].concat());
    assert!(done, "{error}");
    ask(stage, out.trim(), "?format=changes");
    // From now on there is one.
    let (done, out, error) = run(&["b", "--polling"]);
    assert!(done && out.contains("its box gets faces of toy"), "{out} {error}");
    ask(stage, out.trim().rsplit(' ').next().unwrap(), "");
    let listed = Command::new(env!("CARGO_BIN_EXE_website"))
        .args(["edge", "list", "oslo", "--data"])
        .arg(&settings.data)
        .args(settings.database_url.iter().flat_map(|url| ["--database-url", url]))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.matches("polls: asked ").count(), 2, "{listed}");
    let other = [&["c", "--polling", "--space", "toy", "--dimension", "9"], &all[4..]].concat();
    let (done, _, error) = run(&other);
    assert!(!done && error.contains("another dimension or other thresholds"), "{error}");
}

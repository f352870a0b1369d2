use crate::client::Client;
use crate::process::{PASSWORD, Serving, command, run, settings};
use serde_json::Value;
use std::io::Write;
use test_kit::until;

fn golden(name: &str) -> Vec<u8> {
    let file = format!("{}/../protocol/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text: String = std::fs::read_to_string(file).unwrap().split_whitespace().collect();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

#[test]
fn messages_are_decoded_and_no_vector_is_shown() {
    let (_folder, file) = settings("");
    let broker = Serving::with(&file);
    let url = format!("mqtt://site@{}", broker.mqtt);
    let mut site = Client::new(broker.mqtt, "ann");
    assert!(!site.publish("store/A/customers/f1", b"x", true), "ann may nothing");
    for json in [true, false] {
        let mut arguments = vec!["tail", "store/#", "--url", &url, "--password-stdin", "--count", "2"];
        arguments.extend(json.then_some("--json"));
        let before = broker.metric("broker_subscriptions");
        let mut tail = command(&arguments).spawn().unwrap();
        tail.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        until("it has subscribed", 20, || broker.metric("broker_subscriptions") > before);
        let mut site = Client::new(broker.mqtt, "site");
        assert!(site.publish("store/A/customers/f1", &golden("v1_change_live"), false));
        assert!(site.publish("store/A/customers", &golden("v1_head"), false));
        let output = tail.wait_with_output().unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        if json {
            let change: Value = serde_json::from_str(lines[0]).unwrap();
            assert_eq!(
                (&change["topic"], &change["kind"]),
                (&"store/A/customers/f1".into(), &"change".into())
            );
            let embedding = &change["message"]["state"]["Live"]["embedding"];
            assert_eq!(embedding, &serde_json::json!({ "dimension": 4 }));
            let head: Value = serde_json::from_str(lines[1]).unwrap();
            assert_eq!(head["message"]["head"]["seq"], 301, "{head}");
        } else {
            assert!(lines[0].starts_with("store/A/customers/f1 change: {"), "{}", lines[0]);
            assert!(lines[0].contains(r#""embedding":{"dimension":"#), "{}", lines[0]);
            assert!(lines[1].starts_with("store/A/customers head: {"), "{}", lines[1]);
        }
    }
}

#[test]
fn what_cannot_be_watched_is_said() {
    let (_folder, file) = settings("");
    let broker = Serving::with(&file);
    let url = format!("mqtt://{}", broker.mqtt);
    for (name, password, expected) in [
        ("eve", PASSWORD, "the broker refused store/#: log in as somebody who may read it"),
        ("eve", "wrong", "refused the login: give --username and --password-stdin"),
    ] {
        let arguments = ["tail", "store/#", "--url", &url, "--username", name, "--password-stdin"];
        let output = run(&arguments, password);
        assert!(output.code == 1 && output.stderr.contains(expected), "{}", output.stderr);
    }
}

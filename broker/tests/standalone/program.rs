use crate::process::{PASSWORD, rule, run, settings};

#[test]
fn the_sample_is_printed_checked_and_answers() {
    let sample = run(&["config"], "");
    assert_eq!(sample.code, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.toml");
    std::fs::write(&file, &sample.stdout).unwrap();
    let file = file.to_str().unwrap();
    let checked = run(&["check", "--config", file], "");
    assert_eq!(
        (checked.code, checked.stdout.as_str()),
        (0, "good: users 1, rules 3; nobody else may log in\n")
    );
    for (user, verb, topic, expected) in [
        ("till", "publish", "tills/till/state", "yes"),
        ("till", "publish", "tills/till/settings", "no"),
        ("till", "publish", "tills/other/state", "no"),
        ("till", "subscribe", "tills/till/#", "yes"),
        ("till", "subscribe", "tills/+/state", "no"),
        ("till", "subscribe", "#", "no"),
        ("till", "subscribe", "$SYS/#", "yes"),
        ("till", "publish", "$SYS/x", "no"),
    ] {
        let answer = run(&["check", "--config", file, "may", user, verb, topic], "");
        assert_eq!(answer.stdout.trim(), expected, "{user} {verb} {topic}: {}", answer.stderr);
        assert_eq!(answer.code, i32::from(expected == "no"));
    }
    let ghost = run(&["check", "--config", file, "may", "ghost", "publish", "a"], "");
    assert!(ghost.code == 1 && ghost.stderr.contains("add a [[user]]"), "{}", ghost.stderr);
}

#[test]
fn a_password_is_hashed_and_a_short_one_refused() {
    let hashed = run(&["passwd"], &format!("{PASSWORD}\n"));
    assert!(hashed.code == 0 && hashed.stdout.starts_with("$argon2id$"), "{}", hashed.stderr);
    assert!(!hashed.stdout.contains(PASSWORD));
    let short = run(&["passwd"], "short\n");
    assert!(short.code == 1 && short.stderr.contains("at least 12 characters"), "{}", short.stderr);
}

#[test]
fn what_cannot_be_meant_is_refused_in_one_sentence_before_anything_listens() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (_good_folder, good) = settings("");
    let (_bad_folder, bad) = settings(&rule("allow", "both", "a/%u-x"));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    for (arguments, expected) in [
        (vec!["serve"], "give --config broker.toml".to_owned()),
        (vec!["serve", "--open", "--listen", "0.0.0.0:0"], "--open is for a loopback address".to_owned()),
        (
            vec!["serve", "--open", "--listen", "0.0.0.0:0", "--allow-plaintext"],
            "--open is for a loopback address".to_owned(),
        ),
        (vec!["serve", "--config", good, "--listen", "0.0.0.0:0"], "--allow-plaintext".to_owned()),
        (vec!["serve", "--config", good, "--listen", &taken], format!("cannot listen for MQTT on {taken}")),
        (
            vec!["serve", "--config", good, "--listen", "127.0.0.1:0", "--status", &taken],
            format!("cannot listen for HTTP on {taken}"),
        ),
        (
            vec!["serve", "--config", good, "--listen", "127.0.0.1:0", "--status", "0.0.0.0:0"],
            "refused to show health and metrics".to_owned(),
        ),
        (vec!["serve", "--config", "/nowhere/b.toml"], "/nowhere/b.toml: cannot be read".to_owned()),
        (vec!["serve", "--config", bad, "--listen", "127.0.0.1:0"], format!("{bad}:20: `%u` and `%c` stand")),
        (vec!["check", "--config", bad], format!("{bad}:20: `%u` and `%c` stand")),
    ] {
        let output = run(&arguments, "");
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(output.stderr.contains(&expected), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stderr.trim().lines().count(), 1, "{}", output.stderr);
    }
}

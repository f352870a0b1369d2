//! Starting, refusing to start, and the command line beside it.

use crate::stage::Stage;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};
use tokio_util::sync::CancellationToken;
use website::Settings;

async fn refusal(settings: Settings) -> String {
    match website::start(settings, CancellationToken::new()).await {
        Ok(_) => panic!("it started"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_says_why() {
    let stage = Stage::sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (settings, why) in [
        (Settings { listen: address, ..stage.settings() }, "cannot listen for HTTP on 127.0.0.1:"),
        (Settings { mqtt_listen: address, ..stage.settings() }, "cannot listen for MQTT on 127.0.0.1:"),
        (Settings { data: "/proc/nowhere".into(), ..stage.settings() }, "cannot be made"),
    ] {
        let said = refusal(settings).await;
        assert!(said.contains(why), "{said}");
    }
}

struct Program {
    child: Child,
    line: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(stage: &Stage) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_website"));
    command.env("REGULARS_DATA", stage.data.path()).env("REGULARS_LOG", "warn");
    command
}

fn serve(stage: &Stage) -> Program {
    let mut child = command(stage)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("REGULARS_MQTT_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Program { child, line }
}

fn run(stage: &Stage, args: &[&str], stdin: &str) -> Output {
    let piped = || Stdio::piped();
    let mut child = command(stage).args(args).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn says(stage: &Stage, args: &[&str]) -> String {
    let output = run(stage, args, "");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_command_line_works_beside_a_running_website() {
    let stage = Stage::sqlite();
    let website = serve(&stage);
    let addresses: Vec<&str> = website.line.trim().split(' ').collect();
    assert_eq!(addresses[..3], ["website", "listening", "on"]);
    let http = addresses[3].strip_prefix("http://").unwrap();
    assert!(addresses[4].starts_with("mqtt://127.0.0.1:"));

    let berlin = ["location", "add", "berlin", "--name", "Berlin", "--time-zone", "Europe/Berlin"];
    let output = run(&stage, &berlin, "");
    assert!(!output.status.success(), "the enrol policy has no default");
    assert_eq!(says(&stage, &[&berlin[..], &["--enrol", "auto"]].concat()), "added location berlin\n");
    assert!(says(&stage, &["location", "list"]).starts_with("berlin\tBerlin\tEurope/Berlin\tauto"));
    let code = says(&stage, &["edge", "add", "berlin", "door", "--print-code"]);
    assert_eq!(code.trim().len(), 8);
    let list = says(&stage, &["edge", "list", "berlin"]);
    let id = list.split('\t').next().unwrap();
    assert!(list.ends_with("\tdoor\twaiting to join\n"), "{list}");
    says(&stage, &["edge", "revoke", "berlin", id]);
    assert!(says(&stage, &["edge", "list", "berlin"]).ends_with("revoked\n"));
    assert_eq!(says(&stage, &["mqtt-user", "add", "ada"]).trim().len(), 32, "a password made up");
    assert!(run(&stage, &["mqtt-user", "add", "ada"], "a good long password\n").status.success());
    assert_eq!(says(&stage, &["mqtt-user", "list"]), "ada\n");
    assert_eq!(says(&stage, &["mqtt-user", "remove", "ada"]), "removed ada\n");
    assert!(says(&stage, &["token", "create", "till"]).starts_with("regulars_"));
    assert_eq!(says(&stage, &["token", "list"]), "till\n");
    assert_eq!(says(&stage, &["token", "revoke", "till"]), "revoked token till\n");
    for (args, why) in [
        (&["edge", "add", "paris", "door"][..], "website: there is no location paris\n"),
        (&["edge", "revoke", "berlin", "nobody"], "website: there is no edge nobody at this location\n"),
        (
            &["token", "revoke", "till"],
            "website: there is no token of that name: `website token list` names them\n",
        ),
    ] {
        let output = run(&stage, args, "");
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
            (Some(1), why)
        );
    }
    let mut socket = std::net::TcpStream::connect(http).unwrap();
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_website_ends_cleanly_when_told() {
    let stage = Stage::sqlite();
    let mut website = serve(&stage);
    let told = Command::new("kill").arg(website.child.id().to_string()).status().unwrap();
    assert!(told.success());
    assert_eq!(website.child.wait().unwrap().code(), Some(0));
    assert!(!stage.data.path().join("website.db-wal").exists(), "the database was closed");
}

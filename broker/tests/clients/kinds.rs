//! The clients: how each is told to publish and to listen.

use std::process::{Command, Output, Stdio};

/// Where the broker listens.
#[derive(Clone, Copy)]
pub struct Ports {
    pub bytes: u16,
    pub websocket: u16,
}

/// A client that is told everything on its command line.
pub struct Kind {
    pub name: &'static str,
    program: Program,
    version: Version,
}

enum Program {
    Mosquitto,
    Python,
    Node,
}

#[derive(Clone, Copy)]
enum Version {
    V311,
    V5,
}

/// Mosquitto's programs.
pub static MOSQUITTO: [Kind; 2] = [
    Kind { name: "mosquitto 3.1.1", program: Program::Mosquitto, version: Version::V311 },
    Kind { name: "mosquitto 5", program: Program::Mosquitto, version: Version::V5 },
];
/// Eclipse's library for Python.
pub static PAHO: [Kind; 2] = [
    Kind { name: "paho-mqtt 3.1.1", program: Program::Python, version: Version::V311 },
    Kind { name: "paho-mqtt 5", program: Program::Python, version: Version::V5 },
];
/// The library for Node.js, over WebSocket.
pub static MQTT_JS: [Kind; 2] = [
    Kind { name: "mqtt.js 3.1.1 over WebSocket", program: Program::Node, version: Version::V311 },
    Kind { name: "mqtt.js 5 over WebSocket", program: Program::Node, version: Version::V5 },
];

/// A client that knows where to go.
pub struct Client<'a> {
    kind: &'a Kind,
    ports: Ports,
}

impl Kind {
    pub fn at(&self, ports: Ports) -> Client<'_> {
        Client { kind: self, ports }
    }

    /// Why it cannot be asked here.
    pub fn installed(&self) -> Result<(), String> {
        let found = match self.program {
            Program::Mosquitto => Command::new("mosquitto_sub").arg("--help").output().is_ok(),
            Program::Python => python().is_some(),
            Program::Node => succeeds(node().args(["-e", "require('mqtt')"])),
        };
        if found { Ok(()) } else { Err(format!("{} is not installed", self.name)) }
    }
}

impl Client<'_> {
    /// Publishes at QoS 1 and waits for the acknowledgement.
    pub fn publish(&self, topic: &str, text: &str, retain: bool) {
        let output = match self.kind.program {
            Program::Mosquitto => {
                let mut command = self.mosquitto("mosquitto_pub", "publisher", false);
                command.args(["-t", topic]).args(retain.then_some("-r"));
                if text.is_empty() {
                    command.arg("-n")
                } else {
                    command.args(["-m", text])
                };
                command.output().unwrap()
            }
            Program::Python | Program::Node => self.script(&["publish", topic, text, flag(retain)]),
        };
        said(self.kind.name, &output);
    }

    /// Subscribes at QoS 1, prints `count` messages as `topic text retained`, and goes. It remembers its session, and
    /// comes back to it, when it is asked to.
    pub fn listen(&self, id: &str, filter: &str, count: usize, keeps_its_session: bool) -> Vec<String> {
        let wanted = count.to_string();
        let output = match self.kind.program {
            Program::Mosquitto => {
                let mut command = self.mosquitto("mosquitto_sub", id, keeps_its_session);
                command.args(["-t", filter, "-F", "%t %p %r", "-W", "20"]);
                if count == 0 {
                    command.arg("-E")
                } else {
                    command.args(["-C", &wanted])
                };
                command.output().unwrap()
            }
            Program::Python | Program::Node => {
                self.script(&["listen", filter, &wanted, flag(keeps_its_session), id])
            }
        };
        said(self.kind.name, &output).lines().map(str::to_owned).collect()
    }

    fn mosquitto(&self, program: &str, id: &str, keeps_its_session: bool) -> Command {
        let mut command = Command::new(program);
        let port = self.ports.bytes.to_string();
        command.args(["-h", "127.0.0.1", "-p", &port, "-u", "website", "-P", "secret", "-q", "1", "-i", id]);
        match self.kind.version {
            Version::V311 if keeps_its_session => command.arg("-c"),
            Version::V311 => command.args(["-V", "311"]),
            Version::V5 if keeps_its_session => command.args(["-V", "5", "-c", "-x", "3600"]),
            Version::V5 => command.args(["-V", "5"]),
        };
        command
    }

    fn script(&self, words: &[&str]) -> Output {
        let version = match self.kind.version {
            Version::V311 => "4",
            Version::V5 => "5",
        };
        let (mut command, port) = match self.kind.program {
            Program::Node => {
                let mut node = node();
                node.args(["-e", include_str!("mqttjs.js"), "--"]);
                (node, self.ports.websocket)
            }
            Program::Mosquitto | Program::Python => {
                let mut python = Command::new(python().unwrap());
                python.args(["-c", include_str!("paho.py")]);
                (python, self.ports.bytes)
            }
        };
        command.arg(port.to_string()).arg(version).args(words).output().unwrap()
    }
}

fn flag(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

fn said(name: &str, output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {} {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The Python that has paho-mqtt: the system's own, or whichever comes first on the path.
fn python() -> Option<&'static str> {
    let has_paho = |python: &&str| succeeds(Command::new(python).args(["-c", "import paho.mqtt.client"]));
    ["/usr/bin/python3", "python3"].into_iter().find(has_paho)
}

/// Debian's packages of libraries for Node.js are not where it looks by itself.
fn node() -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", "/usr/share/nodejs");
    node
}

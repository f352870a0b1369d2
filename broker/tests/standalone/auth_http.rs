//! A service that answers as a website would, from a table that the test changes.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub struct Table {
    /// Names with their passwords, and whether each is a superuser.
    pub logins: Vec<(&'static str, &'static str, bool)>,
    /// Names, verbs and topics that are allowed.
    pub rights: Vec<(&'static str, &'static str, &'static str)>,
    /// Names that have been shut out.
    pub revoked: Vec<&'static str>,
    /// Every question.
    pub asked: Vec<Value>,
    /// Whether it answers at all.
    pub gone: bool,
}

#[derive(Clone)]
pub struct Service {
    pub address: SocketAddr,
    table: Arc<Mutex<Table>>,
}

pub const SECRET: &str = "a-secret-that-both-know";

impl Service {
    pub fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Service { address: listener.local_addr().unwrap(), table: Arc::default() };
        let answering = service.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let service = answering.clone();
                std::thread::spawn(move || service.answer(&stream));
            }
        });
        service
    }

    pub fn table<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, mut stream: &TcpStream) -> Option<()> {
        let (head, proof, question) = read_request(stream)?;
        let (status, answer) = self.table(|table| table.answer(&head, &proof, &question));
        let body = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .ok()
    }
}

impl Table {
    /// Status and body.
    fn answer(&mut self, head: &str, proof: &str, question: &Value) -> (&'static str, Value) {
        if !question.is_null() {
            self.asked.push(question.clone());
        }
        if self.gone {
            return ("503 Service Unavailable", json!({}));
        }
        if proof != format!("Bearer {SECRET}") {
            return ("401 Unauthorized", json!({}));
        }
        if head.starts_with("GET /revoked ") {
            return ("200 OK", json!({ "revoked": self.revoked }));
        }
        let text = |name: &str| question[name].as_str().unwrap_or_default();
        if head.starts_with("POST /auth ") {
            let wanted = (text("username"), text("password"));
            let known = self.logins.iter().find(|login| (login.0, login.1) == wanted);
            let result = if known.is_some() { "allow" } else { "deny" };
            return (
                "200 OK",
                json!({ "result": result, "is_superuser": known.is_some_and(|login| login.2) }),
            );
        }
        let wanted = (text("username"), text("action"), text("topic"));
        let known = self.rights.contains(&wanted);
        ("200 OK", json!({ "result": if known { "allow" } else { "ignore" } }))
    }
}

/// The first line, what proves the asker, and the question; null where there is none.
fn read_request(stream: &TcpStream) -> Option<(String, String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length, mut proof) = (String::new(), 0, String::new());
    reader.read_line(&mut head).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => proof = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, proof, serde_json::from_slice(&body).unwrap_or_default()))
}

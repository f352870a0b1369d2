//! A web server of this machine that says what a test wants.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    /// The first byte of a range.
    pub from: Option<usize>,
}

/// A server for as long as the test runs.
pub struct Server {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// One that answers by a function that writes everything, head and body.
    pub fn start(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (told, answer) = (asked.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (told, answer) = (told.clone(), answer.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = request(&stream) else { return };
                    told.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                });
            }
        });
        Self { address, asked }
    }

    /// One that has these files, as web servers have them.
    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::start(move |asked, stream| match files.get(asked.path.trim_start_matches('/')) {
            Some(file) => give(file, asked.from, stream),
            None => say(stream, "404 Not Found", &[], b"not here"),
        })
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths that were asked for since the last time, sorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self
            .asked
            .lock()
            .unwrap()
            .drain(..)
            .map(|asked| asked.path.trim_start_matches('/').to_owned())
            .collect();
        paths.sort();
        paths
    }
}

fn request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let head: Vec<String> =
        lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let range = head.iter().find_map(|line| line.strip_prefix("range: bytes="));
    Some(Asked { path, from: range.map(|range| range.trim_end_matches('-').parse().unwrap()) })
}

/// A file, or what is left of it.
pub fn give(file: &[u8], from: Option<usize>, stream: &mut TcpStream) {
    match from {
        None => say(stream, "200 OK", &[], file),
        Some(from) => {
            let range = format!("content-range: bytes {from}-{}/{}", file.len() - 1, file.len());
            say(stream, "206 Partial Content", &[&range], &file[from..]);
        }
    }
}

/// A whole answer. The other side may have gone.
pub fn say(stream: &mut TcpStream, status: &str, head: &[&str], body: &[u8]) {
    let length = format!("content-length: {}", body.len());
    begin(stream, status, &[head, &[&length]].concat());
    let _ = stream.write_all(body);
}

/// The beginning of an answer; without a length, it ends with the connection.
pub fn begin(stream: &mut TcpStream, status: &str, head: &[&str]) {
    let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\n{lines}\r\n");
}

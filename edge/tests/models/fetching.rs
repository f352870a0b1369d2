//! One file, from servers that behave and servers that do not.

use crate::server::{Asked, Server, begin, give, say};
use edge::models::{Fetcher, Wanted};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use test_kit::Disk;

const NAME: &str = "net.onnx";

/// A file of 300,000 bytes that looks like nothing.
fn content() -> Vec<u8> {
    (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn fetch(server: &Server, folder: &Path) -> Result<(), String> {
    let sha256 = hex::encode(Sha256::digest(content()));
    let address = format!("{}/{NAME}", server.address).parse().unwrap();
    let wanted = Wanted { name: NAME, address, bytes: content().len() as u64, sha256: &sha256 };
    let fetched = Fetcher::new(Duration::from_secs(1)).fetch(&wanted, folder);
    fetched.map_err(|error| format!("{error:#}"))
}

/// What lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn froms(server: &Server) -> Vec<Option<usize>> {
    server.asked().into_iter().map(|asked| asked.from).collect()
}

#[test]
fn a_file_that_is_cut_again_and_again_comes_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|asked, stream| {
        let (file, from) = (content(), asked.from.unwrap_or(0));
        let length = format!("content-length: {}", file.len() - from);
        let range = format!("content-range: bytes {from}-{}/{}", file.len() - 1, file.len());
        match asked.from {
            None => begin(stream, "200 OK", &[&length]),
            Some(_) => begin(stream, "206 Partial Content", &[&length, &range]),
        }
        let _ = stream.write_all(&file[from..file.len().min(from + 100_000)]);
    });
    fetch(&server, folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), content());
    assert_eq!(names(folder.path()), [NAME]);
    assert_eq!(froms(&server), [None, Some(100_000), Some(200_000)]);
}

#[test]
fn what_an_earlier_pull_has_left_is_used_when_it_is_good_for_anything() {
    let whole = |asked: &Asked, stream: &mut TcpStream| give(&content(), asked.from, stream);
    let deaf = |_: &Asked, stream: &mut TcpStream| say(stream, "200 OK", &[], &content());
    let right = content()[..1_000].to_vec();
    let too_much = [content(), vec![0]].concat();
    for (left, server, expected) in [
        (right.clone(), Server::start(whole), vec![Some(1_000)]),
        // A server that does not know ranges sends everything, and everything is taken.
        (right, Server::start(deaf), vec![Some(1_000)]),
        (content(), Server::start(whole), vec![]),
        (too_much, Server::start(whole), vec![None]),
        // The first bytes were another server's: that is found at the end, and all of it is fetched again, once.
        (vec![7; 1_000], Server::start(whole), vec![Some(1_000), None]),
        (vec![7; content().len()], Server::start(whole), vec![None]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("{NAME}.part")), &left).unwrap();
        fetch(&server, folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), content());
        assert_eq!((names(folder.path()), froms(&server)), (vec![NAME.to_owned()], expected));
    }
}

type Answer = Box<dyn Fn(&Asked, &mut TcpStream) + Send + Sync>;

fn answer(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Answer {
    Box::new(answer)
}

#[test]
fn a_server_that_does_not_give_the_file_is_refused_in_a_sentence() {
    let redirect = |to: &'static str| {
        answer(move |_, stream| say(stream, "302 Found", &[&format!("location: {to}")], b""))
    };
    for (what, lie, part) in [
        (
            "other bytes",
            answer(|_, stream| say(stream, "200 OK", &[], &vec![7; 300_000])),
            "is another file (expected SHA-256",
        ),
        (
            "too many",
            answer(|_, stream| say(stream, "200 OK", &[], &vec![7; 300_001])),
            "gives more than the 300000 bytes",
        ),
        (
            "too many, without a word",
            answer(|_, stream| {
                begin(stream, "200 OK", &[]);
                let _ = stream.write_all(&[content(), vec![7; 5_000_000]].concat());
            }),
            "gives more than the 300000 bytes",
        ),
        (
            "too few",
            answer(|_, stream| say(stream, "200 OK", &[], &content()[..299_999])),
            "has only 299999 bytes",
        ),
        (
            "a web page",
            answer(|_, stream| {
                say(stream, "200 OK", &["content-type: text/html; charset=utf-8"], &content())
            }),
            "a web page instead of net.onnx",
        ),
        ("nothing", answer(|_, stream| say(stream, "404 Not Found", &[], b"")), "answers with status 404"),
        (
            "trouble",
            answer(|_, stream| say(stream, "500 Internal Server Error", &[], b"")),
            "status 500: try again",
        ),
        ("itself", redirect("/net.onnx"), "redirects in circles"),
        ("somewhere in the clear", redirect("http://mirror.example/net.onnx"), "only https is"),
        ("nowhere", answer(|_, stream| say(stream, "302 Found", &[], b"")), "redirects nowhere"),
        ("a file", redirect("file:///etc/passwd"), "redirects to"),
        (
            "another piece",
            answer(|_, stream| {
                say(stream, "206 Partial Content", &["content-range: bytes 5-299999/300000"], &content()[5..])
            }),
            "does not go on where it was asked to",
        ),
        ("no HTTP", answer(|_, stream| drop(stream.write_all(b"220 welcome\r\n"))), "cannot be reached"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let sentence = fetch(&Server::start(lie), folder.path()).unwrap_err();
        assert!(sentence.contains(part) && sentence.lines().count() == 1, "{what}: {sentence}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{what}: nothing is left");
    }
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let silent = answer(|_, _| thread::sleep(Duration::from_secs(30)));
    let stalls = answer(|_, stream| {
        begin(stream, "200 OK", &["content-length: 300000"]);
        let _ = stream.write_all(&content()[..500]);
        thread::sleep(Duration::from_secs(30));
    });
    let trickles = answer(|_, stream| {
        begin(stream, "200 OK", &["content-length: 300000"]);
        for byte in content() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
    for (what, server, part) in [
        ("silent", silent, "cannot be reached"),
        ("stalls", stalls, "was cut after 500 of 300000 bytes"),
        ("trickles", trickles, "hardly gives anything"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let sentence = fetch(&Server::start(server), folder.path()).unwrap_err();
        assert!(sentence.contains(part) && sentence.lines().count() == 1, "{what}: {sentence}");
        assert!(started.elapsed() < Duration::from_secs(15), "{what}: {:?}", started.elapsed());
        assert!(!folder.path().join(NAME).exists());
    }
}

#[test]
fn nothing_is_left_on_a_disk_that_is_full() {
    let Some(disk) = Disk::of_kb(128) else { return };
    let server = Server::start(|asked, stream| give(&content(), asked.from, stream));
    let sentence = fetch(&server, disk.path()).unwrap_err();
    assert!(sentence.contains("is full") && sentence.contains("make room for 300000 bytes"), "{sentence}");
    assert_eq!(names(disk.path()), Vec::<String>::new());
    fs::write(disk.path().join("others"), vec![0; 100_000]).unwrap();
}

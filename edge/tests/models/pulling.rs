//! `edge models` as people run it.

use crate::{
    program::{Program, mirror, mirrored, text},
    server::{Server, begin, give, say},
    world::faces,
};
use edge::{face::Manifest, models::library::Build};
use std::{
    fs,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const SET: &str = "yunet_s_mobileface_v2";
const PARAMETERS: &str = "MobileFace_Identification_V2-0000.params";
const GRAPH: &str = "MobileFace_Identification_V2-symbol.json";

/// What lies in a folder for people to see.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name != ".pull.lock").collect();
    names.sort();
    names
}

#[test]
fn one_command_brings_everything_once() {
    let Some(data) = faces() else { return };
    let (edge, server) = (Program::alone(), mirror(&data));
    let pull = ["models", "pull", "--mirror", &server.address];
    let said = edge.refused(&["match", "nobody.png"]);
    assert!(said.contains("there are no face models in") && said.contains("`edge models pull`"), "{said}");
    let said = edge.refused(&pull);
    for part in [
        "yunet_s_dynamic.onnx, 237823 bytes: Apache-2.0, https://",
        ": MIT, https://",
        "libonnxruntime.so",
        "agree with --yes",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!edge.models().exists() && server.paths().is_empty(), "nothing happens before somebody agrees");

    let said = edge.good(&[&pull[..], &["--yes"]].concat());
    assert!(said.contains(&edge.models().display().to_string()), "{said}");
    let build = Build::here().unwrap();
    let library = build.below_mirror();
    let mut expected = vec!["yunet_s_dynamic.onnx", GRAPH, PARAMETERS, &library];
    expected.sort();
    assert_eq!(server.paths(), expected);
    assert_eq!(
        names(&edge.models()),
        [
            build.name,
            &format!("{}.LICENSE.txt", build.name),
            "mobileface_v2_512.onnx",
            "mobileface_v2_512.onnx.LICENSE.txt",
            "yunet_s_dynamic.onnx",
            "yunet_s_dynamic.onnx.LICENSE.txt",
        ]
    );
    edge.good(&pull);
    assert!(server.paths().is_empty(), "what is there is not fetched again, and needs no word of agreement");

    let checked = edge.good(&["models", "check"]);
    assert!(checked.contains("the tested build") && checked.contains("passes its self-test"), "{checked}");
    assert!(checked.lines().all(|line| line.starts_with("ok ")), "{checked}");
    assert_eq!(edge.listed(SET), serde_json::json!(edge.models()));
    assert!(edge.listed("yunet_2023mar_sface").is_null());
}

#[test]
fn what_is_damaged_is_named_and_one_pull_repairs_it() {
    let Some(data) = faces() else { return };
    let (edge, server) = (Program::alone(), mirror(&data));
    let pull = ["models", "pull", "--yes", "--mirror", &server.address];
    edge.good(&pull);
    server.paths();
    let models = edge.models();
    let own = models.to_str().unwrap();

    let licence = models.join("mobileface_v2_512.onnx.LICENSE.txt");
    fs::remove_file(&licence).unwrap();
    let said = edge.refused(&["models", "check"]);
    assert!(
        said.contains("wrong    the text of the MIT licence of mobileface_v2_512.onnx is not in"),
        "{said}"
    );
    let said = edge.good(&["models", "check", "--models", own]);
    assert!(
        said.contains("warning  the text of the MIT licence"),
        "a folder of one's own may do without: {said}"
    );
    edge.good(&pull);
    assert!(licence.exists() && server.paths().is_empty());

    let detector = models.join("yunet_s_dynamic.onnx");
    let mut bytes = fs::read(&detector).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&detector, bytes).unwrap();
    let said = edge.refused(&["models", "check"]);
    assert!(said.contains("wrong    the model file") && said.contains("`edge models pull`"), "{said}");
    assert!(edge.listed(SET).is_null());
    edge.good(&pull);
    assert_eq!(server.paths(), ["yunet_s_dynamic.onnx"]);

    let library = models.join(Build::here().unwrap().name);
    fs::write(&library, "no library").unwrap();
    let said = edge.refused(&["models", "check"]);
    assert!(
        said.contains("another build than the one tested") && said.contains("cannot be loaded"),
        "{said}"
    );
    fs::remove_file(&library).unwrap();
    let said = edge.refused(&["models", "check"]);
    assert!(said.contains("wrong    libonnxruntime") && said.contains("`edge models pull`"), "{said}");
    edge.good(&pull);
    edge.good(&["models", "check"]);
}

#[test]
fn a_pull_that_was_killed_goes_on_and_two_at_once_fetch_everything_once() {
    let Some(data) = faces() else { return };
    let edge = Program::alone();
    let files = mirrored(&data);
    // The first answer stops in the middle of the parameters.
    let slow = Server::start(move |asked, stream| {
        let file = &files[asked.path.trim_start_matches('/')];
        if asked.path.ends_with(PARAMETERS) && asked.from.is_none() {
            begin(stream, "200 OK", &[&format!("content-length: {}", file.len())]);
            let _ = stream.write_all(&file[..1_000_000]);
            thread::sleep(Duration::from_secs(60));
        }
        give(file, asked.from, stream);
    });
    let pull = ["models", "pull", "--yes", "--mirror", &slow.address];
    let mut first = edge.start(&pull);
    let part = edge.models().join(format!("{PARAMETERS}.part"));
    let end = Instant::now() + Duration::from_secs(60);
    while !fs::metadata(&part).is_ok_and(|part| part.len() == 1_000_000) {
        assert!(Instant::now() < end, "the first million bytes come");
        thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    slow.paths();

    let both = [edge.start(&pull), edge.start(&pull)];
    let outputs = both.map(|child| child.wait_with_output().unwrap());
    outputs.iter().for_each(|output| assert!(output.status.success(), "{}", text(output)));
    let resumed = slow.asked().into_iter().find(|asked| asked.path.ends_with(PARAMETERS)).unwrap();
    assert_eq!(resumed.from, Some(1_000_000));
    let mut expected = vec![PARAMETERS.to_owned(), Build::here().unwrap().below_mirror()];
    expected.sort();
    assert_eq!(slow.paths(), expected, "two pulls at once fetch what is missing once");
    edge.good(&["models", "check"]);
}

#[test]
fn a_lying_mirror_leaves_no_set_behind() {
    let Some(data) = faces() else { return };
    for (lie, part) in [(PARAMETERS, "is another file"), (GRAPH, "is another file")] {
        let edge = Program::alone();
        let mut files = mirrored(&data);
        files.get_mut(lie).unwrap()[5_000] ^= 1;
        let server = Server::of(files);
        let said = edge.refused(&["models", "pull", "--yes", "--mirror", &server.address]);
        assert!(said.contains(part) && said.contains(lie), "{said}");
        assert!(!edge.models().join("mobileface_v2_512.onnx").exists() && !edge.models().join(lie).exists());
        assert!(edge.listed(SET).is_null());
    }
}

#[test]
fn what_cannot_be_pulled_is_said_in_one_sentence() {
    let edge = Program::alone();
    let server = Server::start(|_, stream| say(stream, "404 Not Found", &[], b""));
    let file = edge.path("file");
    fs::write(&file, "").unwrap();
    let below_a_file = file.join("models");
    let below_a_file = below_a_file.to_str().unwrap();
    for (words, part) in [
        (
            vec!["nets"],
            "no model set is called \"nets\": there are yunet_s_mobileface_v2 and yunet_2023mar_sface",
        ),
        (vec!["--yes", "--mirror", &server.address], "answers with status 404 for yunet_s_dynamic.onnx"),
        (vec!["--yes", "--mirror", "http://127.0.0.1:1"], "cannot be reached"),
        (
            vec!["--yes", "--mirror", &server.address, "--models", below_a_file],
            "choose another folder with --models DIR",
        ),
        (vec!["--yes", "--models", "/proc/models"], "choose another folder with --models DIR"),
        (
            vec!["--yes", "--mirror", &server.address, "--onnxruntime", "/nowhere"],
            "--onnxruntime names /nowhere",
        ),
    ] {
        let said = edge.refused(&[&["models", "pull"][..], &words].concat());
        assert!(said.lines().last().unwrap().contains(part), "{words:?}: {said}");
    }
    let in_the_clear = edge.run(&["models", "pull", "--yes", "--mirror", "http://mirror.example"]);
    assert!(
        !in_the_clear.status.success() && text(&in_the_clear).contains("only https is"),
        "{}",
        text(&in_the_clear)
    );
    let said = edge.refused(&["models", "check"]);
    assert!(said.contains("`edge models pull`"), "{said}");
}

#[test]
fn a_set_that_cannot_prove_itself_says_so_before_anything_is_fetched() {
    let edge = Program::alone();
    let listed = edge.good(&["models", "list"]);
    assert_eq!(listed.matches("NOT PROVED").count(), 1, "{listed}");
    assert_eq!(listed.matches("not here").count(), Manifest::shipped().len(), "{listed}");
    let said = edge.refused(&["models", "pull", "yunet_2023mar_sface"]);
    for part in ["NOT PROVED", "--allow-unproven-models", "38696353 bytes: Apache-2.0"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Without pip there is a sentence about how to get it; nothing else is tried.
#[test]
fn without_pip_and_without_a_mirror_the_runtime_is_asked_for() {
    let Some(data) = faces() else { return };
    let edge = Program::alone();
    let models = edge.models();
    fs::create_dir_all(&models).unwrap();
    for name in ["yunet_s_dynamic.onnx", "mobileface_v2_512.onnx"] {
        fs::copy(data.join("models").join(name), models.join(name)).unwrap();
    }
    let tools = edge.path("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["sh", "uname", "sha256sum", "cut"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(tool), tools.join(tool)).unwrap();
    }
    let output = edge.command(&["models", "pull", "--yes"]).env("PATH", &tools).output().unwrap();
    let said = text(&output);
    assert!(
        !output.status.success()
            && said.contains("install python3-pip")
            && said.contains("--onnxruntime PATH"),
        "{said}"
    );
    assert!(
        !names(&models).iter().any(|name| name.contains("part") || name.ends_with(".so.1.24.4")),
        "{:?}",
        names(&models)
    );
    assert_eq!(edge.listed(SET), serde_json::json!(models), "the models themselves are there");
}

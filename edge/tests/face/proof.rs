//! Nothing wrong starts: files, colours, libraries.

use crate::world::{eyes, faces, library, own_models, runtime};
use edge::face::embed::Embedder;
use edge::face::manifest::{Colours, Manifest, SelfTest};
use edge::face::onnx::Runtime;
use edge::face::runtime::Surroundings;
use edge::face::source::still;
use edge::face::{Eyes, EyesConfig, FaceVector, Unproven, self_test};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;
use std::{fs, thread};

fn hex(vector: &FaceVector) -> String {
    hex::encode(vector.to_embedding().as_bytes())
}

/// The self-test's verdict on an embedder, under its right manifest and under one that exchanges red and blue.
fn verdicts(file: &Path, manifest: &Manifest) -> [anyhow::Result<()>; 2] {
    [Colours::Rgb, Colours::Bgr].map(|colours| {
        let mut manifest = manifest.clone();
        manifest.embedder.colours = colours;
        let mut embedder = Embedder::open(&runtime(), file, &manifest.embedder, 1).unwrap();
        self_test::run(&mut embedder, &manifest)
    })
}

#[test]
fn exchanged_colours_fail_the_self_test_of_the_default_set() {
    let Some(folder) = faces() else { return };
    let manifest = Manifest::shipped().remove(0);
    let file = folder.join("models").join(&manifest.embedder.file.name);
    let mut embedder = Embedder::open(&runtime(), &file, &manifest.embedder, 1).unwrap();
    let answer = FaceVector::from_output(&embedder.output(&self_test::pattern()).unwrap()).unwrap();
    let [right, wrong] = verdicts(&file, &manifest);
    right.unwrap_or_else(|error| panic!("{error}\nthe vector is {}", hex(&answer)));
    let refusal = wrong.unwrap_err().to_string();
    println!("{refusal}");
    assert!(refusal.contains("fails its self-test") && refusal.contains("order of colours"), "{refusal}");
    let mut swapped = manifest.embedder.clone();
    swapped.colours = Colours::Bgr;
    let mut embedder = Embedder::open(&runtime(), &file, &swapped, 1).unwrap();
    let other = FaceVector::from_output(&embedder.output(&self_test::pattern()).unwrap()).unwrap();
    assert!(other.cosine(&answer) < 0.9, "{}: too near to the limit", other.cosine(&answer));
}

#[test]
fn an_embedder_of_ones_own_fits_by_manifest() {
    let file = own_models().join("toy_embedder_512.onnx");
    let mut manifest = Manifest::shipped().remove(0);
    let mut embedder = Embedder::open(&runtime(), &file, &manifest.embedder, 1).unwrap();
    let answer = FaceVector::from_output(&embedder.output(&self_test::pattern()).unwrap()).unwrap();
    manifest.self_test = SelfTest::Vector(hex(&answer));
    let [right, wrong] = verdicts(&file, &manifest);
    right.unwrap();
    assert!(wrong.unwrap_err().to_string().contains("fails its self-test"));
    manifest.embedder.dimension = 256;
    let mut embedder = Embedder::open(&runtime(), &file, &manifest.embedder, 1).unwrap();
    let refusal = format!("{:#}", self_test::run(&mut embedder, &manifest).unwrap_err());
    assert!(refusal.contains("gave 512 values"), "{refusal}");
}

#[test]
fn a_file_that_is_no_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    fs::write(&file, "not a network").unwrap();
    let rules = Manifest::shipped().remove(0).embedder;
    let refusal = Embedder::open(&runtime(), &file, &rules, 1).err().unwrap().to_string();
    assert!(refusal.contains("model.onnx is no usable network"), "{refusal}");
}

#[test]
fn a_detector_is_no_embedder() {
    let Some(folder) = faces() else { return };
    let rules = Manifest::shipped().remove(0).embedder;
    let file = folder.join("models/face_detection_yunet_2023mar.onnx");
    let refusal = Embedder::open(&runtime(), &file, &rules, 1).err().unwrap().to_string();
    assert!(refusal.contains("it is no embedder"), "{refusal}");
}

#[test]
fn a_changed_model_file_is_refused_by_name_and_hash() {
    let Some(real) = faces() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["yunet_s_dynamic.onnx", "mobileface_v2_512.onnx"] {
        let mut content = fs::read(real.join("models").join(name)).unwrap();
        if name.starts_with("mobile") {
            content[100_000] ^= 1;
        }
        fs::write(folder.path().join(name), content).unwrap();
    }
    let refusal = eyes(folder.path()).err().unwrap().to_string();
    for part in ["mobileface_v2_512.onnx", "expected SHA-256 a030333b", "found ", "get it again"] {
        assert!(refusal.contains(part), "{refusal}");
    }
}

/// The published pair's own manifest, with the toy in the place of its embedder: every step but that network.
#[test]
fn an_unproven_set_sees_where_somebody_accepts_it() {
    let Some(real) = faces() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sface = Manifest::shipped().remove(1).embedder.file;
    let toy = fs::read(own_models().join("toy_embedder_512.onnx")).unwrap();
    let text = fs::read_to_string(own_models().join("yunet_2023mar_sface.toml")).unwrap();
    let text = text
        .replace(&sface.sha256, &hex::encode(Sha256::digest(&toy)))
        .replace(&format!("bytes = {}", sface.bytes), &format!("bytes = {}", toy.len()))
        .replace("dimension = 128", "dimension = 512");
    fs::write(folder.path().join("manifest.toml"), text).unwrap();
    fs::write(folder.path().join(&sface.name), toy).unwrap();
    let detector = "face_detection_yunet_2023mar.onnx";
    fs::copy(real.join("models").join(detector), folder.path().join(detector)).unwrap();

    let refusal = eyes(folder.path()).err().unwrap().to_string();
    assert!(
        refusal.contains("has no self-test vector") && refusal.contains("--allow-unproven-models"),
        "{refusal}"
    );
    let config = EyesConfig {
        models: folder.path().to_owned(),
        onnxruntime: Some(library()),
        threads: 1,
        unproven: Unproven::Accept,
    };
    let mut eyes = Eyes::open(&config).unwrap();
    let frame = still(&real.join("images/astronaut.png")).unwrap();
    // Eyes belong to the thread that looks, wherever they were opened.
    let seen = thread::spawn(move || eyes.look(&frame).unwrap()).join().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].vector.as_ref().unwrap().to_embedding().dimension(), 512);
    assert!(format!("{seen:?}").contains("FaceVector(512-d)"), "a printed face shows no vector");
}

/// A process loads one library, so what is wrong with another is asked in a process of its own: this test again.
#[test]
fn a_wrong_library_is_refused_in_one_sentence() {
    const ASKED: &str = "REGULARS_TEST_WRONG_LIBRARY";
    if let Some(path) = std::env::var_os(ASKED) {
        println!("refused: {}", Runtime::load(Path::new(&path)).err().unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libonnxruntime.so");
    fs::write(&text, "no library").unwrap();
    let other =
        ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/usr/lib64/libc.so.6"];
    let other = other.map(Path::new).into_iter().find(|path| path.exists()).unwrap();
    for (path, part) in [(text.as_path(), "cannot be loaded as onnxruntime"), (other, "but not onnxruntime")]
    {
        let asked = Command::new(std::env::current_exe().unwrap())
            .args(["proof::a_wrong_library_is_refused_in_one_sentence", "--exact", "--nocapture"])
            .env(ASKED, path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(
            said.contains("refused: ") && said.contains(part) && said.contains("make onnxruntime"),
            "{said}"
        );
    }
    assert!(library().exists());
    assert!(Surroundings::default().find().is_err());
}

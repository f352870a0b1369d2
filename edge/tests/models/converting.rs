//! From the published files to the network, and from anything else to a sentence.

use crate::{
    small,
    world::{faces, json, library, numbers, runtime},
};
use edge::{
    face::{
        FaceVector, Manifest, embed::Embedder, manifest::SelfTest, model_file::Conversion, self_test,
        source::still,
    },
    models::convert::{graph, mxnet_mirrored, params},
};
use proptest::prelude::*;
use serde_json::{Value, json as value};
use sha2::{Digest, Sha256};
use std::{fs, path::Path};
use test_kit::{Lack, skip};

/// Graph and parameters as they are published.
fn sources(folder: &Path) -> Option<[Vec<u8>; 2]> {
    let Conversion { graph, parameters, .. } = Manifest::shipped().remove(0).embedder.conversion.unwrap();
    let read = |name: &str| fs::read(folder.join("models/source").join(name)).ok();
    let sources =
        read(&graph.name).zip(read(&parameters.name)).map(|(graph, parameters)| [graph, parameters]);
    if sources.is_none() {
        skip(Lack::Provided, "the folder of pictures and models has no models/source");
    }
    sources
}

/// The embedder of the default set, made from its sources.
fn made(folder: &Path, into: &Path) -> Option<(Embedder, Manifest)> {
    let [graph, parameters] = sources(folder)?;
    let manifest = Manifest::shipped().remove(0);
    let file = into.join(&manifest.embedder.file.name);
    fs::write(&file, mxnet_mirrored(&graph, &parameters).unwrap()).unwrap();
    Some((Embedder::open(&runtime(), &file, &manifest.embedder, 1).unwrap(), manifest))
}

#[test]
fn the_published_files_give_the_network_that_the_manifest_means_every_time() {
    let Some([graph, parameters]) = faces().as_deref().and_then(sources) else { return };
    let file = Manifest::shipped().remove(0).embedder.file;
    for _ in 0..2 {
        let made = mxnet_mirrored(&graph, &parameters).unwrap();
        assert_eq!(
            (made.len() as u64, hex::encode(Sha256::digest(&made))),
            (file.bytes, file.sha256.clone())
        );
    }
}

#[test]
fn the_network_gives_the_golden_embeddings_and_passes_its_self_test() {
    let Some(folder) = faces() else { return };
    let into = tempfile::tempdir().unwrap();
    let Some((mut embedder, manifest)) = made(&folder, into.path()) else { return };
    let mut cosines = Vec::new();
    for image in json(&folder.join("golden.json"))["images"].as_array().unwrap() {
        for face in image["faces"].as_array().unwrap() {
            let crop = still(&folder.join(face["crop"].as_str().unwrap())).unwrap().picture;
            let found = FaceVector::from_output(&embedder.output(&crop).unwrap()).unwrap();
            let golden = FaceVector::from_output(&numbers(&face["emb"]["mobileface_v2_512"])).unwrap();
            cosines.push(found.cosine(&golden));
        }
    }
    let least = cosines.iter().copied().fold(1.0, f32::min);
    println!("{} crops, least cosine {least}", cosines.len());
    assert!(cosines.len() == 13 && least >= 0.99999, "{cosines:?}");
    assert!(matches!(manifest.self_test, SelfTest::Vector(_)));
    self_test::run(&mut embedder, &manifest).unwrap();
}

#[test]
fn a_small_network_of_every_operator_runs() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = mxnet_mirrored(small::graph().to_string().as_bytes(), &small::parameters()).unwrap();
    let file = folder.path().join("small.onnx");
    fs::write(&file, bytes).unwrap();
    let mut rules = Manifest::shipped().remove(0).embedder;
    rules.dimension = 6;
    assert!(library().exists());
    let answer = Embedder::open(&runtime(), &file, &rules, 1).unwrap().output(&self_test::pattern()).unwrap();
    let length = |half: &[f32]| half.iter().map(|v| v * v).sum::<f32>().sqrt();
    // Each half weighs the same, whichever answer was longer.
    let half = 0.5f32.sqrt();
    assert!(
        (length(&answer[..3]) - half).abs() < 1e-5 && (length(&answer[3..]) - half).abs() < 1e-5,
        "{answer:?}"
    );
    assert_ne!(answer[..3], answer[3..], "the mirror image of the pattern is another picture");
}

/// The sentence about a graph in which one thing was changed.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut graph = small::graph();
    change(&mut graph);
    format!("{:#}", mxnet_mirrored(graph.to_string().as_bytes(), &small::parameters()).unwrap_err())
}

fn node<'a>(graph: &'a mut Value, name: &str) -> &'a mut Value {
    graph["nodes"].as_array_mut().unwrap().iter_mut().find(|node| node["name"] == name).unwrap()
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (sentence, parts) in [
        (
            refusal(|graph| node(graph, "flat")["op"] = value!("Softmax")),
            ["node flat", "\"Softmax\", which is not understood"],
        ),
        (
            refusal(|graph| node(graph, "conv")["attrs"]["dilate"] = value!("(2, 2)")),
            ["node conv", "attribute dilate"],
        ),
        (
            refusal(|graph| node(graph, "bn")["attrs"]["fix_gamma"] = value!("True")),
            ["node bn", "fixed gamma"],
        ),
        (
            refusal(|graph| node(graph, "conv")["attrs"]["num_filter"] = value!("3")),
            ["conv_weight", "[3, 3, 8, 8] is expected"],
        ),
        (
            refusal(|graph| node(graph, "conv")["attrs"]["stride"] = value!("(0, 1)")),
            ["node conv", "of no size"],
        ),
        (
            refusal(|graph| node(graph, "deep")["attrs"]["num_group"] = value!("3")),
            ["node deep", "3 groups for 2 channels"],
        ),
        (
            refusal(|graph| node(graph, "fc_weight")["name"] = value!("other")),
            ["node other", "no array of the parameters"],
        ),
        (
            refusal(|graph| node(graph, "minus")["attrs"]["scalar"] = value!("NaN")),
            ["node minus", "no number"],
        ),
        (
            refusal(|graph| node(graph, "minus")["inputs"] = value!([[1, 0, 0]])),
            ["node minus", "does not come before it"],
        ),
        (
            refusal(|graph| node(graph, "most")["inputs"] = value!([[0, 0, 0]])),
            ["node most", "not held above"],
        ),
        (
            refusal(|graph| node(graph, "plus")["inputs"] = value!([[0, 0, 0], [1, 0, 0], [2, 0, 0]])),
            ["node plus", "2 are expected"],
        ),
        (refusal(|graph| graph["heads"] = value!([[0, 0, 0]])), ["the graph", "not its last node"]),
        (refusal(|graph| graph["nodes"] = value!([])), ["the graph", "0 nodes"]),
    ] {
        assert!(parts.iter().all(|part| sentence.contains(part)), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
}

#[test]
fn parameters_that_claim_more_than_they_are_take_no_memory() {
    let good = small::parameters();
    params::parse(&good).unwrap();
    // The number of arrays, the dimensions of the first one, and its first size.
    for (at, claim) in [(16, u64::MAX), (32, u64::from(u32::MAX)), (36, u64::MAX / 4), (36, 1 << 40), (36, 0)]
    {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&claim.to_le_bytes());
        let sentence = format!("{:#}", params::parse(&bytes).unwrap_err());
        assert!(sentence.lines().count() == 1 && sentence.contains("parameters"), "{at} {claim}: {sentence}");
    }
    for (bytes, part) in [
        ([&good[..], &[0]].concat(), "bytes follow"),
        (good[..good.len() - 1].to_vec(), "end too early"),
        (Vec::new(), "end too early"),
        (b"<html>".repeat(10), "do not begin"),
    ] {
        assert!(format!("{:#}", params::parse(&bytes).unwrap_err()).contains(part), "{part}");
    }
}

/// Nobody panics, and nobody takes a damaged file for a good one without saying what it found.
fn damaged(graph: &[u8], parameters: &[u8]) {
    let errors =
        [params::parse(parameters).err(), graph::parse(graph).err(), mxnet_mirrored(graph, parameters).err()];
    errors.into_iter().flatten().for_each(|error| assert!(!format!("{error:#}").is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_to_small_files_is_survived(cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8, which: bool) {
        let (mut graph, mut parameters) = (small::graph().to_string().into_bytes(), small::parameters());
        let file = if which { &mut graph } else { &mut parameters };
        let place = at.index(file.len());
        file[place] = byte;
        damaged(&graph, &parameters);
        let file = if which { &mut graph } else { &mut parameters };
        file.truncate(cut.index(file.len()));
        damaged(&graph, &parameters);
        prop_assert!(mxnet_mirrored(&graph, &parameters).is_err());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        damaged(&bytes, &bytes);
        // As far behind the beginning of a list as they get.
        let list = [&[0x12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xC9, 0xFA, 0x93, 0xF9][..], &bytes].concat();
        damaged(&list, &list);
    }
}

#[test]
fn damage_to_the_published_files_is_survived() {
    let Some([graph, parameters]) = faces().as_deref().and_then(sources) else { return };
    for n in 1..60 {
        let (mut g, mut p) = (graph.clone(), parameters.clone());
        g.truncate(graph.len() * n / 60);
        p.truncate(parameters.len() * n / 60);
        assert!(graph::parse(&g).is_err() && params::parse(&p).is_err(), "cut at {n} of 60");
        let at = graph.len() * n / 60;
        g = graph.clone();
        g[at] ^= 1 << (n % 8);
        // The head of an array at the beginning, and the names at the end.
        p = parameters.clone();
        p[n * 4] ^= 1 << (n % 8);
        let end = p.len() - n * 90;
        p[end] ^= 1 << (n % 8);
        damaged(&g, &p);
    }
}

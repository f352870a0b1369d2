//! Clips of real people: what is seen in every frame, and who becomes somebody.

use crate::golden::{Worst, golden_of};
use crate::world::{eyes, faces, json, rect};
use edge::face::{Decision, Eyes, Face, FaceVector, FrameKind, Source, SourceSpec, Tracker, decide};
use std::path::Path;

/// Plays a clip on two days against an empty gallery, and counts who is created and who is recognised.
fn play(eyes: &mut Eyes, clip: &Path) -> (usize, usize) {
    let manifest = eyes.manifest().clone();
    let frames = Source::open(&SourceSpec::Clip(clip.to_owned())).unwrap().map(Result::unwrap);
    let seen: Vec<(u64, FrameKind, Vec<Face>)> =
        frames.map(|frame| (frame.at_ms, frame.kind, eyes.look(&frame).unwrap())).collect();
    let mut gallery: Vec<FaceVector> = Vec::new();
    let mut known = 0;
    let mut tracker = Tracker::new(&manifest);
    for day in 0..2 {
        for (at_ms, kind, faces) in seen.clone() {
            for sighting in tracker.observe(at_ms + day * 86_400_000, kind, faces) {
                let best = gallery.iter().map(|face| face.cosine(&sighting.vector)).reduce(f32::max);
                match decide(sighting.grade, best, &manifest.thresholds) {
                    Decision::Known => known += 1,
                    Decision::New => gallery.push(sighting.vector),
                    Decision::Ambiguous | Decision::Poor => continue,
                }
                tracker.settle(sighting.track);
            }
        }
    }
    (gallery.len(), known)
}

#[test]
fn far_walkers_create_nobody_and_a_close_head_is_one_person_who_is_known_the_next_day() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    for (clip, expected) in [
        ("face-demographics-walking.gif", (0, 0)),
        ("store-aisle-detection.gif", (0, 0)),
        ("head-pose-face-detection-female.gif", (1, 1)),
        ("head-pose-face-detection-male.gif", (1, 1)),
    ] {
        let counted = play(&mut eyes, &folder.join("clips").join(clip));
        assert_eq!(counted, expected, "(created, known) of {clip} on two days");
    }
}

#[test]
fn every_frame_is_seen_as_it_was_measured() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    let mut worst = Worst::default();
    for clip in json(&folder.join("golden_clips.json"))["clips"].as_array().unwrap() {
        let source = Source::open(&SourceSpec::Clip(folder.join(clip["file"].as_str().unwrap()))).unwrap();
        let frames = clip["frames"].as_array().unwrap();
        let mut played = 0;
        for (frame, golden) in source.zip(frames) {
            let frame = frame.unwrap();
            // The golden numbers give one delay for a clip; its frames differ by a hundredth of a second.
            let usual_ms = clip["frame_ms"].as_u64().unwrap();
            assert!(
                frame.at_ms.abs_diff(played * usual_ms) <= played * 10,
                "{} at {} ms",
                frame.name,
                frame.at_ms
            );
            played += 1;
            let golden = golden["faces"].as_array().unwrap();
            for face in eyes.look(&frame).unwrap() {
                // A face at the very edge of the score may be seen by one implementation and not by the other.
                let Some(expected) = golden.iter().find(|g| rect(g).iou(face.bounds) > 0.5) else {
                    assert!(face.quality.score < 0.62, "{} has a face that was not measured", frame.name);
                    continue;
                };
                assert_eq!(expected, golden_of(face.bounds, golden));
                worst.compare((face.bounds, face.landmarks, face.quality.score), expected);
                if expected.get("emb").is_some() {
                    let vector = eyes.embed(&frame.picture, &face.landmarks).unwrap().unwrap();
                    worst.embedding(&vector, expected);
                }
            }
        }
        assert_eq!(played, clip["n_frames"].as_u64().unwrap());
    }
    assert!(worst.faces > 170, "{worst:?}");
    worst.check("clips");
}

//! Who is who, on stills.

use crate::world::{eyes, faces};
use edge::face::source::still;
use edge::face::{Decision, FaceVector, Tracker, decide};

#[test]
fn a_person_seen_before_is_known_and_others_are_new() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    let manifest = eyes.manifest().clone();
    let mut tracker = Tracker::new(&manifest);
    let mut sight = |file: &str| {
        let frame = still(&folder.join("images").join(file)).unwrap();
        let seen = eyes.look(&frame).unwrap();
        let mut sightings = tracker.observe(frame.at_ms, frame.kind, seen);
        assert_eq!(sightings.len(), 1, "{file}");
        sightings.remove(0)
    };
    let mut gallery: Vec<FaceVector> = Vec::new();
    let mut visit = |file: &str| {
        let sighting = sight(file);
        let best = gallery.iter().map(|face| face.cosine(&sighting.vector)).reduce(f32::max);
        let decision = decide(sighting.grade, best, &manifest.thresholds);
        if decision == Decision::New {
            gallery.push(sighting.vector);
        }
        decision
    };
    for (file, expected) in [
        ("Family1-Dad1.jpg", Decision::New),
        ("Family1-Dad3.jpg", Decision::Known),
        ("Family1-Dad2.jpg", Decision::Known),
        ("Family1-Mom1.jpg", Decision::New),
        ("Family1-Mom2.jpg", Decision::Known),
        ("Family3-Man1.jpg", Decision::New),
        ("Family3-Lady1.jpg", Decision::New),
        ("astronaut.png", Decision::New),
        ("Family1-Dad1.jpg", Decision::Known),
    ] {
        assert_eq!(visit(file), expected, "{file}");
    }
}

#[test]
fn a_crowd_is_judged_face_by_face() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    let manifest = eyes.manifest().clone();
    let frame = still(&folder.join("images/detection4.jpg")).unwrap();
    let seen = eyes.look(&frame).unwrap();
    assert_eq!(seen.len(), 3);
    let mut decisions: Vec<(i32, Decision)> = seen
        .iter()
        .map(|face| (face.bounds.x as i32, decide(face.grade, None, &manifest.thresholds)))
        .collect();
    decisions.sort_by_key(|(x, _)| *x);
    let decisions: Vec<Decision> = decisions.into_iter().map(|(_, decision)| decision).collect();
    // The left one is seen well; the two behind are turned too far to be enrolled.
    assert_eq!(decisions, [Decision::New, Decision::Poor, Decision::Poor]);
}

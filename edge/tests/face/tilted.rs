//! Tilted heads: the given portraits, turned, are one customer a person, and nobody is taken for somebody else.

use crate::data::root;
use crate::turned::turn;
use crate::world::{eyes, faces, json, landmarks};
use edge::face::source::still;
use edge::face::{Decision, Eyes, Face, FaceVector, Frame, FrameKind, Looks, Point, Tracker, decide};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Widths of the faces, in pixels: as they are, and as small as somebody new may be.
const SCALES: [Option<f32>; 2] = [None, Some(66.0)];
/// A portrait's own tilt is up to 10 degrees.
const ANGLES: [i32; 17] = [0, 5, -5, 10, -10, 15, -15, 20, -20, 25, -25, 30, -30, 35, -35, 40, -40];

/// One portrait: whose it is, the picture, and where its landmarks are.
struct Portrait {
    person: String,
    frame: Frame,
    landmarks: [Point; 5],
    width_px: f32,
}

/// What became of one portrait, turned.
struct Look {
    person: String,
    scale: usize,
    angle: i32,
    face: Option<Face>,
}

/// The first face of every still: eleven portraits of eight people.
fn portraits(folder: &Path) -> Vec<Portrait> {
    let golden = json(&folder.join("golden.json"));
    let images = golden["images"].as_array().unwrap().iter();
    images
        .map(|image| {
            let face = &image["faces"][0];
            Portrait {
                person: face["identity"].as_str().unwrap().to_owned(),
                frame: still(&folder.join(image["file"].as_str().unwrap())).unwrap(),
                landmarks: landmarks(face),
                width_px: crate::world::rect(face).w,
            }
        })
        .collect()
}

/// Looks at every portrait, turned by every angle on both scales, the least turned first.
fn look_at_all(eyes: &mut Eyes, portraits: &[Portrait], angles: &[i32]) -> Vec<Look> {
    let mut looks = Vec::new();
    for (angle, (scale, width_px)) in
        angles.iter().flat_map(|a| SCALES.iter().enumerate().map(move |s| (*a, s)))
    {
        for Portrait { person, frame, landmarks, width_px: own_px } in portraits {
            let factor = width_px.map_or(1.0, |px| px / own_px);
            let (picture, there) = turn(&frame.picture, angle as f32, factor, landmarks);
            let seen = eyes.look(&Frame { picture, ..frame.clone() }).unwrap();
            let apart = there[0].distance(there[1]);
            let face = seen.into_iter().find(|face| face.landmarks[2].distance(there[2]) < apart);
            looks.push(Look { person: person.clone(), scale, angle, face });
        }
    }
    looks
}

/// What came of the portraits turned by one angle: known as who they are, refused or not decided, wrong.
#[derive(Default, Debug, Clone, Copy, PartialEq)]
struct Outcome {
    right: usize,
    unsaid: usize,
    wrong: usize,
}

/// Shows looks to a gallery that grows, and counts, angle by angle; `people` are those the gallery holds in the end.
fn visit(eyes: &Eyes, looks: &[&Look]) -> (BTreeMap<i32, Outcome>, Vec<String>) {
    let manifest = eyes.manifest();
    let mut tracker = Tracker::new(manifest);
    let mut gallery: Vec<(String, FaceVector)> = Vec::new();
    let mut outcomes: BTreeMap<i32, Outcome> = BTreeMap::new();
    for (n, look) in looks.iter().enumerate() {
        let outcome = outcomes.entry(look.angle.abs()).or_default();
        let sightings =
            tracker.observe(n as u64 * 1000, FrameKind::Still, look.face.iter().cloned().collect());
        let Some(sighting) = sightings.first() else {
            outcome.unsaid += 1;
            continue;
        };
        let alike = gallery.iter().map(|(who, face)| (who.clone(), face.cosine(&sighting.vector)));
        let best = alike.max_by(|a, b| a.1.total_cmp(&b.1));
        match decide(sighting.grade, best.as_ref().map(|(_, cosine)| *cosine), &manifest.thresholds) {
            Decision::Known if best.is_some_and(|(who, _)| who == look.person) => outcome.right += 1,
            Decision::Known => outcome.wrong += 1,
            Decision::New => {
                let double = gallery.iter().any(|(who, _)| *who == look.person);
                if double {
                    outcome.wrong += 1
                } else {
                    outcome.right += 1
                }
                gallery.push((look.person.clone(), sighting.vector.clone()));
            }
            Decision::Ambiguous | Decision::Poor => outcome.unsaid += 1,
        }
    }
    (outcomes, gallery.into_iter().map(|(who, _)| who).collect())
}

fn total(outcomes: &[BTreeMap<i32, Outcome>], angle: i32) -> Outcome {
    outcomes.iter().filter_map(|by_angle| by_angle.get(&angle)).fold(Outcome::default(), |sum, one| Outcome {
        right: sum.right + one.right,
        unsaid: sum.unsaid + one.unsaid,
        wrong: sum.wrong + one.wrong,
    })
}

fn of_scale(looks: &[Look], scale: usize, most: i32) -> Vec<&Look> {
    looks.iter().filter(|look| look.scale == scale && look.angle.abs() <= most).collect()
}

#[test]
fn turned_portraits_are_one_customer_a_person_and_nobody_is_somebody_else() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    let portraits = portraits(&folder);
    let looks = look_at_all(&mut eyes, &portraits, &ANGLES);
    println!("{:?}", eyes.looks());

    let galleries = [0, 1].map(|scale| visit(&eyes, &of_scale(&looks, scale, 30)));
    let outcomes = galleries.each_ref().map(|(outcomes, _)| outcomes.clone());
    for angle in [0, 5, 10, 15, 20, 25, 30] {
        println!("turned by {angle}: {:?} as they are, {:?} small", outcomes[0][&angle], outcomes[1][&angle]);
        assert_eq!(total(&outcomes, angle).wrong, 0, "turned by {angle}");
    }
    for (_, mut people) in galleries {
        let customers = people.len();
        people.sort();
        people.dedup();
        assert_eq!((customers, people.len()), (8, 8), "one customer a person");
    }
    for (angle, least) in [(0, 19), (10, 42), (20, 42), (30, 40)] {
        let Outcome { right, .. } = total(&outcomes, angle);
        assert!(right >= least, "turned by {angle}, {right} were right");
    }

    // Whoever is only ever seen tilted is one customer too.
    for (angle, least) in [(20, 40), (30, 37)] {
        let turned: Vec<&Look> = looks.iter().filter(|look| look.angle.abs() == angle).collect();
        let (outcomes, people) = visit(&eyes, &turned);
        println!("turned by {angle} only: {:?}, {} customers", outcomes[&angle], people.len());
        assert!(outcomes[&angle].wrong == 0 && outcomes[&angle].right >= least && people.len() == 8);
    }

    let used: Vec<(&Look, &FaceVector)> =
        looks.iter().filter_map(|look| Some((look, look.face.as_ref()?.vector.as_ref()?))).collect();
    let pairs = used.iter().enumerate().flat_map(|(n, a)| used[..n].iter().map(move |b| (a, b)));
    let cosines: Vec<f32> =
        pairs.filter(|((a, _), (b, _))| a.person != b.person).map(|((_, a), (_, b))| a.cosine(b)).collect();
    let most = cosines.iter().copied().fold(-1.0, f32::max);
    println!("{} pairs of different people among {} faces: at most {most}", cosines.len(), used.len());
    assert!(cosines.len() > 40_000 && used.len() > 300);
    assert!(most < eyes.manifest().thresholds.new, "somebody would be taken for somebody else: {most}");
}

/// The default set as it was before there was a second look.
fn eyes_of_one_look(folder: &Path) -> (tempfile::TempDir, Eyes) {
    let set = tempfile::tempdir().unwrap();
    let mut text = fs::read_to_string(root().join("edge/models/yunet_s_mobileface_v2.toml")).unwrap();
    let table = text.find("[second_look]").unwrap();
    let end = table + text[table..].find("\n\n").unwrap();
    text.replace_range(table..end, "");
    let text = text
        .replace("roll_degrees = 40.0", "roll_degrees = 25.0")
        .replace("roll_degrees = 35.0", "roll_degrees = 25.0");
    fs::write(set.path().join("manifest.toml"), text).unwrap();
    for file in ["yunet_s_dynamic.onnx", "mobileface_v2_512.onnx"] {
        symlink(folder.join("models").join(file), set.path().join(file)).unwrap();
    }
    let eyes = eyes(set.path()).unwrap();
    (set, eyes)
}

#[test]
fn by_one_look_the_same_portraits_are_more_customers_than_people() {
    let Some(folder) = faces() else { return };
    let folder = fs::canonicalize(folder).unwrap();
    let (_set, mut eyes) = eyes_of_one_look(&folder);
    let looks = look_at_all(&mut eyes, &portraits(&folder), &[0, 20, -20, 30, -30]);
    let galleries = [0, 1].map(|scale| visit(&eyes, &of_scale(&looks, scale, 30)));
    let outcomes = galleries.each_ref().map(|(outcomes, _)| outcomes.clone());
    for angle in [0, 20, 30] {
        println!(
            "one look, turned by {angle}: {:?} as they are, {:?} small",
            outcomes[0][&angle], outcomes[1][&angle]
        );
    }
    println!("customers: {} as they are, {} small", galleries[0].1.len(), galleries[1].1.len());
    assert!(galleries.iter().all(|(_, customers)| customers.len() > 8));
    assert_eq!(eyes.looks().second, 0);
}

#[test]
fn only_what_the_first_look_may_have_seen_wrongly_is_looked_at_again() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    for Portrait { frame, .. } in portraits(&folder) {
        eyes.look(&frame).unwrap();
    }
    let stills = eyes.looks();
    println!("stills: {stills:?}");
    assert_eq!((stills.found, stills.corrected, stills.disputed), (13, 0, 0));
    assert!(stills.second < stills.usable);
    // Far walkers are too small to be used, so nothing is spent on them.
    let clip = edge::face::SourceSpec::Clip(folder.join("clips/face-demographics-walking.gif"));
    for frame in edge::face::Source::open(&clip).unwrap() {
        eyes.look(&frame.unwrap()).unwrap();
    }
    let Looks { found, second, .. } = eyes.looks();
    println!("and a clip of far walkers: {:?}", eyes.looks());
    assert!(found > stills.found + 50 && second == stills.second);
}

#[test]
fn pictures_of_nothing_are_looked_at_without_harm() {
    let Some(folder) = faces() else { return };
    let mut eyes = eyes(&folder.join("models")).unwrap();
    let portrait = &portraits(&folder)[0];
    for (w, h) in [(1, 1), (1, 300), (300, 1), (31, 33)] {
        let picture =
            image::imageops::resize(&portrait.frame.picture, w, h, image::imageops::FilterType::Triangle);
        eyes.look(&Frame { picture, ..portrait.frame.clone() }).unwrap();
    }
    // Faces cut by the frame's edges.
    let (w, h) = portrait.frame.picture.dimensions();
    for (x, y, w, h) in [(w / 4, 0, w, h), (0, h / 3, w, h), (0, 0, w / 2, h), (0, 0, w, h * 2 / 3)] {
        let picture = image::imageops::crop_imm(&portrait.frame.picture, x, y, w - x, h - y).to_image();
        eyes.look(&Frame { picture, ..portrait.frame.clone() }).unwrap();
    }
}

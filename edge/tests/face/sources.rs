//! What is fed in, good and bad.

use edge::face::source::still;
use edge::face::{FrameKind, Source, SourceSpec};
use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, Rgb, RgbImage, RgbaImage};
use std::fs;
use std::fs::File;
use std::path::Path;

fn spec(kind: &str, path: &Path) -> SourceSpec {
    format!("{kind}:{}", path.display()).parse().unwrap()
}

fn refusal(kind: &str, path: &Path) -> String {
    format!("{:#}", Source::open(&spec(kind, path)).err().unwrap())
}

#[test]
fn a_folder_plays_its_pictures_by_name_and_names_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    RgbImage::from_pixel(4, 4, Rgb([9, 0, 0])).save(at("b.png")).unwrap();
    RgbImage::from_pixel(4, 4, Rgb([0, 9, 0])).save(at("a.PNG")).unwrap();
    fs::write(at("c.jpg"), "no picture").unwrap();
    fs::write(at("notes.txt"), "not looked at").unwrap();
    fs::create_dir(at("d.jpg")).unwrap();
    // A picture under another's extension is still a picture.
    fs::copy(at("b.png"), at("e.jpg")).unwrap();
    let played: Vec<Result<(String, FrameKind), String>> = Source::open(&spec("images", folder.path()))
        .unwrap()
        .map(|frame| frame.map(|f| (f.name, f.kind)).map_err(|error| error.to_string()))
        .collect();
    let names: Vec<&str> = played.iter().map(|p| p.as_ref().map_or("?", |(name, _)| name)).collect();
    assert_eq!(names, ["a.PNG", "b.png", "?", "e.jpg"]);
    assert!(played.iter().flatten().all(|(_, kind)| *kind == FrameKind::Still));
    let said = played[2].as_ref().unwrap_err();
    assert!(said.contains("c.jpg is no picture that can be read"), "{said}");
}

#[test]
fn a_clip_plays_with_its_own_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.gif");
    let mut encoder = GifEncoder::new(File::create(&file).unwrap());
    for ms in [80, 0, 200] {
        let delay = Delay::from_numer_denom_ms(ms, 1);
        encoder.encode_frame(Frame::from_parts(RgbaImage::new(8, 6), 0, 0, delay)).unwrap();
    }
    drop(encoder);
    let frames: Vec<_> = Source::open(&spec("clip", &file)).unwrap().map(Result::unwrap).collect();
    assert_eq!(frames.iter().map(|f| f.at_ms).collect::<Vec<_>>(), [0, 80, 180]);
    assert_eq!((frames[0].picture.dimensions(), frames[0].kind), ((8, 6), FrameKind::Moving));

    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    let cut: Vec<_> = Source::open(&spec("clip", &file)).unwrap().take(10).collect();
    assert_eq!(cut.len(), 3, "a clip that is cut off ends");
}

#[test]
fn what_cannot_be_played_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.gif");
    assert!(refusal("images", folder.path()).contains("holds no picture"));
    fs::write(&text, "no clip").unwrap();
    for (said, part) in [
        (refusal("images", &folder.path().join("nowhere")), "cannot be read"),
        (refusal("clip", &folder.path().join("nowhere.gif")), "cannot be opened"),
        (refusal("clip", &text), "a GIF file is needed"),
        ("camera:0".parse::<SourceSpec>().unwrap_err().to_string(), "images:DIR"),
        ("images:".parse::<SourceSpec>().unwrap_err().to_string(), "is no source"),
        (still(&text).unwrap_err().to_string(), "is no picture"),
        (
            still(&folder.path().join("nowhere.png")).unwrap_err().to_string(),
            "is no picture that can be read",
        ),
    ] {
        assert!(said.contains(part) && !said.contains('\n'), "{said}");
    }
}

#[test]
fn a_picture_too_large_to_be_one_is_refused_before_it_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wide.png");
    RgbImage::new(20_000, 1).save(&file).unwrap();
    assert!(still(&file).is_err());
}

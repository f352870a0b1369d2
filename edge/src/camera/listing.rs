//! The cameras that are there.

use crate::camera::{
    choice,
    format::{Offer, Pixels},
    id::{CameraId, Node},
    trouble::Trouble,
};
use anyhow::{Result, anyhow, bail};
use serde::Serialize;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// A video device that has been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// What it calls itself.
    pub name: String,
    /// Where it is plugged in.
    pub bus: String,
    /// Its driver.
    pub driver: String,
    /// How it can send; empty when it is no camera but, for example, the other device of one, which sends only metadata.
    pub offers: Vec<Offer>,
}

/// A camera in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// The N of `camera:N`.
    pub index: u32,
    /// Its device file.
    pub path: PathBuf,
    /// Links to it that stay when numbers change.
    pub links: Vec<PathBuf>,
    /// What it calls itself.
    pub name: Option<String>,
    /// Where it is plugged in.
    pub bus: Option<String>,
    /// Its driver.
    pub driver: Option<String>,
    /// How it can send.
    pub formats: Vec<Format>,
    /// Why it cannot be looked at, or not be used.
    pub trouble: Option<String>,
}

/// A size, pixels and rate that a camera offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Format {
    /// Video4Linux's name of the pixels.
    pub fourcc: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub frames_per_s: f64,
    /// Whether it can be used.
    pub usable: bool,
    /// Whether it is the one that `edge run` asks for first.
    pub preferred: bool,
}

/// The cameras of a folder of devices (`/dev`), by number. Devices that send no pictures are left out.
pub fn list(devices: &Path, inspect: impl Fn(Node) -> Result<Inspected, Trouble>) -> Vec<Listed> {
    let mut nodes: Vec<Node> = entries(devices).iter().filter_map(|path| Node::of(path)).collect();
    nodes.sort();
    nodes.dedup();
    let links: Vec<PathBuf> =
        ["v4l/by-id", "v4l/by-path"].iter().flat_map(|folder| entries(&devices.join(folder))).collect();
    let listed = nodes.into_iter().filter_map(|node| {
        let path = devices.join(format!("video{}", node.0));
        let real = fs::canonicalize(&path).ok();
        let leads_here = |link: &&PathBuf| real.is_some() && fs::canonicalize(link).ok() == real;
        let links = links.iter().filter(leads_here).cloned().collect();
        Listed::of(node, path, links, inspect(node))
    });
    listed.collect()
}

impl Listed {
    fn of(node: Node, path: PathBuf, links: Vec<PathBuf>, seen: Result<Inspected, Trouble>) -> Option<Self> {
        let (about, trouble) = match seen {
            Ok(seen) if seen.offers.is_empty() => return None,
            Ok(seen) => (Some(seen), None),
            Err(why) => (None, Some(why)),
        };
        let offers = about.as_ref().map_or(&[][..], |seen| &seen.offers);
        let ranked = choice::ranked(offers);
        let preferred = ranked.first().map(|(offer, _)| offer);
        let undecodable = (about.is_some() && ranked.is_empty()).then(|| Trouble::undecodable(offers));
        let formats = offers.iter().map(|offer| Format {
            fourcc: offer.fourcc.clone(),
            width: offer.width,
            height: offer.height,
            frames_per_s: (offer.frames_per_s() * 100.0).round() / 100.0,
            usable: ranked.iter().any(|(usable, _)| usable == offer),
            preferred: preferred == Some(offer),
        });
        let formats = formats.collect();
        let trouble = trouble.or(undecodable).map(|why| why.to_string());
        let Inspected { name, bus, driver, offers: _ } = match about {
            Some(seen) => seen,
            None => {
                return Some(Self {
                    index: node.0,
                    path,
                    links,
                    name: None,
                    bus: None,
                    driver: None,
                    formats,
                    trouble,
                });
            }
        };
        let (name, bus, driver) = (Some(name), Some(bus), Some(driver));
        Some(Self { index: node.0, path, links, name, bus, driver, formats, trouble })
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, path, links, name, bus, driver, formats, trouble } = self;
        write!(f, "camera {index}: {}", name.as_deref().unwrap_or("no name"))?;
        match (driver, bus) {
            (Some(driver), Some(bus)) => write!(f, ", {} ({driver}, {bus})", path.display())?,
            _ => write!(f, ", {}", path.display())?,
        }
        for link in links {
            write!(f, "\n  also {}", link.display())?;
        }
        if let Some(why) = trouble {
            write!(f, "\n  cannot be used: {why}")?;
        }
        let (decodable, other): (Vec<_>, Vec<_>) =
            formats.iter().partition(|format| Pixels::named(&format.fourcc).is_some());
        for row in decodable.chunk_by(|a, b| (&a.fourcc, a.width, a.height) == (&b.fourcc, b.width, b.height))
        {
            let [first, ..] = row else { continue };
            let rates: Vec<_> = row.iter().map(|format| format.frames_per_s.to_string()).collect();
            write!(
                f,
                "\n  {} {}x{} at {} frames/s",
                first.fourcc,
                first.width,
                first.height,
                rates.join(", ")
            )?;
            if let Some(preferred) = row.iter().find(|format| format.preferred) {
                write!(f, " (preferred: at {})", preferred.frames_per_s)?;
            }
        }
        let mut fourccs: Vec<&str> = other.iter().map(|format| &*format.fourcc).collect();
        fourccs.dedup();
        match fourccs.is_empty() {
            true => Ok(()),
            false => write!(f, "\n  cannot be decoded: {}", fourccs.join(", ")),
        }
    }
}

/// Makes sure that a camera can be used, as far as can be said without taking it.
///
/// # Errors
/// One sentence: there is none of this number or path, with those that there are, or it cannot be used.
pub fn check(
    id: &CameraId,
    devices: &Path,
    inspect: impl Fn(Node) -> Result<Inspected, Trouble>,
) -> Result<()> {
    match id.node().map_err(Trouble::from).and_then(&inspect) {
        Ok(Inspected { offers, .. }) if offers.is_empty() => bail!("camera {id}: {}", Trouble::NoCamera),
        Ok(Inspected { offers, .. }) if choice::ranked(&offers).is_empty() => {
            bail!("camera {id}: {}", Trouble::undecodable(&offers))
        }
        Ok(_) => Ok(()),
        Err(Trouble::Gone) => Err(absent(id, &list(devices, inspect))),
        Err(why) => bail!("camera {id}: {why}"),
    }
}

fn absent(id: &CameraId, there: &[Listed]) -> anyhow::Error {
    let names: Vec<_> = there
        .iter()
        .map(|camera| format!("camera:{} ({})", camera.index, camera.name.as_deref().unwrap_or("no name")))
        .collect();
    match names.is_empty() {
        true => anyhow!("there is no camera {id}, nor any other: plug one in, and see it in `edge cameras`"),
        false => anyhow!("there is no camera {id}: there is {}", names.join(", ")),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn offer(fourcc: &str, width: u32, height: u32, interval_s: (u32, u32)) -> Offer {
        Offer { fourcc: fourcc.to_owned(), width, height, interval_s }
    }

    /// Camera 0 with its metadata device 1, a camera 2 that cannot be decoded, and 10 that is another user's.
    fn inspect(node: Node) -> Result<Inspected, Trouble> {
        let offers = match node.0 {
            0 => vec![
                offer("H264", 1920, 1080, (1, 30)),
                offer("MJPG", 1280, 720, (1, 30)),
                offer("YUYV", 640, 480, (1, 15)),
                offer("YUYV", 640, 480, (2, 15)),
            ],
            1 => vec![],
            2 => vec![offer("H264", 640, 480, (1, 30)), offer("HEVC", 640, 480, (1, 30))],
            10 => return Err(Trouble::Denied),
            _ => return Err(Trouble::Gone),
        };
        let [name, bus, driver] = ["Webcam", "usb-1", "uvcvideo"].map(str::to_owned);
        Ok(Inspected { name, bus, driver, offers })
    }

    fn devices() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["video10", "video0", "video1", "video2", "null", "videos"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let links = folder.path().join("v4l/by-id");
        fs::create_dir_all(&links).unwrap();
        symlink("../../video0", links.join("usb-Webcam")).unwrap();
        folder
    }

    #[test]
    fn cameras_are_listed_with_what_they_offer() {
        let folder = devices();
        let listed = list(folder.path(), inspect);
        let text: Vec<_> = listed.iter().map(ToString::to_string).collect();
        let dev = folder.path().display();
        assert_eq!(
            text,
            [
                format!(
                    "camera 0: Webcam, {dev}/video0 (uvcvideo, usb-1)\n  \
                 also {dev}/v4l/by-id/usb-Webcam\n  \
                 MJPG 1280x720 at 30 frames/s (preferred: at 30)\n  \
                 YUYV 640x480 at 15, 7.5 frames/s\n  \
                 cannot be decoded: H264"
                ),
                format!(
                    "camera 2: Webcam, {dev}/video2 (uvcvideo, usb-1)\n  \
                 cannot be used: it offers nothing that can be decoded: MJPG, YUYV, NV12, RGB3 or BGR3 in whole frames a second is needed, and it has H264, HEVC\n  \
                 cannot be decoded: H264, HEVC"
                ),
                format!("camera 10: no name, {dev}/video10\n  cannot be used: {}", Trouble::Denied),
            ]
        );
        let json = serde_json::to_value(&listed[0]).unwrap();
        assert_eq!((&json["index"], &json["formats"][1]["preferred"]), (&0.into(), &true.into()));
        assert_eq!(json["formats"][3]["usable"], false, "seven and a half frames a second");
    }

    #[test]
    fn a_camera_that_cannot_be_used_is_refused_in_a_sentence() {
        let (folder, empty) = (devices(), tempfile::tempdir().unwrap());
        let refusal = |index, devices| {
            check(&CameraId::Index(index), devices, inspect).err().map(|error| error.to_string())
        };
        assert_eq!(refusal(0, folder.path()), None);
        for (index, devices, part) in [
            (
                99,
                folder.path(),
                "no camera 99: there is camera:0 (Webcam), camera:2 (Webcam), camera:10 (no name)",
            ),
            (99, empty.path(), "no camera 99, nor any other: plug one in"),
            (1, folder.path(), "is no video device"),
            (2, folder.path(), "and it has H264, HEVC"),
            (10, folder.path(), "the group `video`"),
        ] {
            let sentence = refusal(index, devices).unwrap();
            assert!(sentence.contains(part) && !sentence.contains('\n'), "{sentence}");
        }
    }
}

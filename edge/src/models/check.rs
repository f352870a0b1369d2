//! `edge models check`: whether what is here is right.

use super::{library::Known, licence::Licence};
use crate::face::{Eyes, EyesConfig, ModelSet, manifest::SelfTest, runtime::Surroundings};
use anyhow::{Result, bail};
use std::fmt;

/// What a missing licence text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// Wrong: the folder is one that `edge models pull` fills, and it puts the texts there.
    Required,
    /// Worth a word: the folder is somebody's own, who may keep the texts elsewhere.
    Advised,
}

/// What was found of one thing.
enum Finding {
    Right(String),
    Worth(String),
    Wrong(String),
}

/// Says a line for each thing that was looked at.
///
/// # Errors
/// When something is wrong, or there is no set.
pub fn run(config: &EyesConfig, texts: Texts) -> Result<()> {
    let findings = findings(config, texts)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    match findings.iter().filter(|finding| matches!(finding, Finding::Wrong(_))).count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong with the models in {}: see above", config.models.display()),
        n => bail!("{n} things are wrong with the models in {}: see above", config.models.display()),
    }
}

fn findings(config: &EyesConfig, texts: Texts) -> Result<Vec<Finding>> {
    let folder = &config.models;
    let manifest = ModelSet::manifest_of(folder)?;
    let mut findings = vec![Finding::Right(format!("{} in {}", manifest.name, folder.display()))];
    for file in manifest.files() {
        findings.push(match file.verify(&folder.join(&file.name)) {
            Ok(()) => Finding::Right(format!("{}, {} bytes, SHA-256 {}", file.name, file.bytes, file.sha256)),
            Err(error) => Finding::Wrong(format!("{error:#}")),
        });
    }
    for licence in Licence::of_set(&manifest).into_iter().filter(|licence| !licence.is_in(folder)) {
        let text = format!(
            "the text of the {} licence of {} is not in {}: `edge models pull` puts it there",
            licence.name,
            licence.of,
            licence.path(folder).display()
        );
        findings.push(match texts {
            Texts::Required => Finding::Wrong(text),
            Texts::Advised => Finding::Worth(text),
        });
    }
    findings.push(library(config));
    // What is wrong with the files has been said, and without a library nothing runs.
    if !findings.iter().any(|finding| matches!(finding, Finding::Wrong(_))) {
        findings.push(match (Eyes::open(config), &manifest.self_test) {
            (Err(error), _) => Finding::Wrong(format!("{error:#}")),
            (Ok(_), SelfTest::Vector(_)) => Finding::Right("it passes its self-test".to_owned()),
            (Ok(_), SelfTest::Unproven(reason)) => Finding::Worth(super::list::in_plain_words(reason)),
        });
    }
    Ok(findings)
}

fn library(config: &EyesConfig) -> Finding {
    let surroundings = Surroundings::of_this_process(config.onnxruntime.clone(), &config.models);
    match surroundings.find().and_then(Known::at) {
        Ok(Known::Tested(path)) => Finding::Right(format!("{}, the tested build", path.display())),
        Ok(Known::Other(path)) => Finding::Worth(format!(
            "{} is another build than the one tested: `edge models pull` fetches that one where no other is chosen",
            path.display()
        )),
        Err(error) => Finding::Wrong(format!("{error:#}")),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right(text) => write!(f, "ok       {text}"),
            Self::Worth(text) => write!(f, "warning  {text}"),
            Self::Wrong(text) => write!(f, "wrong    {text}"),
        }
    }
}

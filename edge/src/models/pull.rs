//! `edge models pull`: a set and its runtime, from where they are published into a folder.

use super::{
    Address, Fetcher, Wanted, convert,
    library::{Build, Known},
    licence::Licence,
    list,
    part::Part,
};
use crate::face::{
    Manifest, ModelFile, ModelSet,
    manifest::SelfTest,
    model_file::{Conversion, ConversionKind},
    runtime::Surroundings,
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::{self, File, TryLockError},
    io::{IsTerminal, Write, stderr, stdin},
    path::{Path, PathBuf},
    time::Duration,
};

/// What is pulled, and how.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Which set.
    pub name: String,
    /// Where it goes.
    pub folder: PathBuf,
    /// Where it is fetched from, when not from where it is published.
    pub mirror: Option<Address>,
    /// A server may be silent for so long.
    pub silence: Duration,
    /// Whether the licences are agreed to.
    pub consent: Consent,
    /// The library that was named.
    pub onnxruntime: Option<PathBuf>,
}

/// Whether the licences are agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// With `--yes`.
    Given,
    /// A person is asked.
    Asked,
}

/// What is missing.
struct Plan<'a> {
    /// Files of the set, each with what is fetched for it.
    files: Vec<(&'a ModelFile, Vec<&'a ModelFile>)>,
    library: Library,
}

/// What is to be done about the runtime.
enum Library {
    /// It is there.
    Settled(Known),
    /// It is fetched.
    Fetched(&'static Build),
    /// It is missing, and there is none for this machine.
    Unknown(String),
}

/// Pulls.
///
/// # Errors
/// One sentence: an unknown name, licences that are not agreed to, or what did not come; what came before stays.
pub fn run(pull: &Pull) -> Result<()> {
    let catalogue = Manifest::catalogue();
    let Some((_, set)) = catalogue.iter().find(|(name, _)| *name == pull.name) else {
        let names: Vec<&str> = catalogue.iter().map(|(name, _)| *name).collect();
        bail!("no model set is called {:?}: there are {}", pull.name, names.join(" and "));
    };
    agree(pull, set, &Plan::of(pull, set)?)?;
    let folder = &pull.folder;
    fs::create_dir_all(folder).with_context(|| {
        format!("{} cannot be made: choose another folder with --models DIR", folder.display())
    })?;
    let _lock = alone(folder)?;
    // Another pull may have brought it meanwhile.
    let plan = Plan::of(pull, set)?;
    Licence::of_set(set).iter().filter(|text| !text.is_in(folder)).try_for_each(|text| text.store(folder))?;
    let fetcher = Fetcher::new(pull.silence);
    for (file, origins) in &plan.files {
        for origin in origins.iter().filter(|origin| origin.verify(&folder.join(&origin.name)).is_err()) {
            fetcher.fetch(&wanted(pull, origin)?, folder)?;
        }
        if let (Some(conversion), true) = (&set.embedder.conversion, **file == set.embedder.file) {
            convert(conversion, file, folder)?;
        }
    }
    println!("{} is in {}", set.name, folder.display());
    let used = ModelSet::manifest_of(folder)?;
    if used.name != set.name {
        eprintln!(
            "the set {} is there too and goes first: give each set a folder of its own with --models DIR",
            used.name
        );
    }
    if let SelfTest::Unproven(reason) = &set.self_test {
        eprintln!("{}", list::in_plain_words(reason));
    }
    match plan.library {
        Library::Settled(Known::Tested(path)) => println!("libonnxruntime is {}", path.display()),
        Library::Settled(Known::Other(path)) => {
            println!("libonnxruntime is {}, another build than the one tested", path.display());
        }
        Library::Fetched(build) => {
            Licence::of_runtime(build).store(folder)?;
            build.pull(folder, pull.mirror.as_ref(), &fetcher)?;
            println!("libonnxruntime is {}", folder.join(build.name).display());
        }
        Library::Unknown(reason) => bail!("{reason}"),
    }
    Ok(())
}

impl<'a> Plan<'a> {
    fn of(pull: &Pull, set: &'a Manifest) -> Result<Self> {
        let mut files = Vec::from(set.origins());
        files.retain(|(file, _)| file.verify(&pull.folder.join(&file.name)).is_err());
        let surroundings = Surroundings::of_this_process(pull.onnxruntime.clone(), &pull.folder);
        let library = match (Known::settled(&surroundings)?, Build::here()) {
            (Some(known), _) => Library::Settled(known),
            (None, Ok(build)) => Library::Fetched(build),
            (None, Err(error)) => Library::Unknown(error.to_string()),
        };
        Ok(Self { files, library })
    }

    fn downloads(&self) -> impl Iterator<Item = &ModelFile> {
        self.files.iter().flat_map(|(_, origins)| origins.iter().copied())
    }
}

fn wanted<'a>(pull: &Pull, file: &'a ModelFile) -> Result<Wanted<'a>> {
    let published = file.published.as_ref().with_context(|| format!("{} is not published", file.name))?;
    let address = match &pull.mirror {
        Some(mirror) => mirror.join(&file.name)?,
        None => published.url.parse()?,
    };
    Ok(Wanted { name: &file.name, address, bytes: file.bytes, sha256: &file.sha256 })
}

/// Shows the licences of what is missing, and asks.
fn agree(pull: &Pull, set: &Manifest, plan: &Plan<'_>) -> Result<()> {
    let mut lines: Vec<String> = Vec::new();
    for file in plan.downloads() {
        let url = file.published.as_ref().map(|published| published.licence_url.as_str()).unwrap_or_default();
        lines.push(format!("  {}, {} bytes: {}, {url}", file.name, file.bytes, file.licence));
    }
    if let Library::Fetched(build) = plan.library {
        let Licence { of, name, url, .. } = Licence::of_runtime(build);
        lines.push(format!("  {of}, {} bytes: {name}, {url}", build.bytes));
    }
    if lines.is_empty() {
        return Ok(());
    }
    eprintln!("{} needs these files, each under its licence:", set.name);
    lines.iter().for_each(|line| eprintln!("{line}"));
    if let SelfTest::Unproven(reason) = &set.self_test {
        eprintln!("{}", list::in_plain_words(reason));
    }
    if pull.consent == Consent::Given {
        return Ok(());
    }
    ensure!(
        stdin().is_terminal() && stderr().is_terminal(),
        "nothing was fetched, because nobody is here to agree to the licences: run this at a terminal, or agree with --yes"
    );
    eprint!("Do you agree to these licences? [y/N] ");
    stderr().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    let agreed = ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str());
    ensure!(agreed, "nothing was fetched, because the licences were not agreed to");
    Ok(())
}

/// Holds a folder for one pull; the system lets go of it when the process dies.
fn alone(folder: &Path) -> Result<File> {
    let path = folder.join(".pull.lock");
    let file = File::create(&path).with_context(|| {
        format!("{} cannot be written: choose another folder with --models DIR", path.display())
    })?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            eprintln!("another pull is at work in {}: waiting for it", folder.display())
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
        }
    }
    file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
    Ok(file)
}

/// Makes a file from what it is made of, and lets go of that.
fn convert(conversion: &Conversion, file: &ModelFile, folder: &Path) -> Result<()> {
    let Conversion { kind: ConversionKind::MxnetMirrored, graph, parameters } = conversion;
    let sources = [graph, parameters].map(|source| folder.join(&source.name));
    let read = |path: &PathBuf| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let bytes = convert::mxnet_mirrored(&read(&sources[0])?, &read(&sources[1])?)
        .with_context(|| format!("{} cannot be made of {} and {}", file.name, graph.name, parameters.name))?;
    let mut part = Part::open(folder, &file.name, file.bytes)?;
    part.restart()?;
    let fits =
        bytes.len() as u64 == file.bytes && part.write(&bytes).map(|()| part.sha256() == file.sha256)?;
    if !fits {
        part.discard();
        bail!(
            "{} came out of its conversion other than it was tested: this program is damaged, install it again",
            file.name
        );
    }
    part.finish()?;
    for source in sources {
        let _ = fs::remove_file(source);
    }
    Ok(())
}

//! The reference: `bench/reference/face.py`, a process of its own that is asked line by line.

use crate::arena::Process;
use anyhow::{Context as _, Result, ensure};
use edge::face::Eyes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// What it is, for the report.
pub const VERSIONS: &str =
    "Python with onnxruntime 1.24.4 and OpenCV, one thread each (bench/reference/face.py)";
/// Variables that would make numpy's arithmetic another one.
const UNSET: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/// The running reference.
pub struct Reference {
    _process: Process,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A face as it finds it.
#[derive(Deserialize)]
pub struct Found {
    /// x, y, width, height.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// x and y of each.
    pub landmarks: [[f32; 2]; 5],
    /// Of length one.
    pub embedding: Vec<f32>,
}

/// The Python that the reference runs in, made when it is missing.
///
/// # Errors
/// One sentence that says why there is none and what to do.
pub fn environment() -> Result<PathBuf> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = bench.join("../target/face-reference");
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    if !complete.exists() {
        let requirements = bench.join("reference/requirements.txt");
        ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
            .and_then(|()| ran(Command::new(&python).args(["-m", "pip", "install", "-q", "-r"]).arg(&requirements)))
            .context("skipped, because the reference's Python cannot be made (apt-get install python3-venv, and a way to the Python package index)")?;
        std::fs::write(&complete, "").with_context(|| format!("cannot write {}", complete.display()))?;
    }
    Ok(python)
}

fn ran(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("{program} does not start"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    ensure!(output.status.success(), "{program} failed: {said}");
    Ok(())
}

impl Reference {
    /// Starts it with the models of these eyes.
    pub fn start(python: &Path, models: &Path, eyes: &Eyes) -> Result<Reference> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/face.py");
        let mut command = Command::new(python);
        command.arg(script).args(eyes.manifest().files().map(|file| models.join(&file.name)));
        UNSET.iter().for_each(|name| {
            command.env_remove(name);
        });
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = Process(child.context("the reference does not start")?);
        let questions = process.0.stdin.take().context("the reference has no input")?;
        let answers = BufReader::new(process.0.stdout.take().context("the reference has no output")?);
        Ok(Reference { _process: process, questions, answers })
    }

    /// The faces of a picture.
    pub fn look(&mut self, file: &Path) -> Result<Vec<Found>> {
        self.ask("look", file)
    }

    /// Milliseconds that it takes for a picture, by the clock and of the processor.
    pub fn time(&mut self, file: &Path) -> Result<[f64; 2]> {
        self.ask("time", file)
    }

    fn ask<A: DeserializeOwned>(&mut self, verb: &str, file: &Path) -> Result<A> {
        writeln!(self.questions, "{verb} {}", file.display()).context("the reference has ended")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("the reference has ended")
    }
}

//! The one home of ONNX: a library loaded at run time, and networks of one input that it runs.

use crate::face::runtime::HOW_TO_GET_IT;
use anyhow::{Context, Result, anyhow, ensure};
use ort::environment::Environment;
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::{TensorRef, ValueType};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The binding allows one environment a process, for the whole life of the process.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// A loaded libonnxruntime.
pub struct Runtime(Environment);

/// How the values of a network's layers lie in memory while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Channels in blocks, as wide as the processor's registers: what convolutions of few channels are fastest with.
    Blocks,
    /// Channel by channel: faster for networks that are mostly depthwise convolutions.
    Planes,
}

/// A network with one input.
pub struct Network {
    session: Session,
    name: String,
    input: String,
}

/// One named output, flat, in row-major order.
pub struct Output {
    /// The name in the file.
    pub name: String,
    /// The values.
    pub values: Vec<f32>,
}

impl Runtime {
    /// Loads the library. A process loads one: a second call answers with the first.
    ///
    /// # Errors
    /// One sentence, when the file is no libonnxruntime, or too old a one.
    pub fn load(library: &Path) -> Result<Self> {
        let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = environment.as_ref() {
            return Ok(Self(loaded.clone()));
        }
        let loaded = ort::init_from(library)
            .map_err(|error| refusal(library, &error))?
            .with_name("regulars")
            .with_telemetry(false)
            .build()
            .map_err(|error| anyhow!("onnxruntime does not start: {error}"))?;
        *environment = Some(loaded.clone());
        Ok(Self(loaded))
    }
}

fn refusal(library: &Path, error: &ort::LoadDynamicError) -> anyhow::Error {
    let path = library.display();
    match error {
        ort::LoadDynamicError::BadVersion { version_str, .. } => anyhow!(
            "{path} is onnxruntime {version_str}, and 1.{} or newer is needed: {HOW_TO_GET_IT}",
            ort::MINOR_VERSION
        ),
        ort::LoadDynamicError::MissingApi { .. } | ort::LoadDynamicError::InvalidVersionString => {
            anyhow!("{path} is a library, but not onnxruntime: {HOW_TO_GET_IT}")
        }
        ort::LoadDynamicError::Dlopen { error, .. } => {
            anyhow!("{path} cannot be loaded as onnxruntime ({error}): {HOW_TO_GET_IT}")
        }
    }
}

impl Network {
    /// Reads a network. It computes on `threads` threads (at least one) that sleep when there is nothing to do: the
    /// machine has other work.
    ///
    /// # Errors
    /// When the file is no network this library can run, or has more than one input.
    pub fn open(runtime: &Runtime, file: &Path, layout: Layout, threads: usize) -> Result<Self> {
        let name = file.display().to_string();
        let session = session(runtime, file, layout, threads)
            .map_err(|error| anyhow!("{name} is no usable network: {error}"))?;
        ensure!(session.inputs().len() == 1, "{name} has {} inputs, one is expected", session.inputs().len());
        let input = session.inputs()[0].name().to_owned();
        Ok(Self { session, name, input })
    }

    /// The shape of its input, -1 where any size will do; empty when it is no tensor.
    pub fn input_shape(&self) -> Vec<i64> {
        match self.session.inputs()[0].dtype() {
            ValueType::Tensor { shape, .. } => shape.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Runs it on one input of `shape` (`values` in row-major order).
    ///
    /// # Errors
    /// When shape and values do not fit the network, or an output is not of f32.
    pub fn run(&mut self, shape: [usize; 4], values: &[f32]) -> Result<Vec<Output>> {
        let input = TensorRef::from_array_view((shape, values))?;
        let outputs = self
            .session
            .run(ort::inputs![self.input.as_str() => input])
            .with_context(|| format!("{} did not run", self.name))?;
        outputs
            .iter()
            .map(|(name, value)| {
                let (_, values) = value.try_extract_tensor::<f32>()?;
                Ok(Output { name: name.to_owned(), values: values.to_vec() })
            })
            .collect()
    }
}

fn session(runtime: &Runtime, file: &Path, layout: Layout, threads: usize) -> ort::Result<Session> {
    let level = match layout {
        Layout::Blocks => GraphOptimizationLevel::All,
        // Everything but the change of layout.
        Layout::Planes => GraphOptimizationLevel::Level2,
    };
    Session::builder(&runtime.0)?
        .with_optimization_level(level)?
        .with_intra_threads(threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .commit_from_file(file)
}

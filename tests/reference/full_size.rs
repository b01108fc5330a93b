//! Reads what `full_size.py` wrote for one component, compares with it, and measures.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use agpt::bundle::{Source, Weights};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fixture::{TOLERANCE, values};

#[derive(Deserialize)]
struct About {
    config: serde_json::Value,
    parameters: u64,
    /// What the reference took for some of its outputs, of the processor's time.
    #[serde(default)]
    seconds: BTreeMap<String, f64>,
}

pub struct Component {
    name: &'static str,
    about: About,
    file: Weights,
}

impl Component {
    /// Of the folder that AGPT_FULL_SIZE names.
    pub fn open(name: &'static str) -> Self {
        let folder = std::env::var_os("AGPT_FULL_SIZE");
        let folder = PathBuf::from(folder.expect("AGPT_FULL_SIZE names full_size.py's folder"));
        let about = std::fs::read(folder.join(format!("{name}.json")));
        let about: About = serde_json::from_slice(&about.expect("full_size.py has run")).unwrap();
        let path = format!("{name}.safetensors");
        let blob = Source::Folder(folder).open(&path).unwrap().expect("full_size.py has run");
        forget_peak_memory();
        println!("{name}: {} parameters, {} threads", about.parameters, threads());
        Self { name, about, file: Weights::open([(path, blob)]).unwrap() }
    }

    pub fn config<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.about.config.clone()).expect("a configuration")
    }

    pub fn weights(&self) -> VarBuilder<'static> {
        self.file.var_builder(DType::F32, &Device::Cpu)
    }

    pub fn get(&self, name: &str) -> Tensor {
        let tensor = self.file.tensor(name, &Device::Cpu).unwrap();
        match tensor.dtype() {
            DType::I64 => tensor.to_dtype(DType::U32).expect("codes fit 32 bits"),
            _ => tensor,
        }
    }

    pub fn codes(&self, name: &str) -> Vec<u32> {
        self.get(name).flatten_all().and_then(|t| t.to_vec1()).expect("codes")
    }

    /// (frames, layers) → layers of frames
    pub fn layers(&self, name: &str) -> Vec<Vec<u32>> {
        self.get(name).t().and_then(|t| t.to_vec2()).expect("codes")
    }

    /// The bound is that of the small fixtures: of each element's own size or of the root mean
    /// square of all, whichever is larger, [`TOLERANCE`]. Returns what `run` has made.
    pub fn check<E: std::fmt::Debug>(
        &self,
        name: &str,
        run: impl FnOnce() -> Result<Tensor, E>,
    ) -> Tensor {
        let got = self.timed(name, run);
        let want = self.get(name);
        assert_eq!(got.dims(), want.dims(), "{} {name}", self.name);
        let (absolute, relative) = largest_errors(&values(&got), &values(&want));
        println!(
            "{} {name} {:?}: largest error {absolute:.1e}, relative {relative:.1e}",
            self.name,
            got.dims()
        );
        assert!(relative <= f64::from(TOLERANCE), "{} {name}: {relative:e}", self.name);
        got
    }

    /// Codes must be the reference's; how many are not is said.
    pub fn check_codes<E: std::fmt::Debug>(
        &self,
        name: &str,
        run: impl FnOnce() -> Result<Vec<u32>, E>,
    ) {
        let got = self.timed(name, run);
        let want = self.codes(name);
        assert_eq!(got.len(), want.len(), "{} {name}", self.name);
        let equal = got.iter().zip(&want).filter(|(got, want)| got == want).count();
        println!("{} {name}: {equal} of {} codes equal", self.name, want.len());
        assert_eq!(equal, want.len(), "{} {name}", self.name);
    }

    fn timed<T, E: std::fmt::Debug>(&self, name: &str, run: impl FnOnce() -> Result<T, E>) -> T {
        let (begin, clock) = (processor_seconds(), Instant::now());
        let result = run().unwrap();
        let clock = clock.elapsed().as_secs_f64();
        let seconds = begin.and_then(|begin| Some(processor_seconds()? - begin)).unwrap_or(clock);
        let reference = match self.about.seconds.get(name) {
            Some(seconds) => format!(", the reference {seconds:.2} s"),
            None => String::new(),
        };
        println!(
            "{} {name}: {seconds:.2} s of the processor{reference}; {clock:.1} s by the clock",
            self.name
        );
        result
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        if let Some(peak) = peak_memory() {
            println!("{}: peak memory {peak}, the mapped file included", self.name);
        }
    }
}

/// The largest difference, and the largest relative to an element's own size or the root mean
/// square of all. In f64, as these tensors have millions of elements.
fn largest_errors(got: &[f32], want: &[f32]) -> (f64, f64) {
    let square = |w: &f32| f64::from(*w).powi(2);
    let scale = (want.iter().map(square).sum::<f64>() / want.len() as f64).sqrt();
    let mut worst = (0., 0.);
    for (got, want) in got.iter().zip(want) {
        let (got, want) = (f64::from(*got), f64::from(*want));
        let absolute = (got - want).abs();
        let relative = absolute / want.abs().max(scale);
        // A NaN anywhere must not pass for a small error.
        if relative > worst.1 || relative.is_nan() {
            worst.1 = relative;
        }
        worst.0 = f64::max(worst.0, absolute);
        if relative.is_nan() {
            break;
        }
    }
    worst
}

fn threads() -> usize {
    rayon::current_num_threads()
}

/// What all threads have used so far. Linux only.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the program's name in brackets, the 12th and 13th field, in hundredths.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some((next()? + next()?) as f64 / 100.)
}

/// Linux only; elsewhere nothing is said of memory.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(format!("{} MiB", kib / 1024))
}

fn forget_peak_memory() {
    // Where it cannot be forgotten, the peak of the tests before is in it.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

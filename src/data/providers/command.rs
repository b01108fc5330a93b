//! A program of the user's that makes media.

use std::io::{Read, Write};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::openai::shortened;
use super::{Command, ProviderError, Stop};

/// More of what a program complains is not kept.
const MOST_WORDS: u64 = 1 << 16;
/// A larger file is no medium of a dialogue.
const MOST_BYTES: u64 = 1 << 28;

/// The file that the program wrote.
pub fn run(
    command: &Command,
    description: &str,
    seed: u64,
    stop: &Stop,
) -> Result<Vec<u8>, ProviderError> {
    let Some((program, arguments)) = command.run.split_first() else {
        return Err(ProviderError::Local("the recipe names no program".to_string()));
    };
    let failed = |reason: String| ProviderError::Program { program: program.clone(), reason };
    let folder = tempfile::tempdir().map_err(|error| failed(format!("has no place: {error}")))?;
    let out = folder.path().join("out");
    let (path, seed) = (out.display().to_string(), seed.to_string());
    let arguments =
        arguments.iter().map(|word| word.replace("{out}", &path).replace("{seed}", &seed));
    let mut child = Process::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        // A program that is not there is not there for the next piece either.
        .map_err(|error| ProviderError::Local(format!("`{program}` cannot be run: {error}")))?;
    // Threads, since the program may read late and complain much.
    let (mut given, complaints) = (child.stdin.take(), child.stderr.take());
    let description = description.to_string();
    std::thread::spawn(move || given.as_mut().map(|pipe| pipe.write_all(description.as_bytes())));
    let listener = std::thread::spawn(move || {
        let mut words = Vec::new();
        if let Some(mut pipe) = complaints {
            let _ = pipe.by_ref().take(MOST_WORDS).read_to_end(&mut words);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        String::from_utf8_lossy(&words).into_owned()
    });
    let status = wait(&mut child, Duration::from_secs_f64(command.timeout_seconds), stop)?;
    let Some(status) = status else {
        return Err(failed(format!("took longer than {} s", command.timeout_seconds)));
    };
    if !status.success() {
        let words = listener.join().unwrap_or_default();
        return Err(failed(format!("ended with {status}: {}", shortened(&words))));
    }
    let nothing = |error: std::io::Error| failed(format!("wrote no file to {{out}}: {error}"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&out).map_err(nothing)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(nothing)?;
    Ok(bytes)
}

/// How the program ended; `None` where its time was up.
fn wait(
    child: &mut Child,
    time: Duration,
    stop: &Stop,
) -> Result<Option<std::process::ExitStatus>, ProviderError> {
    let end = Instant::now() + time;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) if stop.is_set() || Instant::now() >= end => {
                let _ = child.kill();
                let _ = child.wait();
                return if stop.is_set() { Err(ProviderError::Stopped) } else { Ok(None) };
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(ProviderError::Local(error.to_string())),
        }
    }
}

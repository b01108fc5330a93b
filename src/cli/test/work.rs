//! Running tests, one after another or several at a time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::base::{Diagnostic, Sources, Span};
use crate::cli::progress::Progress;
use crate::cli::run::beside;
use crate::cli::{Exit, source};
use crate::lang::ir::Program;
use crate::runtime::engine::Engine;
use crate::runtime::error::RunError;
use crate::test_runner::outcome::Outcome;
use crate::test_runner::{Keep, Session};

use super::report::Report;
use super::{Args, review};

/// A file that compiles.
struct File {
    path: PathBuf,
    program: Program,
    sources: Sources,
}

/// The tests to run, in the order in which they are told.
pub struct Suite {
    files: Vec<File>,
    /// Places of a file and of a test in it.
    tests: Vec<(usize, usize)>,
}

/// A test that ran.
struct Ran {
    outcome: Outcome,
    seconds: f64,
}

impl Suite {
    /// Compiles the files; of those that do not, the report tells.
    pub fn compile(paths: &[PathBuf], args: &Args, report: &mut Report) -> Result<Suite, Exit> {
        let mut suite = Suite { files: Vec::new(), tests: Vec::new() };
        for path in paths {
            let compilation = source::compile(path)?;
            let sources = compilation.sources;
            let Some(program) = compilation.program else {
                report.broken(path, args, &compilation.diagnostics, &sources);
                continue;
            };
            let file = suite.files.len();
            for (place, test) in program.tests.iter().enumerate() {
                match &args.filter {
                    Some(filter) if !test.title.contains(filter.as_str()) => report.left_out += 1,
                    _ => suite.tests.push((file, place)),
                }
            }
            suite.files.push(File { path: path.clone(), program, sources });
        }
        Ok(suite)
    }

    pub fn titles(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.tests.iter().map(|(file, test)| {
            let file = &self.files[*file];
            (file.path.as_path(), file.program.tests[*test].title.as_str())
        })
    }

    /// Runs the tests and tells of each in its turn.
    pub fn run(&self, args: &Args, report: &mut Report) -> Result<(), Exit> {
        let jobs = usize::from(args.jobs).min(self.tests.len());
        if jobs > 1 {
            return self.side_by_side(jobs, args, report);
        }
        // Opened with the first test: files without tests need no model.
        let mut engine = None;
        for at in 0..self.tests.len() {
            let ran = self.test(at, args, &mut engine, false);
            self.tell(at, ran, args, report)?;
            if report.cancelled {
                break;
            }
        }
        Ok(())
    }

    fn side_by_side(&self, jobs: usize, args: &Args, report: &mut Report) -> Result<(), Exit> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                let (next, stop, sender) = (&next, &stop, sender.clone());
                scope.spawn(move || {
                    let mut engine = None;
                    while !stop.load(Ordering::Relaxed) {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= self.tests.len() {
                            break;
                        }
                        let ran = self.test(at, args, &mut engine, true);
                        if sender.send((at, ran)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut waiting = std::collections::BTreeMap::new();
            let mut turn = 0;
            for (at, ran) in receiver {
                waiting.insert(at, ran);
                while let Some(ran) = waiting.remove(&turn) {
                    let told = self.tell(turn, ran, args, report);
                    if told.is_err() || report.cancelled {
                        stop.store(true, Ordering::Relaxed);
                        return told;
                    }
                    turn += 1;
                }
            }
            Ok(())
        })
    }

    fn tell(
        &self,
        at: usize,
        ran: Result<Ran, RunError>,
        args: &Args,
        report: &mut Report,
    ) -> Result<(), Exit> {
        let file = &self.files[self.tests[at].0];
        match ran {
            Ok(ran) => {
                report.tell(&file.path, args, &file.sources, ran.outcome, ran.seconds);
                Ok(())
            }
            Err(error) => {
                source::show(&[error.diagnostic()], &file.sources);
                Err(Exit::Failed)
            }
        }
    }

    /// Runs a test; an error is one of the model, which no other test could do without.
    fn test(
        &self,
        at: usize,
        args: &Args,
        engine: &mut Option<Engine>,
        quiet: bool,
    ) -> Result<Ran, RunError> {
        let (file, test) = self.tests[at];
        let file = &self.files[file];
        let engine = match engine {
            Some(engine) => engine,
            // What a tier leaves out need not be there.
            None if args.tier().replays() => engine.insert(args.machine.engine_partly()?),
            None => engine.insert(args.machine.engine()?),
        };
        let resolve = |span: Span, path: &str| beside(&file.sources, span, path);
        let mut progress = Progress::new(quiet || args.json || args.ci || args.review, false);
        let mut ask = |title: &str, told: &[Diagnostic]| review(title, told, &file.sources);
        let begun = Instant::now();
        let outcome = Session {
            engine,
            seed: args.machine.seed,
            resolve: &resolve,
            events: &mut progress,
            keep: match (args.update, args.review) {
                (true, _) => Keep::Update,
                (_, true) => Keep::Ask(&mut ask),
                _ => Keep::Compare,
            },
            tier: args.tier(),
            record: args.record,
            show: args.report.is_some(),
            file: &file.path,
        }
        .run(&file.program, &file.program.tests[test]);
        progress.done();
        Ok(Ran { outcome, seconds: begun.elapsed().as_secs_f64() })
    }
}

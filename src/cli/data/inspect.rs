//! `agpt data inspect`: what is in a packed data set.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::Medium;
use crate::bundle::{Bundle, Vocabulary};
use crate::cli::Exit;
use crate::cli::output::stdout;
use crate::data::DataError;
use crate::data::packed::{Index, Sequence, TokenCounts};
use crate::data::sample::Kinds;

use super::{failed, grouped};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the data set
    folder: PathBuf,
    /// Show this sequence, counted from 0 over all shards
    sequence: Option<u64>,
    /// The model that the data were made for, to read them
    #[arg(long, value_name = "NAME|DIR", default_value = "nano")]
    model: String,
    /// Compare the shards with their hashes, too
    #[arg(long)]
    verify: bool,
    /// Print ids and counts as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    match inspected(args) {
        Ok(text) => stdout(&text),
        Err(error) => failed(error),
    }
}

fn inspected(args: &Args) -> Result<String, DataError> {
    let index = Index::read(&args.folder)?;
    if args.verify {
        for entry in &index.shards {
            index.open(&args.folder, entry)?.verify(&entry.blake3)?;
        }
    }
    let Some(number) = args.sequence else { return summary(&index, args) };
    let sequence = find(&index, &args.folder, number)?;
    if args.json {
        let samples: Vec<_> = sequence.samples.iter().map(|it| [it.start, it.end]).collect();
        let json = json!({
            "sequence": number, "ids": sequence.ids, "counted": sequence.counted, "samples": samples,
        });
        return Ok(format!("{json}\n"));
    }
    let bundle = Bundle::find(&args.model)?;
    let vocabulary = bundle.vocabulary()?;
    if bundle.vocabulary_digest()? != index.vocabulary_blake3 {
        return Err(DataError::Sample(format!(
            "`{}` was made with another vocabulary than that of {}; name its model with --model",
            args.folder.display(),
            bundle.name()
        )));
    }
    let tokens = |range: &std::ops::Range<usize>| shown(&bundle, vocabulary, &sequence, range);
    let mut out = String::new();
    for (place, range) in sequence.samples.iter().enumerate() {
        let counted = sequence.counted.get(range.clone()).unwrap_or_default();
        let counted = counted.iter().filter(|counted| **counted).count();
        out.push_str(&format!(
            "--- sample {place}: {} tokens, {counted} learned\n{}\n",
            range.len(),
            tokens(range)?
        ));
    }
    Ok(out)
}

fn summary(index: &Index, args: &Args) -> Result<String, DataError> {
    let (mut counted, mut samples, mut fullest) = (0, 0, 0);
    for entry in &index.shards {
        let shard = index.open(&args.folder, entry)?;
        samples += entry.samples;
        for at in 0..shard.len() {
            counted += shard.sequence(at).counted.iter().filter(|it| **it).count() as u64;
            fullest = fullest.max(shard.length(at));
        }
    }
    let (tokens, sequences) = (index.tokens(), index.sequences());
    let room = (sequences * u64::from(index.max_length)).max(1);
    let fill = tokens.total() as f64 / room as f64;
    if args.json {
        let json = json!({
            "shards": index.shards.len(), "sequences": sequences, "samples": samples,
            "tokens": tokens, "counted": counted, "fill": fill, "max_length": index.max_length,
        });
        return Ok(format!("{json}\n"));
    }
    Ok(format!(
        "{} samples in {} sequences of at most {} tokens (the longest {}, {:.1} % full), {} shards\n{}",
        grouped(samples),
        grouped(sequences),
        grouped(index.max_length.into()),
        grouped(fullest as u64),
        fill * 100.0,
        index.shards.len(),
        shares(&tokens, counted)
    ))
}

/// How many tokens there are of each kind, one a line.
pub fn shares(tokens: &TokenCounts, counted: u64) -> String {
    let all = tokens.total();
    let line = |name: &str, count: u64| {
        let share = count as f64 * 100.0 / all.max(1) as f64;
        format!("{name:10} {:>14} {share:>6.1} %\n", grouped(count))
    };
    let mut out: String =
        Medium::ALL.iter().map(|medium| line(medium.name(), tokens.of(*medium))).collect();
    out.push_str(&line("control", tokens.control));
    out.push_str(&line("all", all));
    out.push_str(&line("learned", counted));
    out
}

fn find(index: &Index, folder: &Path, number: u64) -> Result<Sequence, DataError> {
    let mut before = 0;
    for entry in &index.shards {
        if number < before + entry.sequences {
            let shard = index.open(folder, entry)?;
            return Ok(shard.sequence((number - before) as usize));
        }
        before += entry.sequences;
    }
    Err(DataError::Sample(format!("there is no sequence {number}; there are {before}")))
}

/// A sample in words: codes are counted, and what is learned stands between ⟦ and ⟧, in green on
/// a terminal.
fn shown(
    bundle: &Bundle,
    vocabulary: &Vocabulary,
    sequence: &Sequence,
    range: &std::ops::Range<usize>,
) -> Result<String, DataError> {
    let tokenizer = bundle.text_tokenizer()?;
    let kinds = Kinds::new(vocabulary);
    let mut runs: Vec<(bool, String)> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (id, counted) = (sequence.ids[at], sequence.counted[at]);
        let same = |other: &usize| {
            let (next, learned) = (sequence.ids[*other], sequence.counted[*other]);
            learned == counted
                && match kinds.of(id) {
                    Some(Medium::Text) => vocabulary.is_text(next),
                    Some(medium) => {
                        vocabulary.medium_of(id).is_some()
                            && vocabulary.medium_of(next).is_some_and(|(of, _)| of == medium)
                    }
                    None => false,
                }
        };
        let end = at + 1 + (at + 1..range.end).take_while(same).count();
        let text = match kinds.of(id) {
            Some(Medium::Text) => tokenizer.decode(&sequence.ids[at..end]),
            Some(medium) if vocabulary.medium_of(id).is_some() => {
                format!("[{medium}: {} codes]", end - at)
            }
            _ => vocabulary.name_of(id).unwrap_or("?").to_string(),
        };
        // A decoder takes the space in front of the first word away; between runs it matters.
        match runs.last_mut() {
            Some((learned, before)) if *learned == counted => before.push_str(&text),
            _ => runs.push((counted, text)),
        }
        at = end;
    }
    let green = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let run = |(counted, text): (bool, String)| match (counted, green) {
        (false, _) => text,
        (true, true) => format!("\u{1b}[32m{text}\u{1b}[0m"),
        (true, false) => format!("⟦{text}⟧"),
    };
    Ok(runs.into_iter().map(run).collect())
}

//! A small AnyGPT in the public file formats, pulled and run as the public ones are, against what
//! the published Python program makes of the same files (tests/reference/miniature): every task
//! of its two command lines. The language models know most replies by heart, so that the published
//! program needs no grammar to write them; what they do not know (`…_unknown`, `wander_…`) is held to
//! agpt's grammar on both sides.
//!
//! Prompts and replies must be equal id by id, and so must the codes of all media. Pictures may
//! differ by one step of 255 in a channel; samples of sounds by 1e-4 of their own size or of the
//! root mean square, whichever is larger, and by the half step that a file of 16 bits rounds away.

mod support;

use std::collections::HashMap;
use std::path::PathBuf;

use agpt::base::{Medium, Role};
use agpt::bundle::{Bundle, PromptPart, Source, Turn};
use agpt::media::{RgbImage, Sound};
use candle_core::{Device, Tensor};
use serde::Deserialize;
use serde_json::Value as Json;
use support::{agpt, json, stderr};

const FIXTURE: &str = "tests/fixtures/miniature";
const PIXEL: u8 = 1;
const SAMPLE: f32 = 1e-4;
const HALF_STEP: f32 = 0.5 / 32768.0;

/// Start and end of a medium, and how its codes are written.
const SPANS: [(Medium, &str, &str, &str); 3] = [
    (Medium::Image, "<soim>", "<eoim>", "👀"),
    (Medium::Speech, "<sosp>", "<eosp>", "🗣️"),
    (Medium::Music, "<somu>", "<eomu>", "🎶"),
];

/// One task as the published program did it.
#[derive(Deserialize)]
struct Task {
    name: String,
    pipeline: String,
    /// The pipeline's flags; those that name an input file stand for its path.
    flags: HashMap<String, String>,
    turns: Vec<Said>,
    /// The second prompt as the program writes it from its own history.
    published_history: Option<String>,
}

/// A prompt, and the language model's reply to it.
#[derive(Deserialize)]
struct Said {
    prompt: String,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    /// The reply's words, if it has any.
    text: String,
    media: Vec<Made>,
}

#[derive(Deserialize)]
struct Made {
    medium: String,
    codes: Vec<u32>,
    tensor: String,
}

struct Bench {
    kind: &'static str,
    tasks: Vec<Task>,
    tensors: HashMap<String, Tensor>,
    model: PathBuf,
    bundle: Bundle,
    /// Keeps the pulled model.
    _folder: tempfile::TempDir,
}

/// The bundle of the published base or chat program, pulled from folders like its repositories.
fn bench(kind: &'static str) -> Bench {
    let folder = support::temp();
    let model = folder.path().join(kind);
    let bundle = format!("{FIXTURE}/{kind}");
    let hub = format!("{FIXTURE}/hub");
    let mut command = agpt(["models", "pull", &bundle, "--from", &hub, "--to"]);
    let output = command.arg(&model).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(format!("{FIXTURE}/expected.json")).unwrap();
    let mut expected: HashMap<String, Vec<Task>> = serde_json::from_str(&text).unwrap();
    let tensors = format!("{FIXTURE}/expected.safetensors");
    Bench {
        kind,
        tasks: expected.remove(kind).unwrap(),
        tensors: candle_core::safetensors::load(tensors, &Device::Cpu).unwrap(),
        bundle: Bundle::open(Source::Folder(model.clone())).unwrap(),
        model,
        _folder: folder,
    }
}

impl Bench {
    fn run(&self, pipeline: &str, flags: &HashMap<String, String>) -> (Json, tempfile::TempDir) {
        let out = support::temp();
        let file = format!("{FIXTURE}/{}.agpt", self.kind);
        let mut command = agpt(["run", &file, "--pipeline", pipeline, "--json", "--model"]);
        command.arg(&self.model).arg("--out").arg(out.path());
        for (flag, value) in flags {
            let value = match value.as_str() {
                "first" | "second" => format!("{FIXTURE}/media/{value}.png"),
                "said" | "voice" | "piece" => format!("{FIXTURE}/media/{value}.wav"),
                words => words.to_string(),
            };
            command.arg(format!("--{flag}")).arg(value);
        }
        (json(&command.output().unwrap()), out)
    }

    fn id(&self, token: &str) -> u32 {
        self.bundle.vocabulary().unwrap().added(token).unwrap()
    }

    /// What agpt writes of a reply: the program's ids without those that end it, and without the
    /// ids around a medium that is the whole reply, which agpt puts there itself.
    fn reply<'a>(&self, said: &'a Said, medium: &str) -> &'a [u32] {
        let ids = said.ids.strip_suffix(&[self.id("<eos>"), self.id("</s>")]).unwrap();
        match SPANS.iter().find(|(kind, ..)| kind.name() == medium) {
            None => ids,
            Some((_, start, end, _)) => {
                assert_eq!((ids[1], ids[ids.len() - 1]), (self.id(start), self.id(end)));
                &ids[2..ids.len() - 1]
            }
        }
    }

    fn check(&self, task: &Task) {
        let name = format!("{}: {}", self.kind, task.name);
        let (made, _out) = self.run(&task.pipeline, &task.flags);
        let generated = made["generated"].as_array().unwrap();
        assert_eq!(generated.len(), task.turns.len(), "{name}");
        for (turn, (ours, theirs)) in generated.iter().zip(&task.turns).enumerate() {
            let medium = ours["medium"].as_str().unwrap();
            let whole = !matches!(medium, "text" | "mixed");
            // Before a medium, agpt also writes the space and the start token into the prompt.
            let count = theirs.prompt_ids.len() + if whole { 2 } else { 0 };
            assert_eq!(ours["prompt_tokens"], count, "{name}: length of the prompt");
            if turn == 0 {
                let lead = if whole { format!(" [{medium}:") } else { String::new() };
                let prompt = format!("<s>{}{lead}", for_people(&theirs.prompt));
                assert_eq!(ours["prompt"], prompt.as_str(), "{name}");
            }
            let ids: Vec<u32> = serde_json::from_value(ours["ids"].clone()).unwrap();
            assert_eq!(ids, self.reply(theirs, medium), "{name}: the reply's ids");
            for made in &theirs.media {
                let vocabulary = self.bundle.vocabulary().unwrap();
                let codes = ids.iter().filter_map(|id| vocabulary.medium_of(*id));
                let codes = codes.filter(|(medium, _)| medium.name() == made.medium);
                let codes: Vec<u32> = codes.map(|(_, code)| code).collect();
                assert_eq!(codes, made.codes, "{name}: codes of {}", made.medium);
            }
        }
        let results = made["results"].as_object().unwrap().values();
        let results: Vec<&Json> = results.flat_map(parts).collect();
        let words: Vec<&str> = results.iter().filter_map(|part| said(part)).collect();
        let expected: Vec<&str> = task.turns.iter().map(|turn| turn.text.as_str()).collect();
        let spaced = |texts: Vec<&str>| {
            texts.iter().flat_map(|text| text.split_whitespace()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(spaced(words), spaced(expected), "{name}: the words");
        let files: Vec<&str> = results.iter().filter_map(|part| file(part)).collect();
        let media: Vec<&Made> = task.turns.iter().flat_map(|turn| &turn.media).collect();
        assert_eq!(files.len(), media.len(), "{name}: {results:?}");
        for made in media {
            // The program makes one medium of a kind.
            let extension = if made.medium == "image" { ".png" } else { ".wav" };
            let path = match files.as_slice() {
                [path] => path,
                // In a mixed reply the sounds are told apart by their rates.
                several => several
                    .iter()
                    .find(|path| path.ends_with(extension) && rate(path) == rate_of(&made.medium))
                    .unwrap(),
            };
            self.compare(&name, path, made);
        }
    }

    fn compare(&self, name: &str, path: &str, made: &Made) {
        let want = &self.tensors[&made.tensor];
        if made.medium == "image" {
            let image = RgbImage::load(path).unwrap();
            let (height, width, _) = want.dims3().unwrap();
            assert_eq!((image.width() as usize, image.height() as usize), (width, height));
            let want: Vec<u8> = want.flatten_all().unwrap().to_vec1().unwrap();
            let error = image.data().iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            println!("{name}: pictures differ by {error}");
            assert!(error <= PIXEL, "{name}: the picture differs by {error}");
            return;
        }
        let sound = Sound::load(path).unwrap();
        let want: Vec<f32> = want.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(sound.samples().len(), want.len(), "{name}");
        let mean_square = want.iter().map(|w| w * w).sum::<f32>() / want.len() as f32;
        let scale = mean_square.sqrt();
        let mut worst = 0f32;
        for (ours, theirs) in sound.samples().iter().zip(&want) {
            let error = ((ours - theirs).abs() - HALF_STEP).max(0.0) / theirs.abs().max(scale);
            assert!(error <= SAMPLE, "{name}: {ours} for {theirs}");
            worst = worst.max(error);
        }
        println!("{name}: {} differs by {worst:.1e} beyond a file's rounding", made.medium);
    }
}

/// A result, or the parts of a mixed one.
fn parts(result: &Json) -> Vec<&Json> {
    result.as_array().map_or_else(|| vec![result], |parts| parts.iter().collect())
}

fn only(part: &Json) -> Option<(&str, &str)> {
    match part {
        Json::Object(one) => {
            one.iter().next().and_then(|(kind, value)| Some((&**kind, value.as_str()?)))
        }
        other => {
            let text = other.as_str()?;
            let is_file = text.ends_with(".png") || text.ends_with(".wav");
            Some((if is_file { "file" } else { "text" }, text))
        }
    }
}

fn said(part: &Json) -> Option<&str> {
    only(part).filter(|(kind, _)| *kind == "text").map(|(_, text)| text)
}

fn file(part: &Json) -> Option<&str> {
    only(part).filter(|(kind, _)| *kind != "text").map(|(_, path)| path)
}

fn rate(path: &str) -> Option<u32> {
    path.ends_with(".wav").then(|| Sound::load(path).unwrap().rate())
}

fn rate_of(medium: &str) -> Option<u32> {
    match medium {
        "speech" => Some(16_000),
        "music" => Some(32_000),
        _ => None,
    }
}

/// The next medium in a text of the program: what is before it, its codes, and what is behind it.
fn next_span(text: &str) -> Option<(&str, Medium, Vec<u32>, &str)> {
    let first = SPANS.iter().filter_map(|span| Some((text.find(span.1)?, span)));
    let (at, (medium, start, end, prefix)) = first.min_by_key(|(at, _)| *at)?;
    let (codes, behind) = text[at + start.len()..].split_once(end)?;
    let codes = codes.split('<').skip(1).map(|code| {
        code.trim().strip_prefix(prefix).unwrap().strip_suffix('>').unwrap().parse().unwrap()
    });
    Some((&text[..at], *medium, codes.collect(), behind))
}

/// A prompt with `[image: 32 codes]` where a picture is.
fn for_people(mut text: &str) -> String {
    let mut out = String::new();
    while let Some((before, medium, codes, behind)) = next_span(text) {
        out += &format!("{before}[{medium}: {} codes]", codes.len());
        text = behind;
    }
    out + text
}

/// What a user says, as text and codes.
fn prompt_parts(mut text: &str) -> Vec<PromptPart> {
    let mut out = Vec::new();
    while let Some((before, medium, codes, behind)) = next_span(text) {
        out.extend([PromptPart::Text(before.to_string()), PromptPart::Tokens(medium, codes)]);
        text = behind;
    }
    out.push(PromptPart::Text(text.to_string()));
    out
}

#[test]
fn the_base_program_s_tasks_give_what_the_published_program_gives() {
    let bench = bench("base");
    assert_eq!(bench.tasks.len(), 7 + 5);
    bench.tasks.iter().for_each(|task| bench.check(task));
}

#[test]
fn the_chat_program_s_tasks_give_what_the_published_program_gives() {
    let bench = bench("chat");
    assert_eq!(bench.tasks.len(), 20 + 3);
    bench.tasks.iter().for_each(|task| bench.check(task));
}

/// The same codes as SEED's, SpeechTokenizer's and EnCodec's own classes give.
#[test]
fn inputs_become_the_codes_of_the_published_tokenizers() {
    let names = ["first", "second", "said", "voice", "piece"];
    let flags = names.map(|name| (name.to_string(), name.to_string())).into();
    let (base, chat) = (bench("base"), bench("chat"));
    let (made, _out) = base.run("encoded", &flags);
    let mut compared = 0;
    for turn in base.tasks.iter().chain(&chat.tasks).flat_map(|task| &task.turns) {
        let user = turn.prompt.rsplit("[Human]: ").next().unwrap();
        let mut rest = user;
        while let Some((_, medium, codes, behind)) = next_span(rest) {
            let is_it = |name| {
                let ours: Vec<u32> = serde_json::from_value(made["results"][name].clone()).unwrap();
                ours == codes
            };
            assert!(names.into_iter().any(is_it), "{medium} {codes:?}: {made}");
            compared += 1;
            rest = behind;
        }
    }
    assert!(compared >= 19, "{compared}");
}

/// The prompts as ids, built of the same turns as the pipelines have.
#[test]
fn prompts_have_the_ids_of_the_published_program() {
    for bench in [bench("base"), bench("chat")] {
        let builder = bench.bundle.prompt_builder().unwrap();
        let tokenizer = bench.bundle.text_tokenizer().unwrap();
        for task in &bench.tasks {
            let mut turns = Vec::new();
            for said in &task.turns {
                let user = said.prompt.rsplit("[Human]: ").next().unwrap();
                let (user, _) = user.split_once("<eoh>").unwrap();
                turns.push(Turn { role: Role::User, parts: prompt_parts(user) });
                let built = builder.build(&turns, Medium::Text).unwrap();
                let name = format!("{}: {}", bench.kind, task.name);
                assert_eq!(built.ids, said.prompt_ids, "{name}");
                // The same as one string, split at the tokens as transformers does.
                let string = tokenizer.encode_format(&said.prompt).unwrap();
                assert_eq!(string, said.prompt_ids[1..], "{name}");
                // A medium that was made is its codes again; words are their own ids.
                let reply = match said.media.as_slice() {
                    [made] if said.text.is_empty() => {
                        let span = SPANS.iter().find(|span| span.0.name() == made.medium);
                        PromptPart::Tokens(span.unwrap().0, made.codes.clone())
                    }
                    _ => PromptPart::Ids(bench.reply(said, "text").to_vec()),
                };
                turns.push(Turn { role: Role::Assistant, parts: vec![reply] });
            }
        }
    }
}

/// The program's second prompt is not what the model was trained on: the reply stands there with
/// its colon twice and a space between all codes.
#[test]
fn the_published_history_is_another_prompt() {
    let chat = bench("chat");
    let tokenizer = chat.bundle.text_tokenizer().unwrap();
    let mut seen = 0;
    for task in &chat.tasks {
        let Some(published) = &task.published_history else { continue };
        let trained = &task.turns[1];
        assert!(published.contains("[MMGPT]: : "), "{published}");
        let ids = tokenizer.encode_format(published).unwrap();
        let spaces = task.turns[0].media.iter().map(|made| made.codes.len() + 1).sum::<usize>();
        assert!(ids.len() > trained.prompt_ids.len() - 1 + spaces, "{}", task.name);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

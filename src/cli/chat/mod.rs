//! `agpt chat`: a conversation at the terminal, with files as attachments and media as replies.

mod commands;
mod saved;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::base::{Medium, Reply, Sources};
use crate::runtime::conversation::{Conversation, Said};
use crate::runtime::engine::Engine;
use crate::runtime::error::{Failure, RunError};
use crate::runtime::read;
use crate::runtime::value::Value;

use super::machine::Machine;
use super::output::{Outputs, SoundFormat, stdout};
use super::progress::Progress;
use super::{Exit, source};
use commands::{Command, HELP};
use saved::{Part, Record};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: Machine,
    /// What replies are: mixed, text, image, speech or music; `:reply` changes it
    #[arg(long, default_value = "mixed", value_parser = commands::reply)]
    reply: Reply,
    /// What the system says first, in models that know a system turn
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Folder for the media of replies
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Format of speech and music
    #[arg(long, value_enum, default_value_t = SoundFormat::Wav)]
    sound: SoundFormat,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Exit {
    args.machine.limit_threads();
    let engine = match args.machine.engine() {
        Ok(engine) => engine,
        Err(error) => return failed(&error),
    };
    let mut lines = match Lines::open() {
        Ok(lines) => lines,
        Err(error) => {
            source::complain(&format!("the terminal cannot be used: {error}"), None);
            return Exit::Failed;
        }
    };
    if lines.interactive() {
        stdout(&format!("{}. `:help` lists what can be typed.\n", engine.model()));
    }
    let mut chat = Chat::new(args, engine);
    loop {
        let prompt = match chat.pending.len() {
            0 => "> ".to_string(),
            1 => "[1 file] > ".to_string(),
            count => format!("[{count} files] > "),
        };
        match lines.next(&prompt) {
            Ok(Some(line)) => match commands::parse(&line) {
                Ok(Command::Quit) => return chat.exit,
                Ok(command) => chat.obey(command),
                Err(what) => chat.complain(&what),
            },
            Ok(None) => return chat.exit,
            Err(error) => {
                source::complain(&format!("the input cannot be read: {error}"), None);
                return Exit::Failed;
            }
        }
    }
}

fn failed(error: &RunError) -> Exit {
    source::show(&[error.diagnostic()], &Sources::default());
    Exit::Failed
}

struct Chat<'a> {
    args: &'a Args,
    engine: Engine,
    conversation: Conversation,
    reply: Reply,
    /// Attached, not yet sent.
    pending: Vec<(Part, Said)>,
    /// What was said, for `:save`.
    records: Vec<Record>,
    exit: Exit,
}

impl<'a> Chat<'a> {
    fn new(args: &'a Args, engine: Engine) -> Self {
        Chat {
            conversation: Conversation::new(args.machine.seed, args.system.as_deref()),
            reply: args.reply,
            args,
            engine,
            pending: Vec::new(),
            records: Vec::new(),
            exit: Exit::Success,
        }
    }

    /// A mistake that leaves the conversation as it is; a script sees it in the exit code.
    fn complain(&mut self, what: &str) {
        source::complain(what, None);
        self.exit = Exit::Failed;
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Say(text) => self.say(&text),
            Command::Attach(medium, path) => self.attach(medium, path),
            Command::Reply(reply) => self.reply = reply,
            Command::Reset => {
                self.conversation =
                    Conversation::new(self.args.machine.seed, self.args.system.as_deref());
                self.records.clear();
                self.pending.clear();
                stdout("(a new conversation)\n");
            }
            Command::Save(path) => match saved::write(&path, &self.records, self.args) {
                Ok(()) => {
                    stdout(&format!("saved as {}\n", path.display()));
                }
                Err(what) => self.complain(&what),
            },
            Command::Help => {
                stdout(HELP);
            }
            Command::Nothing if self.pending.is_empty() => {}
            Command::Nothing => self.say(""),
            Command::Quit => {}
        }
    }

    fn attach(&mut self, medium: Option<Medium>, path: PathBuf) {
        let read = match medium {
            Some(medium) => read::medium(&path, medium),
            None => read::guessed(&path),
        };
        match read {
            Ok(Value::Media(made)) => {
                let medium = made.medium();
                self.pending.push((Part::File(medium, path.clone()), Said::Media(made)));
            }
            Ok(_) => self.complain("only images, speech and music can be attached"),
            Err(failure) => self.fail(&failure.into()),
        }
    }

    fn fail(&mut self, error: &RunError) {
        self.exit = failed(error);
    }

    fn say(&mut self, text: &str) {
        let mut parts = std::mem::take(&mut self.pending);
        if !text.is_empty() {
            // Media stand in front of the words, each followed by a space, as in the published prompts.
            let space = if parts.is_empty() { "" } else { " " };
            let words = format!("{space}{text}");
            parts.push((Part::Text(words.clone()), Said::Text(words)));
        }
        let said: Vec<Said> = parts.iter().map(|(_, said)| said.clone()).collect();
        let mut progress = Progress::new(self.args.quiet, false);
        // Ctrl-C ends the reply during which it is pressed.
        progress.reset();
        let answered = self.conversation.say(&mut self.engine, &said, self.reply, &mut progress);
        progress.done();
        match answered {
            Ok(value) => {
                let parts = parts.into_iter().map(|(part, _)| part).collect();
                self.records.push(Record { parts, reply: self.reply });
                // The turn has happened, also where its media cannot be written.
                if let Err(failure) = self.show(&value, &progress) {
                    self.fail(&failure.into());
                }
            }
            Err(failure) => {
                // What was attached is not lost with a turn that failed.
                parts.retain(|(part, _)| matches!(part, Part::File(..)));
                self.pending = parts;
                match failure {
                    Failure::Cancelled => {
                        stdout("(stopped)\n");
                    }
                    failure => self.fail(&failure.into()),
                }
            }
        }
    }

    /// Prints a reply; its media become files in the folder.
    fn show(&self, value: &Value, progress: &Progress) -> Result<(), Failure> {
        let recipe = serde_json::json!({
            "agpt": env!("CARGO_PKG_VERSION"),
            "model": self.engine.model(),
            "seed": self.args.machine.seed,
            "chat": progress.generated,
        });
        let mut outputs = Outputs {
            out: Some(self.args.out.clone()),
            sound: self.args.sound,
            pipeline: "reply".to_string(),
            single: true,
            recipe,
            json: None,
        };
        outputs.take("reply", value)
    }
}

/// The user's lines: edited and remembered at a terminal, plain from elsewhere.
enum Lines {
    Terminal(Box<DefaultEditor>),
    Plain(std::io::Lines<std::io::StdinLock<'static>>),
}

impl Lines {
    fn open() -> Result<Self, ReadlineError> {
        if std::io::stdin().is_terminal() {
            Ok(Lines::Terminal(Box::new(DefaultEditor::new()?)))
        } else {
            Ok(Lines::Plain(std::io::stdin().lock().lines()))
        }
    }

    fn interactive(&self) -> bool {
        matches!(self, Lines::Terminal(_))
    }

    fn next(&mut self, prompt: &str) -> Result<Option<String>, String> {
        match self {
            Lines::Terminal(editor) => match editor.readline(prompt) {
                Ok(line) => {
                    let _ = editor.add_history_entry(&line);
                    Ok(Some(line))
                }
                // Ctrl-C clears the line, Ctrl-D ends.
                Err(ReadlineError::Interrupted) => Ok(Some(String::new())),
                Err(ReadlineError::Eof) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            Lines::Plain(lines) => lines.next().transpose().map_err(|error| error.to_string()),
        }
    }
}

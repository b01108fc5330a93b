//! What can be typed in a conversation.

use std::path::PathBuf;

use crate::base::{Medium, Reply};
use crate::lang::words::nearest;

pub const HELP: &str = "\
Type what you want to say. A line that begins with `:` is a command:
  :add FILE       attach a picture, or sound as speech; it goes with the next line
  :image FILE, :speech FILE, :music FILE
                  attach a file as what it is
  :reply KIND     what replies are from here on: mixed, text, image, speech or music
  :reset          begin a new conversation
  :save FILE      write the conversation as an .agpt file that repeats it
  :help           this list
  :quit           end (as Ctrl-D does)
An empty line sends what is attached without words. Two colons in front say one.
";

#[derive(Debug, PartialEq)]
pub enum Command {
    Say(String),
    /// The medium, where it was named.
    Attach(Option<Medium>, PathBuf),
    Reply(Reply),
    Reset,
    Save(PathBuf),
    Help,
    Quit,
    /// An empty line.
    Nothing,
}

const NAMES: [&str; 9] =
    ["add", "image", "speech", "music", "reply", "reset", "save", "help", "quit"];

/// Reads a kind of reply; also the parser of `--reply`.
pub fn reply(text: &str) -> Result<Reply, String> {
    match Medium::from_name(text) {
        Some(medium) => Ok(Reply::Only(medium)),
        None if text == "mixed" => Ok(Reply::Mixed),
        None => Err(format!("`{text}` is no kind of reply: mixed, text, image, speech or music")),
    }
}

pub fn parse(line: &str) -> Result<Command, String> {
    let line = line.trim();
    let Some(command) = line.strip_prefix(':') else {
        return Ok(if line.is_empty() { Command::Nothing } else { Command::Say(line.into()) });
    };
    if command.starts_with(':') {
        return Ok(Command::Say(command.into()));
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let path = || match rest {
        "" => Err(format!("`:{name}` needs a file: `:{name} FILE`")),
        // A path that was dragged into the terminal may be quoted.
        path => Ok(PathBuf::from(path.trim_matches(['\'', '"']))),
    };
    let alone = |command: Command| match rest {
        "" => Ok(command),
        _ => Err(format!("`:{name}` stands alone on its line")),
    };
    match name {
        "add" => Ok(Command::Attach(None, path()?)),
        "image" | "speech" | "music" => Ok(Command::Attach(Medium::from_name(name), path()?)),
        "reply" => reply(rest).map(Command::Reply),
        "save" => Ok(Command::Save(path()?)),
        "reset" => alone(Command::Reset),
        "help" => alone(Command::Help),
        "quit" => alone(Command::Quit),
        _ => Err(match nearest(name, NAMES) {
            Some(near) => format!("there is no command `:{name}`; did you mean `:{near}`?"),
            None => format!("there is no command `:{name}`; `:help` lists them"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_or_commands() {
        assert_eq!(parse("  hello: you "), Ok(Command::Say("hello: you".into())));
        assert_eq!(parse("::) hi"), Ok(Command::Say(":) hi".into())));
        assert_eq!(parse(""), Ok(Command::Nothing));
        assert_eq!(parse(":add 'my cat.png'"), Ok(Command::Attach(None, "my cat.png".into())));
        assert_eq!(parse(":music a.wav"), Ok(Command::Attach(Some(Medium::Music), "a.wav".into())));
        assert_eq!(parse(":reply mixed"), Ok(Command::Reply(Reply::Mixed)));
        assert!(parse(":reply video").unwrap_err().contains("no kind of reply"));
        assert!(parse(":quitt").unwrap_err().contains("did you mean `:quit`"));
        assert!(parse(":save").unwrap_err().contains("needs a file"));
        assert!(parse(":reset now").unwrap_err().contains("stands alone"));
    }
}

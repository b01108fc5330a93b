//! What stands around the cursor. Read from the text up to there and not from the syntax tree:
//! while something is being typed, its declaration can rarely be parsed.

use crate::base::Medium;
use crate::lang::settings::Stage;

/// What may be written at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing that we know: inside of a text or a comment.
    Nothing,
    /// The path of a module after `use`: what stands of it.
    Path(String),
    /// A name that the module with this path publishes.
    Published(String),
    /// A metric after `measure`.
    Metric,
    /// `name.` was written.
    Member(String),
    /// `semantic` or `perceptual`.
    Stage,
    /// A setting of a stage; of any medium where it is not known which.
    Setting(Stage, Option<Medium>),
    /// A word that begins a declaration.
    Declaration,
    /// A value, a type or a word of the language; these local names are in scope.
    Name(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// The file itself.
    Top,
    /// `(`, `[`, or a `{` without a meaning of its own
    Plain,
    /// `"`
    Line,
    /// `"""`
    Triple,
    /// The `{` after `generate T from …`
    Stages(Option<Medium>),
    /// The `{` after `semantic:` and `perceptual:`, and after `decode …`
    Settings(Stage, Option<Medium>),
}

/// A bracket that is open, with what stands in it so far.
struct Frame {
    open: Open,
    /// How many names were in scope before it.
    names: usize,
    /// The last words of the line, and the last sign.
    before: Vec<Token>,
    /// A `generate` or `decode` that a `{` may belong to.
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pending {
    Generate(Option<Medium>),
    Decode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(known) if known == word)
    }
}

/// Reads `text`, which ends at the cursor.
pub fn wanted(text: &str) -> Wanted {
    let import = import(text);
    // The word under the cursor is what is wanted, not what it stands after.
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let text = text.trim_end_matches(word);
    let mut reader = Reader { frames: vec![Frame::new(Open::Top, 0)], names: Vec::new() };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match reader.top().open {
            Open::Line | Open::Triple => reader.in_text(rest, first),
            _ if rest.starts_with("//") => match rest.find('\n') {
                Some(end) => end,
                None => return Wanted::Nothing,
            },
            _ if word(first) => {
                let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
                reader.word(&rest[..end]);
                end
            }
            _ => reader.sign(rest, first),
        };
        rest = rest.get(taken.max(first.len_utf8())..).unwrap_or("");
    }
    match (import, reader.frames.as_slice()) {
        (Some(import @ Wanted::Path(_)), [_]) => import,
        (Some(import), [_, names]) if names.open == Open::Plain => import,
        _ => reader.answer(),
    }
}

/// What is wanted in a `use` that is not yet complete, if the last one is not.
fn import(text: &str) -> Option<Wanted> {
    let mut starts = text.rmatch_indices("use ").map(|(at, word)| (at, at + word.len()));
    let (_, path) = starts.find(|(at, _)| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        line.is_empty() || line == "pub "
    })?;
    let rest = text[path..].trim_start_matches(' ');
    let Some((path, names)) = rest.split_once('{') else {
        let open = !rest.contains(char::is_whitespace);
        return open.then(|| Wanted::Path(rest.to_string()));
    };
    if names.contains('}') || path.trim().contains(char::is_whitespace) {
        return None;
    }
    // Behind `as` stands a name that nobody knows yet.
    let last = names.rsplit(',').next().unwrap_or_default();
    let renamed = last.split_whitespace().any(|word| word == "as");
    Some(if renamed { Wanted::Nothing } else { Wanted::Published(path.trim().to_string()) })
}

impl Frame {
    fn new(open: Open, names: usize) -> Frame {
        Frame { open, names, before: Vec::new(), pending: None }
    }
}

struct Reader {
    /// Never empty: the first is the file.
    frames: Vec<Frame>,
    names: Vec<String>,
}

impl Reader {
    fn top(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Open::Top, 0));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn push(&mut self, open: Open) {
        let names = self.names.len();
        self.frames.push(Frame::new(open, names));
    }

    fn pop(&mut self) {
        if self.frames.len() > 1
            && let Some(closed) = self.frames.pop()
        {
            // A header's parameters are in scope until the next declaration.
            if self.frames.len() > 1 {
                self.names.truncate(closed.names);
            }
        }
    }

    fn in_text(&mut self, rest: &str, first: char) -> usize {
        let triple = self.top().open == Open::Triple;
        match first {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '{' => {
                self.push(Open::Plain);
                1
            }
            '"' if !triple => {
                self.pop();
                1
            }
            '"' if rest.starts_with("\"\"\"") => {
                self.pop();
                3
            }
            // A text of one line ends with it, closed or not.
            '\n' if !triple => {
                self.pop();
                1
            }
            other => other.len_utf8(),
        }
    }

    fn word(&mut self, word: &str) {
        let declares =
            ["use", "const", "type", "template", "pipeline", "test", "evaluation"].contains(&word);
        let at_start = self.top().before.iter().all(|token| token.is("pub"));
        // A declaration at the start of a line ends whatever was left open above it.
        if declares && at_start && matches!(self.top().open, Open::Top) {
            self.names.clear();
        }
        let frame = self.top();
        let last = frame.before.last();
        let declared = last.is_some_and(|last| last.is("let") || last.is("for"));
        match word {
            "generate" => frame.pending = Some(Pending::Generate(None)),
            "decode" => frame.pending = Some(Pending::Decode),
            _ => {
                if let (Some(Pending::Generate(None)), Some(medium)) =
                    (frame.pending, Medium::from_name(word))
                    && !frame
                        .before
                        .iter()
                        .rev()
                        .take_while(|t| !t.is("generate"))
                        .any(|t| t.is("from"))
                {
                    frame.pending = Some(Pending::Generate(Some(medium)));
                }
            }
        }
        frame.before.push(Token::Word(word.to_string()));
        if declared {
            self.names.push(word.to_string());
        }
    }

    fn sign(&mut self, rest: &str, first: char) -> usize {
        match first {
            '"' if rest.starts_with("\"\"\"") => {
                self.push(Open::Triple);
                return 3;
            }
            '"' => self.push(Open::Line),
            '{' => {
                let open = self.opened();
                self.push(open);
            }
            '(' | '[' => self.push(Open::Plain),
            '}' | ')' | ']' => {
                self.pop();
                self.top().before.push(Token::Sign(first));
            }
            ':' => {
                self.parameter();
                self.top().before.push(Token::Sign(first));
            }
            '\n' => {
                let frame = self.top();
                let goes_on = frame.before.last().is_some_and(|last| last.is("from"));
                if !goes_on {
                    frame.before.clear();
                    frame.pending = None;
                }
            }
            c if c.is_whitespace() => {}
            other => self.top().before.push(Token::Sign(other)),
        }
        first.len_utf8()
    }

    /// `name:` in the parentheses of a template's or pipeline's head.
    fn parameter(&mut self) {
        let [.., head, frame] = self.frames.as_slice() else { return };
        let declares = |token: &Token| token.is("template") || token.is("pipeline");
        let in_head = head.open == Open::Top && head.before.iter().any(declares);
        let name = match frame.before.as_slice() {
            [Token::Word(name)] | [.., Token::Sign(','), Token::Word(name)] => name.clone(),
            _ => return,
        };
        // Behind the head's parentheses, a brace holds the body.
        if in_head && frame.open == Open::Plain {
            self.names.push(name);
        }
    }

    /// What a `{` opens.
    fn opened(&mut self) -> Open {
        let frame = self.top();
        let label = match frame.before.as_slice() {
            [.., Token::Word(label), Token::Sign(':')] => Some(label.clone()),
            _ => None,
        };
        match (frame.open, label, frame.pending) {
            (Open::Stages(medium), Some(label), _) => {
                match Stage::ALL.into_iter().find(|stage| stage.name() == label) {
                    Some(stage) => Open::Settings(stage, medium),
                    None => Open::Plain,
                }
            }
            // `image: { … }` in the settings of a mixed reply.
            (Open::Settings(stage, _), Some(label), _) if Medium::from_name(&label).is_some() => {
                Open::Settings(stage, Medium::from_name(&label))
            }
            (_, None, Some(Pending::Generate(medium))) => {
                frame.pending = None;
                Open::Stages(medium)
            }
            (_, None, Some(Pending::Decode)) => {
                frame.pending = None;
                Open::Settings(Stage::Perceptual, None)
            }
            _ => Open::Plain,
        }
    }

    fn answer(mut self) -> Wanted {
        let names = self.names.clone();
        let deep = self.frames.len() > 1;
        let frame = self.top();
        let fresh = matches!(frame.before.last(), None | Some(Token::Sign(',')));
        match frame.open {
            Open::Line | Open::Triple => Wanted::Nothing,
            Open::Plain if matches!(frame.before.as_slice(), [word] if word.is("measure")) => {
                Wanted::Metric
            }
            _ if frame.before.last() == Some(&Token::Sign('.')) => match frame.before.as_slice() {
                [.., Token::Word(name), Token::Sign('.')] => Wanted::Member(name.clone()),
                _ => Wanted::Nothing,
            },
            Open::Stages(_) if fresh => Wanted::Stage,
            Open::Settings(stage, medium) if fresh => Wanted::Setting(stage, medium),
            Open::Top if !deep && frame.before.iter().all(|token| token.is("pub")) => {
                Wanted::Declaration
            }
            _ => Wanted::Name(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        match wanted(text) {
            Wanted::Name(names) => names,
            other => panic!("{other:?}"),
        }
    }

    const HEAD: &str = "pipeline p(\n  /// It.\n  photo: image,\n  n: int = 3,\n) -> text {\n";

    #[test]
    fn settings_know_their_stage_and_medium() {
        let semantic = |medium| Wanted::Setting(Stage::Semantic, Some(medium));
        let text = format!("{HEAD}  let a = generate text from t(photo) {{ semantic: {{ te");
        assert_eq!(wanted(&text), semantic(Medium::Text));
        assert_eq!(wanted(&format!("{text}mperature: 1, ")), semantic(Medium::Text));
        assert_eq!(
            wanted(&format!("{text}mperature: ")),
            Wanted::Name(["photo", "n", "a"].map(String::from).to_vec())
        );
        let text = format!("{HEAD}  return generate tokens<image> from\n    photo {{\n");
        assert_eq!(wanted(&text), Wanted::Stage);
        assert_eq!(wanted(&format!("{text}    semantic: {{\n")), semantic(Medium::Image));
        let text = format!("{HEAD}  return generate mixed from x {{ perceptual: {{ image: {{ ");
        assert_eq!(wanted(&text), Wanted::Setting(Stage::Perceptual, Some(Medium::Image)));
        let text = format!("{HEAD}  return decode t {{ ");
        assert_eq!(wanted(&text), Wanted::Setting(Stage::Perceptual, None));
        // A line without braces leaves nothing to the next line's.
        let text = format!("{HEAD}  let a = generate text from photo\n  let b = {{ ");
        assert!(matches!(wanted(&text), Wanted::Name(_)));
    }

    #[test]
    fn local_names_end_with_their_bracket_and_their_declaration() {
        assert_eq!(names(&format!("{HEAD}  let a = ")), ["photo", "n", "a"]);
        let text = format!("{HEAD}  let a = if x {{ let b = 1\n");
        assert_eq!(names(&text), ["photo", "n", "a", "b"]);
        assert_eq!(names(&format!("{text} b }} else {{ ")), ["photo", "n", "a"]);
        let text = format!("{HEAD}  return x\n}}\n\npipeline q(z: text) -> text {{\n  ");
        assert_eq!(names(&text), ["z"]);
        assert_eq!(names(&format!("{HEAD}  let s = \"{{ph")), ["photo", "n", "s"]);
    }

    #[test]
    fn texts_and_comments_want_nothing() {
        for end in ["\"photo ", "\"a {n} b", "// ph", "\"\"\"a\n\"b\" ", "\"\\\""] {
            assert_eq!(wanted(&format!("{HEAD}  let a = {end}")), Wanted::Nothing, "{end}");
        }
    }

    #[test]
    fn members_and_declarations() {
        assert_eq!(wanted(&format!("{HEAD}  return tasks.ca")), Wanted::Member("tasks".into()));
        assert_eq!(wanted("use std/tasks\n\npu"), Wanted::Declaration);
        assert_eq!(wanted("pub "), Wanted::Declaration);
        assert_eq!(wanted(""), Wanted::Declaration);
    }

    #[test]
    fn imports_want_paths_and_what_is_published() {
        let path = |text: &str| Wanted::Path(text.to_string());
        let published = |path: &str| Wanted::Published(path.to_string());
        assert_eq!(wanted("use "), path(""));
        assert_eq!(wanted("use std/tasks\npub use ../a/wo"), path("../a/wo"));
        assert_eq!(wanted("use std/tasks { ca"), published("std/tasks"));
        assert_eq!(wanted("use ./a {\n  one,\n  tw"), published("./a"));
        assert_eq!(wanted("use ./a { one as tw"), Wanted::Nothing);
        assert_eq!(wanted("use ./a { one }\n"), Wanted::Declaration);
        assert_eq!(wanted("use std/tasks\n"), Wanted::Declaration);
        // Neither in a text nor in a comment.
        assert_eq!(wanted("const A = \"\"\"\nuse st"), Wanted::Nothing);
        assert_eq!(wanted("// use st"), Wanted::Nothing);
    }

    #[test]
    fn a_metric_is_wanted_after_measure() {
        let head = "evaluation e(a: image) with { data: \"x\" } {\n  measure ";
        assert_eq!(wanted(head), Wanted::Metric);
        assert_eq!(wanted(&format!("{head}wer(a, b)\n  measure exa")), Wanted::Metric);
        assert!(matches!(wanted(&format!("{head}wer(")), Wanted::Name(_)));
    }

    #[test]
    fn any_beginning_of_any_text_is_read() {
        let text = "}}}])\"\"\"\\ä{\"😀{[(}\n\"\\";
        for (end, _) in text.char_indices() {
            wanted(&text[..end]);
        }
        assert_eq!(wanted("}}"), Wanted::Name(Vec::new()));
    }
}

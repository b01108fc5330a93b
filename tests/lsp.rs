//! `agpt lsp` as an editor speaks to it: framed messages over standard input and output.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use support::temp;

struct Editor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: i64,
}

impl Editor {
    fn start() -> Editor {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("agpt"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Editor { child, input, output, next: 0 }
    }

    fn in_folder(folder: &Path) -> Editor {
        let mut editor = Editor::start();
        let answer = editor.ask(
            "initialize",
            json!({ "capabilities": {}, "workspaceFolders": [{ "uri": uri(folder), "name": "w" }] }),
        );
        assert_eq!(answer["result"]["capabilities"]["hoverProvider"], true, "{answer}");
        editor.tell("initialized", json!({}));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The answer to a request; what is told in between is passed over.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server is gone");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut text = vec![0; length];
        self.output.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn open(&mut self, path: &Path, text: &str) -> Vec<Value> {
        let document =
            json!({ "uri": uri(path), "languageId": "agpt", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        self.diagnostics(path)
    }

    fn change(&mut self, path: &Path, text: &str) {
        let document = json!({ "uri": uri(path), "version": 2 });
        let params = json!({ "textDocument": document, "contentChanges": [{ "text": text }] });
        self.tell("textDocument/didChange", params);
    }

    /// The diagnostics that come next, which must be those of the file.
    fn diagnostics(&mut self, path: &Path) -> Vec<Value> {
        let message = self.receive();
        assert_eq!(message["method"], "textDocument/publishDiagnostics", "{message}");
        assert_eq!(message["params"]["uri"], uri(path), "{message}");
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    fn end(mut self) {
        assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
        let late = self.ask("textDocument/hover", json!({}));
        assert_eq!(late["error"]["code"], -32600, "{late}");
        self.tell("exit", Value::Null);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Line and UTF-16 unit of the `skip`th place where `word` stands.
fn at(path: &Path, text: &str, word: &str, skip: usize) -> Value {
    let (offset, _) = text.match_indices(word).nth(skip).unwrap();
    let before = &text[..offset];
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let character = before[start..].encode_utf16().count();
    json!({
        "textDocument": { "uri": uri(path) },
        "position": { "line": line, "character": character },
    })
}

fn with(mut params: Value, key: &str, value: Value) -> Value {
    params[key] = value;
    params
}

const WORDS: &str = "/// A greeting.\npub template hello(name: text) -> text {\n  \
                     user { \"Hello {name}\" }\n}\n";
const MAIN: &str = "use ./words\nuse std/tasks\n\npipeline p(who: text, voice: speech? = none) \
                    -> speech {\n  let said = generate text from words.hello(name: who) {\n    \
                    semantic: { temperature: 0.5 }\n  }\n  \
                    return generate speech from tasks.speak(said) { perceptual: { voice } }\n}\n";

#[test]
fn a_mistake_is_shown_until_it_is_corrected() {
    let folder = temp();
    let file = folder.path().join("a.agpt");
    let mut editor = Editor::in_folder(folder.path());
    let shown = editor.open(&file, "pipeline p(x: text) -> text {\n  return \"😀{y}{x}\"\n}\n");
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0]["code"], "E0201");
    // The emoji is two units: seven of `return `, two spaces, the quote, the brace.
    assert_eq!(shown[0]["range"]["start"], json!({ "line": 1, "character": 13 }));
    editor.change(&file, "pipeline p(x: text) -> text {\n  return \"😀{x}\"\n}\n");
    assert_eq!(editor.diagnostics(&file), Vec::<Value>::new());
    editor.end();
}

#[test]
fn names_are_explained_found_and_changed_across_files() {
    let folder = temp();
    let (main, words) = (folder.path().join("main.agpt"), folder.path().join("words.agpt"));
    fs::write(&words, WORDS).unwrap();
    let mut editor = Editor::in_folder(folder.path());
    assert_eq!(editor.open(&main, MAIN), Vec::<Value>::new());

    let hover = editor.ask("textDocument/hover", at(&main, MAIN, "said", 1));
    let shown = hover["result"]["contents"]["value"].as_str().unwrap();
    assert!(shown.contains("let said: text"), "{shown}");
    let hover = editor.ask("textDocument/hover", at(&main, MAIN, "hello", 0));
    let shown = hover["result"]["contents"]["value"].as_str().unwrap();
    assert!(shown.contains("template hello(name: text) -> text"), "{shown}");
    assert!(shown.contains("A greeting."), "{shown}");

    let found = editor.ask("textDocument/definition", at(&main, MAIN, "hello", 0));
    assert_eq!(found["result"]["uri"], uri(&words));
    assert_eq!(found["result"]["range"]["start"], json!({ "line": 1, "character": 13 }));
    let inside = editor.ask("textDocument/definition", at(&main, MAIN, "speak(", 0));
    assert_eq!(inside["result"], Value::Null);

    let context = json!({ "includeDeclaration": true });
    let params = with(at(&main, MAIN, "hello", 0), "context", context);
    let found = editor.ask("textDocument/references", params);
    assert_eq!(found["result"].as_array().unwrap().len(), 2, "{found}");

    let params = with(at(&main, MAIN, "hello", 0), "newName", json!("greet"));
    let changed = editor.ask("textDocument/rename", params);
    let changes = changed["result"]["changes"].as_object().unwrap();
    assert_eq!(changes.len(), 2, "{changed}");
    assert_eq!(changes[&uri(&words)][0]["newText"], "greet");
    // A setting that is written short keeps its name.
    let params = with(at(&main, MAIN, "voice", 0), "newName", json!("speaker"));
    let changed = editor.ask("textDocument/rename", params);
    let texts: Vec<&str> = changed["result"]["changes"][uri(&main)]
        .as_array()
        .unwrap()
        .iter()
        .map(|edit| edit["newText"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["speaker", "voice: speaker"]);
    for (word, name) in [("speak(", "say"), ("said", "let"), ("said", "1x"), ("words", "w")] {
        let params = with(at(&main, MAIN, word, 0), "newName", json!(name));
        let refused = editor.ask("textDocument/rename", params);
        assert!(refused["error"]["message"].is_string(), "{word} {name}: {refused}");
    }
    let prepared = editor.ask("textDocument/prepareRename", at(&main, MAIN, "said", 0));
    assert_eq!(prepared["result"]["placeholder"], "said");

    let params = json!({ "textDocument": { "uri": uri(&main) } });
    let symbols = editor.ask("textDocument/documentSymbol", params);
    assert_eq!(symbols["result"][0]["name"], "p");
    assert_eq!(symbols["result"][0]["children"].as_array().unwrap().len(), 3, "{symbols}");

    // What is open counts before what is on the disk.
    let document = json!({ "uri": uri(&words), "languageId": "agpt", "version": 1, "text": "" });
    editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
    let shown = editor.diagnostics(&main);
    assert_eq!(shown[0]["code"], "E0207", "{shown:?}");
    assert_eq!(editor.diagnostics(&words), Vec::<Value>::new());
    editor.end();
}

#[test]
fn what_could_be_written_is_offered() {
    let folder = temp();
    let main = folder.path().join("main.agpt");
    fs::write(folder.path().join("words.agpt"), WORDS).unwrap();
    let mut editor = Editor::in_folder(folder.path());
    editor.open(&main, MAIN);
    let mut labels = |word: &str| -> Vec<String> {
        let answer = editor.ask("textDocument/completion", at(&main, MAIN, word, 0));
        let items = answer["result"].as_array().unwrap().iter();
        items.map(|item| item["label"].as_str().unwrap().to_string()).collect()
    };
    let settings = labels("temperature");
    assert!(settings.contains(&"temperature".to_string()), "{settings:?}");
    assert!(!settings.contains(&"voice".to_string()), "{settings:?}");
    assert_eq!(labels("hello"), ["hello"]);
    let names = labels("said)");
    for name in ["who", "voice", "said", "words", "p", "length", "generate"] {
        assert!(names.contains(&name.to_string()), "{name}: {names:?}");
    }
    editor.end();
}

/// The position at the end of a text.
fn end(path: &Path, text: &str) -> Value {
    let line = text.matches('\n').count();
    let last = text.rsplit('\n').next().unwrap();
    json!({
        "textDocument": { "uri": uri(path) },
        "position": { "line": line, "character": last.encode_utf16().count() },
    })
}

#[test]
fn modules_and_what_they_publish_are_offered_after_use() {
    let folder = temp();
    let place = |path: &str| folder.path().join(path);
    fs::create_dir_all(place("app/deep")).unwrap();
    fs::create_dir_all(place("lib/more")).unwrap();
    let manifest = |name: &str, packages: &str| {
        format!("name: {name}\nversion: 0.1.0\nedition: 2026\n{packages}")
    };
    let packages = "packages:\n  greetings: { path: ../lib }\n";
    fs::write(place("app/agpt.yaml"), manifest("app", packages)).unwrap();
    fs::write(place("lib/agpt.yaml"), manifest("greetings", "")).unwrap();
    for file in ["app/words.agpt", "app/deep/inner.agpt", "lib/lib.agpt", "lib/more/polite.agpt"] {
        fs::write(place(file), WORDS).unwrap();
    }
    support::agpt(["fetch"]).current_dir(place("app")).assert().success();
    let main = place("app/main.agpt");
    fs::write(&main, "").unwrap();
    let mut editor = Editor::in_folder(folder.path());
    editor.open(&main, "");
    let mut offered = |text: &str| -> Vec<Value> {
        editor.change(&main, text);
        let answer = editor.ask("textDocument/completion", end(&main, text));
        answer["result"].as_array().unwrap().clone()
    };
    let labels = |items: &[Value]| -> Vec<String> {
        items.iter().map(|item| item["label"].as_str().unwrap().to_string()).collect()
    };
    let all = labels(&offered("use "));
    let wanted = ["std/tasks", "pkg/greetings", "pkg/greetings/more/polite", "./words", "./deep/"];
    for path in wanted {
        assert!(all.contains(&path.to_string()), "{path}: {all:?}");
    }
    assert!(!all.contains(&"./main".to_string()), "{all:?}");
    assert_eq!(labels(&offered("use ./deep/")), ["./deep/inner"]);
    assert!(labels(&offered("use ../")).contains(&"../lib/".to_string()));
    // What was typed is replaced as a whole: `/` ends a word for an editor.
    let items = offered("use ./deep/in");
    let edit = &items[0]["textEdit"];
    assert_eq!(edit["newText"], "./deep/inner");
    assert_eq!(edit["range"]["start"], json!({ "line": 0, "character": 4 }));
    assert_eq!(edit["range"]["end"], json!({ "line": 0, "character": 13 }));
    assert_eq!(labels(&offered("use ./words { he")), ["hello"]);
    assert_eq!(labels(&offered("use pkg/greetings/more/polite {\n  ")), ["hello"]);
    let tasks = offered("use std/tasks { ");
    let caption = tasks.iter().find(|item| item["label"] == "caption").unwrap();
    assert!(caption["detail"].as_str().unwrap().starts_with("template caption("), "{caption}");
    assert!(offered("use ./nowhere { ").is_empty());
    editor.end();
}

#[test]
fn metrics_are_offered_and_described() {
    let folder = temp();
    let main = folder.path().join("main.agpt");
    let text = "evaluation e(words: text, said: text) with { data: \"./rows.jsonl\" } {\n  \
                measure wer(said, words)\n}\n";
    let mut editor = Editor::in_folder(folder.path());
    assert_eq!(editor.open(&main, text), Vec::<Value>::new());
    let answer = editor.ask("textDocument/hover", at(&main, text, "wer", 0));
    let shown = answer["result"]["contents"]["value"].as_str().unwrap();
    assert!(shown.contains("wer(answer: text, references: list<text>)"), "{shown}");
    assert!(shown.contains("word error rate"), "{shown}");
    let answer = editor.ask("textDocument/completion", at(&main, text, "wer", 0));
    let items = answer["result"].as_array().unwrap();
    assert_eq!(items.len(), agpt::lang::metrics::METRICS.len(), "{items:?}");
    let clip = items.iter().find(|item| item["label"] == "clip_score").unwrap();
    assert_eq!(clip["detail"], "clip_score(picture: image, words: text)");
    let about = clip["documentation"]["value"].as_str().unwrap();
    assert!(about.contains("--judge clip=NAME"), "{about}");
    editor.end();
}

#[cfg(feature = "plugins")]
#[test]
fn functions_of_plugins_are_offered_and_described() {
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/plugins/measure.agpt");
    let text = fs::read_to_string(&main).unwrap();
    let mut editor = Editor::in_folder(main.parent().unwrap());
    assert_eq!(editor.open(&main, &text), Vec::<Value>::new());
    let mut place = at(&main, &text, ".measure(voice)", 0);
    let after = place["position"]["character"].as_u64().unwrap() + 1;
    place["position"]["character"] = after.into();
    let answer = editor.ask("textDocument/hover", place.clone());
    let shown = answer["result"]["contents"]["value"].as_str().unwrap();
    assert!(shown.contains("loudness.measure(sound: speech) -> { rms: float"), "{shown}");
    let answer = editor.ask("textDocument/completion", place);
    let items = answer["result"].as_array().unwrap();
    assert!(items.iter().any(|item| item["label"] == "normalise"), "{items:?}");
    editor.end();
}

#[test]
fn an_editor_that_can_is_asked_to_watch_files() {
    let folder = temp();
    let (main, words) = (folder.path().join("main.agpt"), folder.path().join("words.agpt"));
    let mut editor = Editor::start();
    let can = json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } });
    let folders = json!([{ "uri": uri(folder.path()), "name": "w" }]);
    editor.ask("initialize", json!({ "capabilities": can, "workspaceFolders": folders }));
    editor.tell("initialized", json!({}));
    let asked = editor.receive();
    assert_eq!(asked["method"], "client/registerCapability", "{asked}");
    let registration = &asked["params"]["registrations"][0];
    assert_eq!(registration["method"], "workspace/didChangeWatchedFiles");
    let globs = registration["registerOptions"]["watchers"].to_string();
    for glob in ["**/*.agpt", "**/agpt.yaml", "**/agpt.lock", "**/*.wasm"] {
        assert!(globs.contains(glob), "{globs}");
    }
    editor.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": null }));
    // The module that is missing comes, and goes again.
    assert_eq!(editor.open(&main, MAIN)[0]["code"], "E0204");
    for there in [true, false] {
        match there {
            true => fs::write(&words, WORDS).unwrap(),
            false => fs::remove_file(&words).unwrap(),
        }
        let kind = if there { 1 } else { 3 };
        let changes = json!({ "changes": [{ "uri": uri(&words), "type": kind }] });
        editor.tell("workspace/didChangeWatchedFiles", changes);
        assert_eq!(editor.diagnostics(&main).is_empty(), there);
    }
    // A closed file shows nothing any more.
    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri(&main) } }));
    assert_eq!(editor.diagnostics(&main), Vec::<Value>::new());
    editor.end();
}

/// The text with the edits of a change in it.
fn edited(text: &str, edits: &Value) -> String {
    let offset = |position: &Value| {
        let line = usize::try_from(position["line"].as_u64().unwrap()).unwrap();
        let units = usize::try_from(position["character"].as_u64().unwrap()).unwrap();
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let line = text[start..].encode_utf16().take(units).collect::<Vec<_>>();
        start + String::from_utf16(&line).unwrap().len()
    };
    let mut out = text.to_string();
    let edits = edits.as_array().unwrap();
    assert!(edits.len() <= 1, "{edits:?}");
    for edit in edits {
        let (start, end) = (offset(&edit["range"]["start"]), offset(&edit["range"]["end"]));
        out.replace_range(start..end, edit["newText"].as_str().unwrap());
    }
    out
}

#[test]
fn a_document_is_formatted() {
    let folder = temp();
    let file = folder.path().join("a.agpt");
    let mut editor = Editor::in_folder(folder.path());
    let params = json!({
        "textDocument": { "uri": uri(&file) },
        "options": { "tabSize": 8, "insertSpaces": false },
    });
    let text = "// 😀\nconst A  = \"😀\" // 😀\n\n\nconst B = 2\nconst C = 3";
    editor.open(&file, text);
    let answer = editor.ask("textDocument/formatting", params.clone());
    let neat = "// 😀\nconst A = \"😀\" // 😀\n\nconst B = 2\nconst C = 3\n";
    assert_eq!(edited(text, &answer["result"]), neat);
    assert_eq!(answer["result"][0]["range"]["start"], json!({ "line": 1, "character": 0 }));

    // Only what changes is changed.
    let text = neat.replace("\n\n", "\n\n\n");
    editor.change(&file, &text);
    let answer = editor.ask("textDocument/formatting", params.clone());
    assert_eq!(edited(&text, &answer["result"]), neat);
    let range = &answer["result"][0]["range"];
    assert_eq!(
        (range["start"]["line"].clone(), range["end"]["line"].clone()),
        (json!(3), json!(4))
    );

    editor.change(&file, neat);
    assert_eq!(editor.ask("textDocument/formatting", params.clone())["result"], json!([]));
    editor.change(&file, "const A = = 1\n");
    assert_eq!(editor.ask("textDocument/formatting", params)["result"], Value::Null);
    editor.end();
}

/// The titles of the quick fixes at a word, and the text that the first one makes.
fn fixes(editor: &mut Editor, file: &Path, text: &str, word: &str) -> (Vec<String>, String) {
    let position = at(file, text, word, 0)["position"].clone();
    let params = json!({
        "textDocument": { "uri": uri(file) },
        "range": { "start": position, "end": position },
        "context": { "diagnostics": [], "only": ["quickfix"] },
    });
    let answer = editor.ask("textDocument/codeAction", params);
    let actions = answer["result"].as_array().unwrap();
    let titles = actions.iter().map(|action| action["title"].as_str().unwrap().to_string());
    let edits = actions.first().map_or(json!([]), |action| {
        assert_eq!(action["kind"], "quickfix");
        assert_eq!(action["diagnostics"].as_array().unwrap().len(), 1, "{action}");
        action["edit"]["changes"][uri(file)].clone()
    });
    (titles.collect(), edited(text, &edits))
}

#[test]
fn mistakes_with_one_remedy_are_fixed() {
    let folder = temp();
    let file = folder.path().join("a.agpt");
    let mut editor = Editor::in_folder(folder.path());
    editor.open(&file, "");
    let start = "use std/tasks\n\npipeline p(words: text, stepz: int) -> image {\n  return ";
    let call = "generate image from tasks.paint(words)";
    for (wrong, word, title, right) in [
        ("wrods", "wrods", "Change `wrods` to `words`", "words"),
        ("tasks.piant(words)", "piant", "Change `piant` to `paint`", "tasks.paint(words)"),
        ("a && b", "&&", "Change `&&` to `and`", "a and b"),
        ("!a", "!", "Change `!` to `not`", "not a"),
        ("a;", ";", "Remove `;`", "a"),
        ("\"}\"", "}", "Change `}` to `\\}`", "\"\\}\""),
        (
            "X { perceptual: { stepz } }",
            "stepz }",
            "Change `stepz` to `steps: stepz`",
            "X { perceptual: { steps: stepz } }",
        ),
        (
            "X { perceptual: { stesp } }",
            "stesp",
            "Change `stesp` to `steps`",
            "X { perceptual: { steps } }",
        ),
        (
            "X { perceptula: {} }",
            "perceptula",
            "Change `perceptula` to `perceptual`",
            "X { perceptual: {} }",
        ),
    ] {
        let (wrong, right) = (wrong.replace('X', call), right.replace('X', call));
        let text = format!("{start}{wrong}\n}}\n");
        editor.change(&file, &text);
        let (titles, fixed) = fixes(&mut editor, &file, &text, word);
        assert_eq!(titles, [title], "{wrong}");
        assert_eq!(fixed, format!("{start}{right}\n}}\n"));
    }
    // Elsewhere nothing is offered, and nothing where there are two ways out.
    let text = format!("{start}wrods\n}}\n");
    editor.change(&file, &text);
    assert_eq!(fixes(&mut editor, &file, &text, "std").0, Vec::<String>::new());
    editor.change(&file, "const A = 1 = 2\n");
    assert_eq!(fixes(&mut editor, &file, "const A = 1 = 2\n", "= 2").0, Vec::<String>::new());
    editor.end();
}

/// Applies the first quick fix at a word until none is left there, and looks whether the formatter
/// and the compiler find the result to be in order.
fn put_right(editor: &mut Editor, file: &Path, text: &str, word: &str) -> (String, String) {
    let (titles, fixed) = fixes(editor, file, text, word);
    assert!(!titles.is_empty(), "nothing is offered at {word} in {text}");
    editor.change(file, &fixed);
    assert_eq!(editor.diagnostics(file), Vec::<Value>::new(), "{fixed}");
    let params = json!({
        "textDocument": { "uri": uri(file) },
        "options": { "tabSize": 2, "insertSpaces": true },
    });
    let format = editor.ask("textDocument/formatting", params);
    assert_eq!(format["result"], json!([]), "{fixed}");
    (titles[0].clone(), fixed)
}

#[test]
fn an_unused_import_is_removed() {
    let folder = temp();
    let file = folder.path().join("a.agpt");
    let mut editor = Editor::in_folder(folder.path());
    let body = "/// A caption.\npipeline p(photo: image) -> text {\n  return generate text from \
                caption(photo)\n}\n";
    editor.open(&file, "");
    let long = "use std/tasks {\n  caption, // wanted\n  paint, // not wanted\n}\n\n";
    for (head, word, right) in [
        ("use std/tasks { caption, paint }\n\n", "paint", "use std/tasks { caption }\n\n"),
        ("use std/tasks { paint, caption }\n\n", "paint", "use std/tasks { caption }\n\n"),
        ("use std/tasks { caption, paint as q }\n\n", "q }", "use std/tasks { caption }\n\n"),
        (long, "paint", "use std/tasks {\n  caption, // wanted\n}\n\n"),
        (
            "use std/tasks { caption }\nuse std/tasks as q // why\n\n",
            "q //",
            "use std/tasks { caption }\n\n",
        ),
        (
            "// Head.\n\nuse std/tasks\n\nuse std/tasks { caption }\n\n",
            "tasks\n",
            "// Head.\n\nuse std/tasks { caption }\n\n",
        ),
    ] {
        let text = format!("{head}{body}");
        editor.change(&file, &text);
        assert_eq!(editor.diagnostics(&file)[0]["code"], "W0202", "{text}");
        let (title, fixed) = put_right(&mut editor, &file, &text, word);
        assert_eq!((title.as_str(), fixed), ("Remove the import", format!("{right}{body}")));
    }
    // The only name, and the only declaration.
    let body = "const A = 1\n";
    let text = format!("use std/tasks {{ caption }}\n\n{body}");
    editor.change(&file, &text);
    editor.diagnostics(&file);
    assert_eq!(put_right(&mut editor, &file, &text, "caption").1, body);
    editor.end();
}

#[test]
fn misplaced_settings_are_moved_or_removed() {
    let folder = temp();
    let file = folder.path().join("a.agpt");
    let mut editor = Editor::in_folder(folder.path());
    editor.open(&file, "");
    let (image, text) = ("generate image from words", "generate text from words");
    let (tokens, speech) = ("generate tokens<image> from words", "generate speech from words");
    let lines = " {\n    semantic: {\n      top_k: 5\n      steps: 20 // few\n    }\n    \
                 perceptual: {\n      guidance: 3.0\n    }\n  }";
    let moved = " {\n    semantic: {\n      top_k: 5\n    }\n    perceptual: {\n      \
                 guidance: 3.0\n      steps: 20\n    }\n  }";
    for (what, wrong, word, title, right) in [
        (
            image,
            " { semantic: { steps: 20 } }",
            "steps",
            "Move it: `perceptual: { steps: … }`",
            " { perceptual: { steps: 20 } }",
        ),
        (
            image,
            " { semantic: { steps: (20), top_k: 5 } }",
            "steps",
            "Move it: `perceptual: { steps: … }`",
            " { semantic: { top_k: 5 }, perceptual: { steps: (20) } }",
        ),
        (
            image,
            " { semantic: { top_k: 5, steps: 20 }, perceptual: { seed: 1 } }",
            "steps",
            "Move it: `perceptual: { steps: … }`",
            " { semantic: { top_k: 5 }, perceptual: { seed: 1, steps: 20 } }",
        ),
        (
            image,
            " { perceptual: { top_k: 5, steps: 20 }, semantic: { top_p: 0.5 } }",
            "top_k",
            "Move it: `semantic: { top_k: … }`",
            " { perceptual: { steps: 20 }, semantic: { top_p: 0.5, top_k: 5 } }",
        ),
        (image, lines, "steps", "Move it: `perceptual: { steps: … }`", moved),
        (
            text,
            " { temperature: 0.7 }",
            "temperature",
            "Move it: `semantic: { temperature: … }`",
            " { semantic: { temperature: 0.7 } }",
        ),
        (
            text,
            " { temperature: 0.7, semantic: { top_k: 5 } }",
            "temperature",
            "Move it: `semantic: { temperature: … }`",
            " { semantic: { top_k: 5, temperature: 0.7 } }",
        ),
        (text, " { perceptual: { steps: 4 } }", "perceptual", "Remove the stage `perceptual`", ""),
        (
            text,
            " { semantic: { steps: 4, top_k: 5 } }",
            "steps",
            "Remove `steps`",
            " { semantic: { top_k: 5 } }",
        ),
        (text, " { steps: 4 }", "steps", "Remove `steps`", ""),
        (tokens, " { semantic: { steps: 4 } }", "steps", "Remove `steps`", ""),
        (
            speech,
            " { perceptual: { guidance: 3.0, steps: 4 } }",
            "guidance",
            "Remove `guidance`",
            " { perceptual: { steps: 4 } }",
        ),
        (
            speech,
            " { perceptual: { steps: 4, steps: 5 } }",
            "steps: 5",
            "Remove one of them",
            " { perceptual: { steps: 4 } }",
        ),
        (
            "generate mixed from words",
            " { semantic: { guidance: 3, top_k: 5 } }",
            "guidance",
            "Move it: `perceptual: { image: { guidance: … } }`",
            // As wide as it would be in one line, the formatter breaks it.
            " {\n    semantic: { top_k: 5 }\n    perceptual: { image: { guidance: 3 } }\n  }",
        ),
        (
            "generate mixed from words",
            " { perceptual: { image: { top_k: 5 } } }",
            "top_k",
            "Move it: `semantic: { image: { top_k: … } }`",
            " { semantic: { image: { top_k: 5 } } }",
        ),
        (
            "generate (\"a\" | \"b\") from words",
            " { semantic: { max_tokens: 5 } }",
            "max_tokens",
            "Remove the setting",
            "",
        ),
        (
            "decode codes",
            " { steps: 4, temperature: 1.0 }",
            "temperature",
            "Remove `temperature`",
            " { steps: 4 }",
        ),
    ] {
        let ty = match what.split_whitespace().nth(1) {
            Some("codes") => "image",
            Some("(\"a\"") => "\"a\" | \"b\"",
            other => other.unwrap(),
        };
        let param = if ty == "image" && what.starts_with("decode") {
            "codes: tokens<image>"
        } else {
            "words: text"
        };
        let whole =
            |stages: &str| format!("pipeline p({param}) -> {ty} {{\n  return {what}{stages}\n}}\n");
        let text = whole(wrong);
        editor.change(&file, &text);
        let shown = editor.diagnostics(&file);
        assert_eq!(shown.len(), 1, "{text}: {shown:?}");
        let (offered, fixed) = put_right(&mut editor, &file, &text, word);
        assert_eq!((offered.as_str(), fixed), (title, whole(right)));
    }
    // Which of two stages a seed is for is not known, and one that is there is not overwritten.
    for stages in [" { seed: 4 }", " { semantic: { steps: 3 }, perceptual: { steps: 4 } }"] {
        let text = format!("pipeline p(words: text) -> image {{\n  return {image}{stages}\n}}\n");
        editor.change(&file, &text);
        let word = if stages.contains("seed") { "seed" } else { "steps" };
        assert_eq!(editor.diagnostics(&file).len(), 1);
        assert_eq!(fixes(&mut editor, &file, &text, word).0, Vec::<String>::new());
    }
    editor.end();
}

#[test]
fn what_is_private_elsewhere_can_be_published_from_here() {
    let folder = temp();
    let (main, words) = (folder.path().join("main.agpt"), folder.path().join("words.agpt"));
    fs::write(&words, WORDS.replace("pub ", "")).unwrap();
    let mut editor = Editor::in_folder(folder.path());
    let shown = editor.open(&main, MAIN);
    assert_eq!(shown[0]["code"], "E0206", "{shown:?}");
    let range = &shown[0]["range"];
    let params = json!({
        "textDocument": { "uri": uri(&main) },
        "range": range,
        "context": { "diagnostics": shown },
    });
    let answer = editor.ask("textDocument/codeAction", params.clone());
    let action = &answer["result"][0];
    assert_eq!(action["title"], "Add `pub`");
    let changes = action["edit"]["changes"].as_object().unwrap();
    assert_eq!(changes.keys().collect::<Vec<_>>(), [&uri(&words)]);
    assert_eq!(edited(&WORDS.replace("pub ", ""), &changes[&uri(&words)]), WORDS);
    // Whoever asks for other kinds of actions gets none of these.
    let mut params = params;
    params["context"]["only"] = json!(["refactor"]);
    assert_eq!(editor.ask("textDocument/codeAction", params)["result"], json!([]));
    editor.end();
}

#[test]
fn positions_count_utf_16_units() {
    let folder = temp();
    let file = folder.path().join("a.agpt");
    let text = "pipeline p(x: text) -> text {\n  return \"😀😀{x}\"\n}\n";
    let mut editor = Editor::in_folder(folder.path());
    editor.open(&file, text);
    let hover = editor.ask("textDocument/hover", at(&file, text, "x}", 0));
    let range = json!({
        "start": { "line": 1, "character": 15 }, "end": { "line": 1, "character": 16 },
    });
    assert_eq!(hover["result"]["range"], range, "{hover}");
    editor.end();
}

#[test]
fn malformed_messages_are_answered_and_survived() {
    let folder = temp();
    let mut editor = Editor::start();
    assert_eq!(editor.ask("textDocument/hover", json!({}))["error"]["code"], -32002);
    assert_eq!(editor.ask("initialize", json!({ "capabilities": 3 }))["error"]["code"], -32602);
    drop(editor.input);
    assert_eq!(editor.child.wait().unwrap().code(), Some(1));

    let mut editor = Editor::in_folder(folder.path());
    for method in [
        "hover",
        "definition",
        "references",
        "rename",
        "completion",
        "documentSymbol",
        "formatting",
        "codeAction",
    ] {
        for params in [json!({}), json!([1]), json!("x"), Value::Null] {
            let answer = editor.ask(&format!("textDocument/{method}"), params);
            assert_eq!(answer["error"]["code"], -32602, "{method}: {answer}");
        }
    }
    let unopened = at(&folder.path().join("no.agpt"), "x", "x", 0);
    assert_eq!(editor.ask("textDocument/hover", unopened)["error"]["code"], -32602);
    assert_eq!(editor.ask("no/such", json!({}))["error"]["code"], -32601);
    editor.tell("textDocument/didOpen", json!({ "textDocument": 7 }));
    editor.tell("textDocument/didChange", json!(null));
    editor.end();
}

#[test]
fn packages_are_found_as_commands_find_them() {
    let folder = temp();
    let root = folder.path().canonicalize().unwrap();
    for name in ["words", "app"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let head = "version: 0.1.0\nedition: 2026\n";
    fs::write(root.join("words/agpt.yaml"), format!("name: words\n{head}")).unwrap();
    let packages = "packages:\n  words: { path: ../words }\n";
    fs::write(root.join("app/agpt.yaml"), format!("name: app\n{head}{packages}")).unwrap();
    let words = "pub const ONE = 1\n";
    fs::write(root.join("words/lib.agpt"), words).unwrap();
    let mut editor = Editor::in_folder(&root);
    let main = root.join("app/main.agpt");
    let text = "use pkg/words { ONE }\n\npipeline main() -> int {\n  return ONE\n}\n";
    assert_eq!(editor.open(&main, text), Vec::<Value>::new());
    let at = json!({ "textDocument": { "uri": uri(&main) }, "position": { "line": 3, "character": 10 } });
    let found = editor.ask("textDocument/definition", at);
    assert_eq!(found["result"]["uri"], uri(&root.join("words/lib.agpt")), "{found}");
    editor.change(&main, &text.replace("pkg/words", "pkg/word"));
    let wrong = editor.diagnostics(&main);
    assert_eq!(wrong[0]["code"], "E1003", "{wrong:?}");
    editor.end();
}

//! The language server: a session over one document, from opening to the end.
//!
//! The input is the first text, then, each after a line `////`, a line of numbers (what is asked, at
//! which line and column in UTF-16) and the next text.

use std::io;
use std::path::Path;

use agpt::lang::{LoadError, LoadedModule, LoadedPlugin, Loader, MemoryLoader, ModuleId};
use agpt::lsp;
use agpt::package::Packages;
use lsp_server::{Connection, Message, Notification, Request, RequestId};
use serde_json::{Value, json};

use super::language::{loader, text};

const URI: &str = "untitled:fuzz";
const ASKED: [&str; 10] = [
    "textDocument/hover",
    "textDocument/definition",
    "textDocument/references",
    "textDocument/prepareRename",
    "textDocument/rename",
    "textDocument/documentSymbol",
    "textDocument/completion",
    "textDocument/formatting",
    "textDocument/codeAction",
    "textDocument/none",
];

struct Modules(MemoryLoader);

impl lsp::Modules for Modules {
    fn load(
        &self,
        _: &Packages,
        from: &ModuleId,
        path: &str,
        _: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<LoadedModule, LoadError> {
        self.0.load(from, path)
    }

    fn names(
        &self,
        _: &Packages,
        _: &ModuleId,
        typed: &str,
        _: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Vec<String> {
        vec!["./words".to_string(), format!("{typed}/")]
    }

    fn plugin(
        &self,
        from: &ModuleId,
        path: &str,
        _: &mut dyn FnMut(&Path),
    ) -> Result<LoadedPlugin, LoadError> {
        self.0.plugin(from, path)
    }
}

fn note(method: &str, params: Value) -> Message {
    Message::Notification(Notification::new(method.to_string(), params))
}

fn ask(id: i32, method: &str, params: Value) -> Message {
    Message::Request(Request::new(RequestId::from(id), method.to_string(), params))
}

pub fn session(bytes: &[u8]) {
    let Some(text) = text(bytes).filter(|text| text.len() <= 4096) else { return };
    let mut parts = text.split("\n////");
    let first = parts.next().unwrap_or_default();
    let document = json!({ "uri": URI, "languageId": "agpt", "version": 1, "text": first });
    let mut messages = vec![
        ask(0, "initialize", json!({ "capabilities": {} })),
        note("initialized", json!({})),
        note("textDocument/didOpen", json!({ "textDocument": document })),
    ];
    let mut last = first;
    for (at, part) in parts.take(6).enumerate() {
        let (numbers, next) = part.split_once('\n').unwrap_or((part, last));
        let numbers: Vec<u32> = numbers
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|n| n.parse().unwrap_or(0))
            .collect();
        let number = |place: usize| numbers.get(place).copied().unwrap_or(0);
        let method = ASKED[number(0) as usize % ASKED.len()];
        let position = json!({ "line": number(1), "character": number(2) });
        let end = json!({ "line": number(3), "character": number(4) });
        let params = json!({
            "textDocument": { "uri": URI },
            "position": position,
            "range": { "start": position, "end": end },
            "context": { "diagnostics": [], "includeDeclaration": true },
            "newName": "renamed",
            "options": { "tabSize": 2, "insertSpaces": true },
        });
        messages.push(ask(at as i32 + 1, method, params));
        let change = json!({ "textDocument": { "uri": URI, "version": at + 2 },
            "contentChanges": [{ "text": next }] });
        messages.push(note("textDocument/didChange", change));
        last = next;
    }
    let whole = json!({ "textDocument": { "uri": URI }, "options": { "tabSize": 2, "insertSpaces": true } });
    messages.push(ask(98, "textDocument/documentSymbol", whole));
    messages.push(ask(99, "shutdown", Value::Null));
    messages.push(note("exit", Value::Null));
    let asked = messages.iter().filter(|message| matches!(message, Message::Request(_))).count();
    let answers = serve(messages, first);
    let responses: Vec<_> = answers
        .iter()
        .filter_map(|message| match message {
            Message::Response(response) => Some(response),
            _ => None,
        })
        .collect();
    assert_eq!(responses.len(), asked, "every request is answered once");

    // What is shown in the end is what a server shows that has seen the last text alone.
    let document = json!({ "uri": URI, "languageId": "agpt", "version": 1, "text": last });
    let fresh = serve(
        vec![
            ask(0, "initialize", json!({ "capabilities": {} })),
            note("textDocument/didOpen", json!({ "textDocument": document })),
            ask(99, "shutdown", Value::Null),
            note("exit", Value::Null),
        ],
        first,
    );
    assert_eq!(published(&answers), published(&fresh), "the state differs from a new reading");
}

/// The diagnostics that were sent last; nothing and an empty list are the same to an editor.
fn published(messages: &[Message]) -> Value {
    let sent = messages.iter().rev().find_map(|message| match message {
        Message::Notification(note) => Some(note.params["diagnostics"].clone()),
        _ => None,
    });
    sent.unwrap_or_else(|| json!([]))
}

fn serve(messages: Vec<Message>, first: &str) -> Vec<Message> {
    let (server, client) = Connection::memory();
    for message in messages {
        client.sender.send(message).expect("the channel has no bounds");
    }
    assert!(lsp::serve(&server, &Modules(loader(first))), "the session ends as it should");
    drop(server);
    client.receiver.iter().collect()
}

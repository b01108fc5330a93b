//! The loop: the life of a session, and which message is answered by what.

use std::collections::BTreeMap;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{self as note, Notification as _};
use lsp_types::request::{self as ask, Request as _};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions,
    DidChangeWatchedFilesRegistrationOptions, DocumentSymbolResponse, FileSystemWatcher,
    GlobPattern, GotoDefinitionResponse, HoverProviderCapability, InitializeParams,
    InitializeResult, OneOf, PublishDiagnosticsParams, Registration, RegistrationParams,
    RenameOptions, ServerCapabilities, ServerInfo, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions, Uri,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::documents::{Analysis, Documents, Modules};
use super::positions::Lines;
use super::{
    actions, completion, definition, diagnostics, formatting, hover, references, rename, symbols,
    uris,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before `initialize`.
    New,
    Running,
    /// After `shutdown`: only `exit` is left.
    ShutDown,
}

/// What a request comes to, or the code and message of its error.
type Answer = Result<Value, (ErrorCode, String)>;

/// Serves an editor until it says `exit` or is gone; whether it ended as the protocol says,
/// with `shutdown` before `exit`.
pub fn serve(connection: &Connection, modules: &dyn Modules) -> bool {
    let mut server = Server {
        connection,
        state: State::New,
        documents: Documents::new(modules),
        published: BTreeMap::new(),
        watches: false,
    };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                let response = server.request(request);
                if connection.sender.send(Message::Response(response)).is_err() {
                    return false;
                }
            }
            Message::Notification(notification) if notification.method == note::Exit::METHOD => {
                return server.state == State::ShutDown;
            }
            Message::Notification(notification) => server.notification(notification),
            // What the editor says to being asked to watch files changes nothing.
            Message::Response(_) => {}
        }
    }
    false
}

struct Server<'a> {
    connection: &'a Connection,
    state: State,
    documents: Documents<'a>,
    /// What each file shows now, so that only changes are sent.
    published: BTreeMap<String, Vec<lsp_types::Diagnostic>>,
    /// Whether the editor can be asked to watch files.
    watches: bool,
}

impl Server<'_> {
    fn request(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        match self.answer(&method, params) {
            Ok(result) => Response::new_ok(id, result),
            Err((code, message)) => failed(id, code, message),
        }
    }

    fn answer(&mut self, method: &str, params: Value) -> Answer {
        match (self.state, method) {
            (State::New, ask::Initialize::METHOD) => return self.initialize(params),
            (State::New, _) => {
                let message = "`initialize` comes first".to_string();
                return Err((ErrorCode::ServerNotInitialized, message));
            }
            (State::ShutDown, _) => {
                let message = "the server is shut down".to_string();
                return Err((ErrorCode::InvalidRequest, message));
            }
            (State::Running, ask::Initialize::METHOD) => {
                let message = "the server is initialized already".to_string();
                return Err((ErrorCode::InvalidRequest, message));
            }
            (State::Running, _) => {}
        }
        match method {
            ask::Shutdown::METHOD => {
                self.state = State::ShutDown;
                Ok(Value::Null)
            }
            ask::HoverRequest::METHOD => {
                let params = read::<ask::HoverRequest>(params)?;
                let at = params.text_document_position_params;
                let (analysis, offset) = self.place(&at)?;
                json(hover::hover(analysis, offset))
            }
            ask::GotoDefinition::METHOD => {
                let params = read::<ask::GotoDefinition>(params)?;
                let (analysis, offset) = self.place(&params.text_document_position_params)?;
                let found = definition::definition(analysis, offset);
                json(found.map(GotoDefinitionResponse::Scalar))
            }
            ask::References::METHOD => {
                let params = read::<ask::References>(params)?;
                let (analysis, offset) = self.place(&params.text_document_position)?;
                let declaration = params.context.include_declaration;
                json(references::references(&self.documents, analysis, offset, declaration))
            }
            ask::PrepareRenameRequest::METHOD => {
                let params = read::<ask::PrepareRenameRequest>(params)?;
                let (analysis, offset) = self.place(&params)?;
                json(rename::prepare(analysis, offset).map_err(refused)?)
            }
            ask::Rename::METHOD => {
                let params = read::<ask::Rename>(params)?;
                let (analysis, offset) = self.place(&params.text_document_position)?;
                let name = params.new_name.as_str();
                json(rename::rename(&self.documents, analysis, offset, name).map_err(refused)?)
            }
            ask::DocumentSymbolRequest::METHOD => {
                let params = read::<ask::DocumentSymbolRequest>(params)?;
                let analysis = self.analysis(&params.text_document.uri)?;
                json(DocumentSymbolResponse::Nested(symbols::symbols(analysis)))
            }
            ask::Completion::METHOD => {
                let params = read::<ask::Completion>(params)?;
                let (analysis, offset) = self.place(&params.text_document_position)?;
                json(completion::completion(&self.documents, analysis, offset as usize))
            }
            ask::Formatting::METHOD => {
                let params = read::<ask::Formatting>(params)?;
                json(formatting::formatting(self.analysis(&params.text_document.uri)?))
            }
            ask::CodeActionRequest::METHOD => {
                let params = read::<ask::CodeActionRequest>(params)?;
                json(actions::actions(self.analysis(&params.text_document.uri)?, &params))
            }
            _ => Err((ErrorCode::MethodNotFound, format!("`{method}` is not served"))),
        }
    }

    fn initialize(&mut self, params: Value) -> Answer {
        let params: InitializeParams = decoded(params)?;
        let named = params.workspace_folders.unwrap_or_default().into_iter().map(|f| f.uri);
        // Editors that know of no workspace folders have a root.
        #[allow(deprecated)]
        let root = params.root_uri;
        let mut folders: Vec<_> = named.filter_map(|uri| uris::path(uri.as_str())).collect();
        if folders.is_empty() {
            folders.extend(root.and_then(|uri| uris::path(uri.as_str())));
        }
        self.documents.folders = folders;
        let workspace = params.capabilities.workspace.unwrap_or_default();
        let watched = workspace.did_change_watched_files.unwrap_or_default();
        self.watches = watched.dynamic_registration.unwrap_or_default();
        self.state = State::Running;
        json(InitializeResult {
            capabilities: capabilities(),
            server_info: Some(ServerInfo {
                name: "agpt".to_string(),
                version: Some(env!("CARGO_PKG_VERSION").to_string()),
            }),
        })
    }

    /// Notifications have no answers: what cannot be read is passed over.
    fn notification(&mut self, notification: Notification) {
        if self.state != State::Running {
            return;
        }
        let Notification { method, params } = notification;
        match method.as_str() {
            note::Initialized::METHOD => {
                if self.watches {
                    self.watch();
                }
                return;
            }
            note::DidOpenTextDocument::METHOD => {
                if let Ok(params) =
                    serde_json::from_value::<lsp_types::DidOpenTextDocumentParams>(params)
                {
                    let document = params.text_document;
                    self.documents.set(&uris::name(&document.uri), document.text);
                }
            }
            note::DidChangeTextDocument::METHOD => {
                if let Ok(params) =
                    serde_json::from_value::<lsp_types::DidChangeTextDocumentParams>(params)
                {
                    // Whole texts were asked for; the last one counts.
                    let whole = params.content_changes.into_iter().rfind(|c| c.range.is_none());
                    let name = uris::name(&params.text_document.uri);
                    if let (Some(change), Some(_)) = (whole, self.documents.get(&name)) {
                        self.documents.set(&name, change.text);
                    }
                }
            }
            note::DidCloseTextDocument::METHOD => {
                if let Ok(params) =
                    serde_json::from_value::<lsp_types::DidCloseTextDocumentParams>(params)
                {
                    self.documents.close(&uris::name(&params.text_document.uri));
                }
            }
            // A file that is not open changed on the disk.
            note::DidChangeWatchedFiles::METHOD => {
                if let Ok(params) =
                    serde_json::from_value::<lsp_types::DidChangeWatchedFilesParams>(params)
                {
                    for change in params.changes {
                        self.documents.refresh(&uris::name(&change.uri));
                    }
                }
            }
            _ => return,
        }
        self.publish();
    }

    /// Asks the editor to tell what changes on the disk.
    fn watch(&self) {
        let watchers = ["**/*.agpt", "**/agpt.yaml", "**/agpt.lock", "**/*.wasm"].map(|glob| {
            let glob_pattern = GlobPattern::String(glob.to_string());
            FileSystemWatcher { glob_pattern, kind: None }
        });
        let options = DidChangeWatchedFilesRegistrationOptions { watchers: watchers.to_vec() };
        let registration = Registration {
            id: "files".to_string(),
            method: note::DidChangeWatchedFiles::METHOD.to_string(),
            register_options: serde_json::to_value(options).ok(),
        };
        let params = RegistrationParams { registrations: vec![registration] };
        let id = RequestId::from("watch".to_string());
        let request = Request::new(id, ask::RegisterCapability::METHOD.to_string(), params);
        // An editor that is gone ends the loop at the next message.
        let _ = self.connection.sender.send(Message::Request(request));
    }

    /// Sends what has changed; a file that shows nothing any more is told so once.
    fn publish(&mut self) {
        let now = diagnostics::of(&self.documents);
        let gone = self.published.keys().filter(|name| !now.contains_key(*name));
        let gone: Vec<_> = gone.map(|name| (name.clone(), Vec::new())).collect();
        for (name, list) in now.iter().chain(gone.iter().map(|(name, list)| (name, list))) {
            if self.published.get(name) == Some(list) {
                continue;
            }
            let Some(uri) = uris::of(name) else { continue };
            let params = PublishDiagnosticsParams { uri, diagnostics: list.clone(), version: None };
            let method = note::PublishDiagnostics::METHOD.to_string();
            let message = Message::Notification(Notification::new(method, params));
            // An editor that is gone ends the loop at the next message.
            let _ = self.connection.sender.send(message);
        }
        self.published = now;
    }

    fn analysis(&self, uri: &Uri) -> Result<&Analysis, (ErrorCode, String)> {
        self.documents
            .get(&uris::name(uri))
            .ok_or_else(|| (ErrorCode::InvalidParams, format!("{} is not open", uri.as_str())))
    }

    fn place(
        &self,
        at: &TextDocumentPositionParams,
    ) -> Result<(&Analysis, u32), (ErrorCode, String)> {
        let analysis = self.analysis(&at.text_document.uri)?;
        let offset = Lines::new(analysis.text()).offset(at.position);
        Ok((analysis, u32::try_from(offset).unwrap_or(u32::MAX)))
    }
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::FULL),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: lsp_types::WorkDoneProgressOptions::default(),
        })),
        document_symbol_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
            ..CodeActionOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".to_string(), "/".to_string()]),
            ..CompletionOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}

fn failed(id: RequestId, code: ErrorCode, message: String) -> Response {
    Response::new_err(id, code as i32, message)
}

fn refused(message: String) -> (ErrorCode, String) {
    (ErrorCode::RequestFailed, message)
}

fn read<R: ask::Request>(params: Value) -> Result<R::Params, (ErrorCode, String)> {
    decoded(params)
}

fn decoded<P: DeserializeOwned>(params: Value) -> Result<P, (ErrorCode, String)> {
    serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}

fn json(result: impl Serialize) -> Answer {
    serde_json::to_value(result).map_err(|error| (ErrorCode::InternalError, error.to_string()))
}

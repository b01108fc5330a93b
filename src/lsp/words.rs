//! The words of the language, for completion.

/// Words that begin or belong to a declaration.
pub const AT_TOP: [&str; 9] =
    ["use", "pub", "const", "type", "template", "pipeline", "plugin", "test", "evaluation"];

/// Words inside of a declaration.
pub const INSIDE: [&str; 24] = [
    "let", "return", "if", "else", "for", "in", "and", "or", "not", "true", "false", "none",
    "generate", "from", "encode", "decode", "chat", "as", "match", "contains", "between", "expect",
    "snapshot", "measure",
];

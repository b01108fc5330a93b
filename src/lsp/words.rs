//! The words of the language, for completion and for what no name may be.

/// Words that cannot be names, those kept for later versions included (`reserved` in the grammar).
pub const RESERVED: [&str; 29] = [
    "use", "pub", "const", "type", "template", "pipeline", "let", "return", "if", "else", "for",
    "in", "and", "or", "not", "true", "false", "none", "generate", "encode", "decode", "as",
    "match", "plugin", "test", "try", "expect", "snapshot", "within",
];

/// Words that begin or belong to a declaration.
pub const AT_TOP: [&str; 7] = ["use", "pub", "const", "type", "template", "pipeline", "test"];

/// Words inside of a declaration.
pub const INSIDE: [&str; 22] = [
    "let", "return", "if", "else", "for", "in", "and", "or", "not", "true", "false", "none",
    "generate", "from", "encode", "decode", "chat", "as", "match", "contains", "expect",
    "snapshot",
];

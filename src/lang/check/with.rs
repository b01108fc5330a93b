//! `with { … }` of a test or an evaluation: which settings there may be.

use crate::base::Diagnostic;
use crate::lang::syntax::ast::Setting;
use crate::lang::words::listing;

use super::{Checker, did_you_mean};

/// What may stand in the braces.
pub struct Allowed {
    /// Whose they are, with its article.
    pub of: &'static str,
    pub names: &'static [&'static str],
    /// Who runs it, and what is said there and not in a file.
    pub command: &'static str,
    pub options: &'static [&'static str],
}

impl Checker<'_> {
    /// Those that are allowed, each once; the others are reported.
    pub fn allowed<'s>(&mut self, settings: &'s [Setting], allowed: &Allowed) -> Vec<&'s Setting> {
        let Allowed { of, names, command, options } = allowed;
        let mut kept: Vec<&Setting> = Vec::new();
        for setting in settings {
            let name = setting.name.text.as_str();
            if options.contains(&name) {
                self.error(
                    Diagnostic::error("E0401", format!("{of} does not say its {name}"))
                        .label(setting.span, "")
                        .help(format!("choose it with `{command} --{name}`")),
                );
            } else if !names.contains(&name) {
                let text = format!("there is no setting `{name}` of {of}");
                let diagnostic =
                    Diagnostic::error("E0401", text).label(setting.name.span, "not known");
                let diagnostic = did_you_mean(diagnostic, name, names.iter().copied());
                self.error(match diagnostic.help {
                    Some(_) => diagnostic,
                    None => {
                        diagnostic.help(format!("{of} has the settings {}", listing(names, "and")))
                    }
                });
            } else if kept.iter().any(|known| known.name.text == name) {
                self.error(
                    Diagnostic::error("E0405", format!("`{name}` is given twice"))
                        .label(setting.span, "again here")
                        .help("remove one of them"),
                );
            } else {
                kept.push(setting);
            }
        }
        kept
    }
}

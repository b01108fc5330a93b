//! Modules that use each other in a circle.

use crate::base::{Diagnostic, Span};
use crate::lang::syntax::ast::ItemKind;

use super::{ModuleIndex, Resolved};

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// Reports each circle once, with the way around it.
pub fn check(resolved: &Resolved, diagnostics: &mut Vec<Diagnostic>) {
    let edges: Vec<Vec<(ModuleIndex, Span)>> =
        (0..resolved.modules.len()).map(|index| edges(resolved, index)).collect();
    let mut state = vec![State::New; edges.len()];
    // The path walked so far: each module with the place of the edge to try next.
    let mut path: Vec<(ModuleIndex, usize)> = Vec::new();
    for start in 0..edges.len() {
        if state[start] == State::New {
            state[start] = State::Open;
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let Some(&(target, span)) = edges[*at].get(*next) else {
                state[*at] = State::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match state[target] {
                State::New => {
                    state[target] = State::Open;
                    path.push((target, 0));
                }
                State::Open => report(resolved, &path, &edges, target, span, diagnostics),
                State::Done => {}
            }
        }
    }
}

fn edges(resolved: &Resolved, index: ModuleIndex) -> Vec<(ModuleIndex, Span)> {
    let module = &resolved.modules[index];
    let uses = module.file.items.iter().enumerate().filter_map(|(place, item)| match &item.kind {
        ItemKind::Use(item) => {
            module.uses.get(&place).copied().flatten().map(|target| (target, item.path_span))
        }
        _ => None,
    });
    uses.collect()
}

fn report(
    resolved: &Resolved,
    path: &[(ModuleIndex, usize)],
    edges: &[Vec<(ModuleIndex, Span)>],
    target: ModuleIndex,
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let name = |index: ModuleIndex| match resolved.modules[index].path.as_str() {
        "" => "this file".to_string(),
        path => format!("`{path}`"),
    };
    let first = path.iter().position(|(module, _)| *module == target).unwrap_or(0);
    let circle = &path[first..];
    let mut names: Vec<String> = circle.iter().map(|(module, _)| name(*module)).collect();
    names.push(name(target));
    let mut diagnostic = if circle.len() == 1 {
        Diagnostic::error("E0205", "a module uses itself").label(span, "this is the same module")
    } else {
        Diagnostic::error("E0205", "modules use each other in a circle")
            .label(span, format!("back to {}", name(target)))
            .help(format!("the circle: {}", names.join(" → ")))
    };
    for (module, next) in &circle[..circle.len() - 1] {
        if let Some((to, span)) = edges[*module].get(next.wrapping_sub(1)) {
            diagnostic = diagnostic.label(*span, format!("{} is used here", name(*to)));
        }
    }
    diagnostics.push(diagnostic);
}

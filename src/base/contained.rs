//! A boundary around other people's decoders: their panics become errors of ours.
//!
//! Media are untrusted input, and a decoder of four container formats has arithmetic that some
//! file overflows. Such a file must cost its user one message, not the process.

use std::cell::Cell;
use std::panic::{self, UnwindSafe};
use std::sync::Once;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; `None` if it panicked. What it was given is dropped with it.
pub fn contained<T>(work: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    let outer = CONTAINED.replace(true);
    let result = panic::catch_unwind(work);
    CONTAINED.set(outer);
    result.ok()
}

/// Keeps contained panics from printing a backtrace; other panics print as before. The program
/// calls this once; a library must not touch the hook on its own.
pub fn silence_contained_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                usual(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_none_and_the_boundary_ends_with_it() {
        assert_eq!(contained(|| 7), Some(7));
        let nothing: Vec<u8> = Vec::new();
        assert_eq!(contained(move || nothing[3]), None);
        assert!(!CONTAINED.get());
        assert_eq!(contained(|| contained(|| panic!("inner")).is_none()), Some(true));
    }
}

//! One program for all targets: the library is linked once. `AGPT_FUZZ` names the target.

#![no_main]

#[path = "../mutate.rs"]
mod mutate;
#[path = "../targets/mod.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fn target() -> &'static targets::Target {
    static TARGET: OnceLock<&targets::Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        // Panics of decoders that are contained end the process otherwise: libFuzzer's hook aborts.
        let _ = std::panic::take_hook();
        let name = std::env::var("AGPT_FUZZ").unwrap_or_default();
        targets::named(&name).unwrap_or_else(|| {
            let names: Vec<_> = targets::TARGETS.iter().map(|target| target.name).collect();
            eprintln!("set AGPT_FUZZ to one of: {}", names.join(", "));
            std::process::exit(2)
        })
    })
}

fuzz_target!(|data: &[u8]| {
    let target = target();
    if std::panic::catch_unwind(|| (target.run)(data)).is_err() {
        std::process::abort();
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if target().program && !seed.is_multiple_of(4) {
        return mutate::program(data, size, max_size, seed);
    }
    fuzzer_mutate(data, size, max_size)
});

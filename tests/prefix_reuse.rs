//! What the engine keeps of an earlier sequence changes no reply: the same ids come from a fresh
//! engine and from one that has read the beginning of the prompt, or something else, before.

use agpt::base::rng::Stream;
use agpt::base::{Medium, Reply, Role};
use agpt::lang::types::Type;
use agpt::plan::graph::Held;
use agpt::runtime::engine::{Device, Engine};
use agpt::runtime::events::Silent;
use agpt::runtime::semantic::Request;
use agpt::runtime::settings::Settings;
use agpt::runtime::value::{Prompt, PromptPart, PromptTurn, Value};

fn says(role: Role, text: &str) -> PromptTurn {
    PromptTurn { role, parts: vec![PromptPart::Text(text.to_string())] }
}

fn reply(engine: &mut Engine, turns: &[PromptTurn], reply: Reply, seed: u64) -> Value {
    let prompt = Prompt { turns: turns.to_vec(), out: Type::Chat };
    let settings = Settings::default();
    let request =
        Request { path: "test", reply, prompt: &prompt, settings: &settings, held: &Held::Free };
    engine.generate(&request, &mut Stream::new(seed, "test"), &mut Silent).unwrap()
}

#[test]
fn replies_do_not_depend_on_what_was_read_before() {
    let image = Reply::Only(Medium::Image);
    let cases = [
        ("nano", vec![Reply::Only(Medium::Text), image]),
        ("tests/fixtures/bundle/sound", vec![Reply::Only(Medium::Speech), Reply::Mixed]),
    ];
    for (model, replies) in cases {
        let open = || Engine::open(model, Device::Cpu).unwrap();
        let mut used = open();
        for seed in 0..8 {
            let first = [says(Role::User, "Please paint this. This is input: a red apple")];
            let mut longer = first.to_vec();
            longer.push(says(Role::Assistant, "a red apple"));
            longer.push(says(Role::User, "Make it blue."));
            for kind in &replies {
                // Each begins as the one before does, or goes back to less than it.
                for turns in [&first[..], &longer[..], &longer[..], &first[..]] {
                    let kept = reply(&mut used, turns, *kind, seed);
                    assert_eq!(kept, reply(&mut open(), turns, *kind, seed), "{model} {seed}");
                }
            }
        }
    }
}

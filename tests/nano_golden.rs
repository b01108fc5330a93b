//! The shipped model against what its recipe's Python code computed from the same weights:
//! equal codes, equal prompt ids, equal captions; embeddings within 1e-3 of their scale (they
//! pass through bf16 weights and sums in another order).

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use agpt::base::rng::Stream;
use agpt::base::{Medium, Reply, Role};
use agpt::bundle::{PromptPart as Part, Turn};
use agpt::lang::settings::{Key, Stage};
use agpt::lang::types::Type;
use agpt::media::{RgbImage, Sound};
use agpt::models::seed_tokenizer::{Config, Decoder};
use agpt::plan::graph::Held;
use agpt::runtime::engine::{Device, Engine};
use agpt::runtime::events::{Events, Generated};
use agpt::runtime::semantic::Request;
use agpt::runtime::settings::Settings;
use agpt::runtime::value::{Media, Prompt, PromptPart, PromptTurn, Value};
use candle_core::{DType, Tensor};

/// Keeps the ids of the reply.
#[derive(Default)]
struct Listener(Vec<u32>);

impl Events for Listener {
    fn generated(&mut self, record: &Generated) {
        self.0.clone_from(&record.ids);
    }
}

fn numbers(value: &serde_json::Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect()
}

/// The prompt about a medium and the greedy reply to it, against those of the recipe.
fn assert_reply(engine: &mut Engine, medium: Medium, codes: &[u32], expected: &Expected) {
    let Expected { name, instruction, prompt_ids, reply_ids, reply } = expected;
    let parts = vec![Part::Text(instruction.clone()), Part::Tokens(medium, codes.to_vec())];
    let turn = Turn { role: Role::User, parts };
    let bundle = engine.bundle().clone();
    let prompt = bundle.prompt_builder().unwrap().build(&[turn], Medium::Text).unwrap();
    assert_eq!(prompt.ids, numbers(prompt_ids), "prompt of {name}");

    let parts =
        vec![PromptPart::Text(instruction.clone()), PromptPart::Tokens(medium, codes.into())];
    let turns = vec![PromptTurn { role: Role::User, parts }];
    let prompt = Prompt { turns, out: Type::TEXT };
    let (text, greedy) = (Reply::Only(Medium::Text), [Value::Float(0.0)]);
    let settings =
        Settings::new(Stage::Semantic, text, &[Key::of("temperature")], &greedy).unwrap();
    let mut stream = Stream::new(0, "golden");
    let request = Request {
        path: "golden",
        reply: text,
        prompt: &prompt,
        settings: &settings,
        held: &Held::Free,
    };
    let mut listener = Listener::default();
    let said = engine.generate(&request, &mut stream, &mut listener).unwrap();
    assert_eq!(said, Value::text(reply.as_str().unwrap()), "{name}");
    // The recipe keeps the token that ends the reply.
    let ids = numbers(reply_ids);
    assert_eq!(listener.0, ids[..ids.len() - 1], "ids of the reply to {name}");
}

struct Expected<'a> {
    name: &'a str,
    instruction: String,
    prompt_ids: &'a serde_json::Value,
    reply_ids: &'a serde_json::Value,
    reply: &'a serde_json::Value,
}

#[test]
fn codes_prompts_and_captions_equal_the_recipe_s() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = fs::read(root.join("stdlib/models/nano/card/golden.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    let instruction = format!("{} ", golden["instruction"].as_str().unwrap());
    let mut engine = Engine::open("nano", Device::Cpu).unwrap();
    let images = golden["images"].as_object().unwrap();
    assert!(images.len() >= 3);
    for (name, expected) in images {
        let image = RgbImage::load(root.join("examples/media").join(name)).unwrap();
        let image = Arc::new(Media::Image(image));
        let mut listener = Listener::default();
        let codes = engine.encode(Medium::Image, &[image], &mut listener).unwrap().remove(0);
        assert_eq!(codes, numbers(&expected["codes"]), "codes of {name}");

        let reply = Expected {
            name,
            instruction: instruction.clone(),
            prompt_ids: &expected["prompt_ids"],
            reply_ids: &expected["caption_ids"],
            reply: &expected["caption"],
        };
        assert_reply(&mut engine, Medium::Image, &codes, &reply);

        let bundle = engine.bundle().clone();
        let tokenizer = bundle.tokenizer(Medium::Image).unwrap();
        let config: Config = tokenizer.json("config.json").unwrap();
        let device = candle_core::Device::Cpu;
        let decoder =
            Decoder::load(&config, tokenizer.var_builder(DType::F32, &device).unwrap()).unwrap();
        let codes = Tensor::new(codes.as_slice(), &device).unwrap().unsqueeze(0).unwrap();
        let embeds = decoder.image_embeds(&codes).unwrap().flatten_all().unwrap();
        let embeds: Vec<f32> = embeds.to_vec1().unwrap();
        for (ours, theirs) in
            embeds.iter().zip(expected["image_embeds_first_8"].as_array().unwrap())
        {
            let theirs = theirs.as_f64().unwrap() as f32;
            assert!((ours - theirs).abs() < 1e-3, "embedding of {name}: {ours} and {theirs}");
        }
    }
}

#[test]
fn sounds_codes_and_replies_equal_the_recipe_s() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = fs::read(root.join("stdlib/models/nano/card/golden_sound.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    let mut engine = Engine::open("nano", Device::Cpu).unwrap();
    for (name, medium) in [("apple.wav", Medium::Speech), ("melody.wav", Medium::Music)] {
        let expected = &golden[name];
        let sound = Sound::load(root.join("examples/media").join(name)).unwrap();
        let media = match medium {
            Medium::Speech => Media::Speech(sound),
            _ => Media::Music(sound),
        };
        let mut listener = Listener::default();
        let codes = engine.encode(medium, &[Arc::new(media)], &mut listener).unwrap().remove(0);
        assert_eq!(codes, numbers(&expected["codes"]), "codes of {name}");

        let reply = Expected {
            name,
            instruction: format!("{} ", expected["instruction"].as_str().unwrap()),
            prompt_ids: &expected["prompt_ids"],
            reply_ids: &expected["reply_ids"],
            reply: &expected["reply"],
        };
        assert_reply(&mut engine, medium, &codes, &reply);
    }
}

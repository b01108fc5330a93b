//! The SEED tokenizer against the published code (tests/reference).

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::models::seed_tokenizer::{Config, Decoder, Encoder};
use fixture::{Fixture, Outcome};

#[test]
fn codes_and_embeddings() -> Outcome {
    let fixture = Fixture::open("seed_tokenizer");
    let cfg: Config = fixture.config();
    let encoder = Encoder::load(&cfg, fixture.weights())?;
    let pixels = fixture.get("input.pixels");
    fixture.check("output.features", &encoder.features(&pixels)?);
    let codes = encoder.encode(&pixels)?;
    let want = fixture.get("output.codes");
    assert_eq!(codes.to_vec2::<u32>()?, want.to_vec2::<u32>()?);

    let decoder = Decoder::load(&cfg, fixture.weights())?;
    fixture.check("output.image_embeds", &decoder.image_embeds(&codes)?);
    Ok(())
}

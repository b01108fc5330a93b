//! SpeechTokenizer and EnCodec against the packages of their authors (tests/reference).

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::models::speech_tokenizer::SpeechTokenizer;
use agpt::models::{Error, encodec, speech_tokenizer};
use candle_core::{Device, Tensor};
use fixture::{Fixture, Outcome};

const LENGTHS: [usize; 4] = [240, 251, 5, 1];

fn samples(fixture: &Fixture, name: &str) -> Vec<f32> {
    fixture::values(&fixture.get(name))
}

fn check(fixture: &Fixture, name: &str, got: Vec<f32>) -> Outcome {
    let count = got.len();
    fixture.check(name, &Tensor::from_vec(got, (1, 1, count), &Device::Cpu)?);
    Ok(())
}

#[test]
fn speech_tokenizer_of_both_kinds() -> Outcome {
    for name in ["speech_tokenizer_snake", "speech_tokenizer_elu"] {
        let fixture = Fixture::open(name);
        let config: speech_tokenizer::Config = fixture.config();
        let model = SpeechTokenizer::load(&config, fixture.weights())?;
        for length in LENGTHS {
            let input = samples(&fixture, &format!("input.samples_{length}"));
            let codes = model.encode(&input, config.n_q)?;
            let want = fixture.get(&format!("output.codes_{length}")).to_vec2::<u32>()?;
            assert_eq!(codes, want, "{name} {length}");
            assert_eq!(codes[0].len(), length.div_ceil(config.hop_length()));
            assert_eq!(model.encode(&input, 1)?, want[..1], "the first layer needs no other");
            check(&fixture, &format!("output.samples_{length}"), model.decode(&codes)?)?;
            check(&fixture, &format!("output.first_two_{length}"), model.decode(&codes[..2])?)?;
        }
    }
    Ok(())
}

#[test]
fn encodec_with_and_without_shortcut_in_both_spellings() -> Outcome {
    for name in ["encodec_plain", "encodec_shortcut"] {
        let fixture = Fixture::open(name);
        let config: encodec::Config = fixture.config();
        assert_eq!(config.num_quantizers(), 4);
        let model = encodec::Encodec::load(&config, fixture.weights())?;
        for length in LENGTHS {
            let input = samples(&fixture, &format!("input.samples_{length}"));
            let codes = model.encode(&input)?;
            let want = fixture.get(&format!("output.codes_{length}")).to_vec2::<u32>()?;
            assert_eq!(codes, want, "{name} {length}");
            check(&fixture, &format!("output.samples_{length}"), model.decode(&codes)?)?;
        }
    }
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_samples() -> Outcome {
    let fixture = Fixture::open("speech_tokenizer_snake");
    let config: speech_tokenizer::Config = fixture.config();
    let model = SpeechTokenizer::load(&config, fixture.weights())?;
    let input = samples(&fixture, "input.samples_251");
    let run = |threads| -> Result<Vec<f32>, Error> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| model.decode(&model.encode(&input, config.n_q)?))
    };
    assert_eq!(run(1)?, run(3)?);
    Ok(())
}

#[test]
fn what_a_codec_cannot_do_is_said() -> Outcome {
    let fixture = Fixture::open("speech_tokenizer_snake");
    let config: speech_tokenizer::Config = fixture.config();
    let model = SpeechTokenizer::load(&config, fixture.weights())?;
    assert!(matches!(model.encode(&[], 1), Err(Error::Input { .. })));
    assert!(matches!(model.encode(&[0.0, f32::NAN], 1), Err(Error::Input { .. })));
    assert!(matches!(model.decode(&[]), Err(Error::Input { .. })));
    assert!(matches!(model.decode(&[vec![]]), Err(Error::Input { .. })));
    assert!(matches!(model.decode(&[vec![1, 2], vec![1]]), Err(Error::Input { .. })));
    assert!(matches!(model.decode(&vec![vec![1]; 9]), Err(Error::Input { .. })));
    assert!(matches!(model.decode(&[vec![32]]), Err(Error::Code { code: 32, .. })));

    let plain = Fixture::open("encodec_plain");
    let good: encodec::Config = plain.config();
    let refused = |config: encodec::Config| match encodec::Encodec::load(&config, plain.weights()) {
        Err(Error::Config { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(encodec::Config { use_causal_conv: true, ..good.clone() }),
        "use_causal_conv"
    );
    assert_eq!(refused(encodec::Config { normalize: true, ..good.clone() }), "normalize");
    assert_eq!(refused(encodec::Config { audio_channels: 2, ..good.clone() }), "audio_channels");
    let none = encodec::Config { upsampling_ratios: vec![], ..good.clone() };
    assert_eq!(refused(none), "upsampling_ratios");
    let low = encodec::Config { target_bandwidths: vec![0.1], ..good };
    assert_eq!(refused(low), "target_bandwidths");
    let odd = speech_tokenizer::Config { activation: "ReLU".into(), ..config };
    let error = SpeechTokenizer::load(&odd, fixture.weights()).err().map(|error| error.to_string());
    assert!(error.is_some_and(|text| text.contains("`activation` is `ReLU`")));
    Ok(())
}

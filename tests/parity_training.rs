//! The network that is trained against transformers (tests/reference/training.py): losses of
//! packed rows and the gradients of all weights.

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::models::llama::Config;
use agpt::train::network::{Attention, Batch, Error, Network};
use candle_core::{DType, Device, Tensor};
use fixture::{Fixture, Outcome, TOLERANCE, relative_error};
use std::collections::HashMap;

fn ids(tensor: &Tensor) -> candle_core::Result<Vec<u32>> {
    tensor.flatten_all()?.to_vec1()
}

fn batch(fixture: &Fixture) -> Result<Batch, Box<dyn std::error::Error>> {
    let (rows, length) = fixture.get("input.ids").dims2()?;
    Ok(Batch {
        rows,
        length,
        ids: ids(&fixture.get("input.ids"))?,
        counted: ids(&fixture.get("input.counted"))?.iter().map(|&c| c == 1).collect(),
        segments: ids(&fixture.get("input.segments"))?,
    })
}

fn network(fixture: &Fixture, compute: DType) -> Result<Network, Error> {
    Network::new(&fixture.config::<Config>(), fixture.state(), compute, &Device::Cpu)
}

fn compare(name: &'static str, mode: &str, attention: Attention) -> Outcome {
    let fixture = Fixture::open(name);
    let network = network(&fixture, DType::F32)?;
    let batch = batch(&fixture)?;
    let (losses, targets) = network.losses(&batch, attention)?;
    let counted = batch.ids.iter().zip(&batch.counted).filter(|(_, counted)| **counted);
    assert_eq!(targets, counted.map(|(&id, _)| id).collect::<Vec<_>>());
    fixture.check(&format!("{mode}.losses"), &losses);

    let gradients = (losses * fixture.get("input.upstream"))?.sum_all()?.backward()?;
    for (name, parameter) in network.parameters() {
        let gradient = gradients.get(parameter);
        let gradient = gradient.ok_or_else(|| format!("{name} got no gradient"))?;
        fixture.check(&format!("{mode}.gradient.{name}"), gradient);
    }
    Ok(())
}

#[test]
fn grouped_queries() -> Outcome {
    compare("training_grouped", "sequence", Attention::Sequence)?;
    compare("training_grouped", "sample", Attention::Sample)
}

#[test]
fn tied_embeddings() -> Outcome {
    compare("training_tied", "sequence", Attention::Sequence)?;
    compare("training_tied", "sample", Attention::Sample)
}

/// bf16 keeps 8 bits: losses and gradients stay near those of f32, and the weights stay f32.
#[test]
fn half_precision_is_near() -> Outcome {
    let fixture = Fixture::open("training_grouped");
    let network = network(&fixture, DType::BF16)?;
    let (losses, _) = network.losses(&batch(&fixture)?, Attention::Sample)?;
    assert_eq!(losses.dtype(), DType::F32);
    let error = relative_error(&losses, &fixture.get("sample.losses"));
    assert!((TOLERANCE..0.05).contains(&error), "{error}");
    let gradients = (losses * fixture.get("input.upstream"))?.sum_all()?.backward()?;
    for (name, parameter) in network.parameters() {
        let gradient = gradients.get(parameter);
        let gradient = gradient.ok_or_else(|| format!("{name} got no gradient"))?;
        assert_eq!(gradient.dtype(), DType::F32);
        let want = fixture.get(&format!("sample.gradient.{name}"));
        let norm = |t: &Tensor| t.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>();
        let error = norm(&(gradient - &want)?)? / norm(&want)?;
        assert!(error < 0.05, "{name}: {error}");
    }
    Ok(())
}

#[test]
fn parameters_are_in_order() -> Outcome {
    let network = network(&Fixture::open("training_grouped"), DType::F32)?;
    let names: Vec<&str> = network.parameters().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 2 * 9 + 3);
    assert_eq!(names[0], "model.embed_tokens.weight");
    assert_eq!(names[1], "model.layers.0.input_layernorm.weight");
    assert_eq!(names[2], "model.layers.0.self_attn.q_proj.weight");
    assert_eq!(names[10], "model.layers.1.input_layernorm.weight");
    assert_eq!(names[19..], ["model.norm.weight", "lm_head.weight"]);
    Ok(())
}

#[test]
fn tensors_at_fault_are_named() -> Outcome {
    let fixture = Fixture::open("training_grouped");
    let fails = |change: &dyn Fn(&mut HashMap<String, Tensor>, &mut Config)| {
        let (mut tensors, mut config) = (fixture.state(), fixture.config::<Config>());
        change(&mut tensors, &mut config);
        match Network::new(&config, tensors, DType::F32, &Device::Cpu) {
            Ok(_) => "no error".to_string(),
            Err(error) => error.to_string(),
        }
    };
    let norm = "model.norm.weight";
    let message = fails(&|tensors, _| drop(tensors.remove(norm)));
    assert_eq!(
        message,
        "the checkpoint lacks the tensor model.norm.weight; the configuration asks for it"
    );
    let message = fails(&|tensors, _| {
        let tensor = tensors[norm].clone();
        tensors.insert("model.extra".into(), tensor);
    });
    assert!(message.starts_with("the checkpoint holds the tensor model.extra"), "{message}");
    let message = fails(&|tensors, _| {
        let tensor = tensors[norm].narrow(0, 0, 31).expect("a norm of 32");
        tensors.insert(norm.into(), tensor);
    });
    assert!(message.contains("model.norm.weight has the shape [31]"), "{message}");
    assert!(fails(&|_, config| config.mlp_bias = true).contains("mlp_bias"));
    Ok(())
}

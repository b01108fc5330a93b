//! AdamW and Muon against PyTorch: parameters after each of six steps whose gradients grow by four
//! orders of magnitude.

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::train::optimizer::Optimizer;
use agpt::train::recipe;
use candle_core::{Tensor, Var};
use fixture::{Fixture, Outcome, TOLERANCE, relative_error};
use serde_json::{Value, json};

const SHAPES: [&str; 3] = ["wide", "tall", "square"];

/// The parameter after each step.
fn run(fixture: &Fixture, shape: &str, name: &str, recipe: &recipe::Optimizer) -> Vec<Tensor> {
    let config: Value = fixture.config();
    let var = Var::from_tensor(&fixture.get(&format!("{shape}.start"))).unwrap();
    let parameters = [(name.to_string(), var.clone())];
    let mut optimizer = Optimizer::new(recipe, &parameters).unwrap();
    let gradients = fixture.get(&format!("{shape}.gradients"));
    let factors = config["factors"].as_array().unwrap();
    let step = |(at, factor): (usize, &Value)| {
        let gradient = gradients.get(at).unwrap();
        optimizer.step(&[gradient], factor.as_f64().unwrap()).unwrap();
        // The variable is overwritten by the next step.
        var.as_detached_tensor().copy().unwrap()
    };
    factors.iter().enumerate().map(step).collect()
}

fn recipe(config: &Value) -> recipe::Optimizer {
    let (adamw, muon) = (&config["adamw"], &config["muon"]);
    serde_json::from_value(json!({
        "adamw": {
            "rate": adamw["lr"], "betas": adamw["betas"], "eps": adamw["eps"],
            "weight_decay": adamw["weight_decay"],
        },
        "muon": {
            "rate": muon["lr"], "momentum": muon["momentum"], "nesterov": muon["nesterov"],
            "weight_decay": muon["weight_decay"],
        },
    }))
    .unwrap()
}

#[test]
fn adamw_is_torchs() -> Outcome {
    let fixture = Fixture::open("optimizers");
    let recipe = recipe(&fixture.config());
    for shape in SHAPES {
        let steps = run(&fixture, shape, "lm_head.weight", &recipe);
        fixture.check(&format!("{shape}.adamw"), &Tensor::stack(&steps, 0)?);
    }
    Ok(())
}

#[test]
fn muon_is_torchs_with_its_iteration_in_f32() -> Outcome {
    let fixture = Fixture::open("optimizers");
    let recipe = recipe(&fixture.config());
    for shape in SHAPES {
        let steps = run(&fixture, shape, "model.layers.0.mlp.up_proj.weight", &recipe);
        fixture.check(&format!("{shape}.muon"), &Tensor::stack(&steps, 0)?);
    }
    Ok(())
}

/// What bf16 makes of it: the updates of all steps together differ by about 1 %, ours as torch's own.
#[test]
fn muon_is_near_to_torchs_in_bf16() -> Outcome {
    let fixture = Fixture::open("optimizers");
    let recipe = recipe(&fixture.config());
    for shape in SHAPES {
        let steps = run(&fixture, shape, "model.layers.0.mlp.up_proj.weight", &recipe);
        let error =
            relative_error(&Tensor::stack(&steps, 0)?, &fixture.get(&format!("{shape}.muon_bf16")));
        println!("{shape}: relative error {error:.1e}");
        assert!(error > TOLERANCE && error < 2e-2, "{shape}: {error}");
    }
    Ok(())
}

use super::*;

const SMALL: &str = "
model: nano
data: [{ path: packed }]
length: 64
batch: { tokens_per_step: 256 }
steps: 10
optimizer: { adamw: { rate: 1e-3 } }
";

fn parse(text: &str) -> Result<Recipe, String> {
    Recipe::parse(text, "r.yaml").map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    parse(text).expect_err("this is wrong")
}

#[test]
fn what_is_left_out_has_the_papers_defaults() {
    let recipe = parse(SMALL).unwrap();
    assert_eq!(recipe.schedule, Schedule { warmup_ratio: 0.03, min_rate: 0.0 });
    assert_eq!(recipe.optimizer.adamw.betas, [0.9, 0.999]);
    assert_eq!(recipe.attention, Attention::Sequence);
    assert_eq!((recipe.shares, recipe.clip, recipe.dtype), (None, None, Precision::F32));
    assert_eq!(recipe.step_size(), Ok(StepSize::Tokens { step: 256, pass: 256 }));
}

#[test]
fn a_recipe_survives_being_written() {
    let text = format!(
        "{SMALL}clip: 1.0\nshares: {{ image: 0.5 }}\ninit: {{ seed: 3, config: {{ hidden_size: 8 }} }}\n"
    );
    let recipe = parse(&text).unwrap();
    let json = serde_json::to_string(&recipe).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
}

#[test]
fn mistakes_have_a_place() {
    let at = |from: &str, to: &str| refused(&SMALL.replace(from, to));
    assert_eq!(
        at("steps: 10", "step: 10"),
        "r.yaml:6:1: there is no `step` here; did you mean `steps`?"
    );
    let zero = at("steps: 10", "steps: 0");
    assert!(zero.starts_with("r.yaml:6:8: 0 is out of range"), "{zero}");
    let rate = at("rate: 1e-3", "rate: -1");
    assert!(rate.contains("r.yaml:7:") && rate.contains("above 0"), "{rate}");
    let missing = at("length: 64\n", "");
    assert!(missing.contains("`length` is missing"), "{missing}");
    assert!(at("rate: 1e-3", "rate: .nan").contains("out of range"));
    assert!(at("rate: 1e-3", "rate: 1, betas: [0.9, 1.0]").contains("below 1"));
}

#[test]
fn parts_that_do_not_fit_are_named() {
    let with = |more: &str| refused(&format!("{SMALL}{more}\n"));
    assert!(
        with("shares: { text: 0, image: 0, speech: 0, music: 0 }")
            .contains("nothing would be learnt")
    );
    assert!(with("init: { seed: 1, config: { vocab_size: 3 } }").contains("vocab_size"));
    let batch = |to: &str| refused(&SMALL.replace("{ tokens_per_step: 256 }", to));
    assert!(batch("{ tokens_per_step: 256, rows: 1 }").contains("`batch`"));
    assert!(batch("{}").contains("`batch`"));
    assert!(batch("{ tokens_per_step: 256, tokens_per_pass: 10 }").contains("`length`"));
    let data = "data: [{ path: a, weight: 1 }, { path: b }]";
    assert!(refused(&SMALL.replace("data: [{ path: packed }]", data)).contains("`weight`"));
}

#[test]
fn paths_are_below_the_recipes_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.yaml");
    std::fs::write(&path, SMALL.replace("model: nano", "model: ./own")).unwrap();
    let recipe = Recipe::read(&path).unwrap();
    assert_eq!(recipe.data[0].path, folder.path().join("packed"));
    assert_eq!(recipe.model, folder.path().join("./own").display().to_string());
}

#[test]
fn the_recipes_of_the_paper_are_valid() {
    for (name, rate, length) in [("pretrain", 3e-5, 4500), ("finetune", 2e-5, 4096)] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("stdlib/training/{name}.yaml"));
        let recipe = Recipe::read(&path).unwrap();
        assert_eq!((recipe.optimizer.adamw.rate, recipe.length), (rate, length));
        assert_eq!(recipe.optimizer.adamw.weight_decay, 0.0);
        assert_eq!((recipe.dtype, recipe.schedule.warmup_ratio), (Precision::Bf16, 0.03));
    }
}

#[test]
fn the_data_of_a_stage_are_packed_for_its_model_and_length() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/training");
    for (data, stage) in [("data-pretrain", "pretrain"), ("data-instruct", "finetune")] {
        let path = folder.join(format!("{data}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let packed = crate::data::recipe::Recipe::parse(&text, &path).unwrap();
        let trained = Recipe::read(&folder.join(format!("{stage}.yaml"))).unwrap();
        let command = format!("agpt data pack {data}.yaml --model {} --out", trained.model);
        assert!(text.contains(&command), "{data}.yaml should say `{command}`");
        assert_eq!(packed.max_length.map(|most| most as u64), Some(trained.length), "{data}");
    }
}

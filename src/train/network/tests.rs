//! The two ways through the network against each other.

use super::*;
use candle_core::Var;

fn config() -> Config {
    Config {
        vocab_size: 71,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 3,
        num_attention_heads: 6,
        num_key_value_heads: Some(2),
        ..Config::anygpt_base()
    }
}

fn network(config: &Config) -> Network {
    let mut tensors = HashMap::new();
    for (number, (name, shape)) in weights::shapes(config).into_iter().enumerate() {
        let len: usize = shape.iter().product();
        let value = |i: usize| ((i * 37 + number * 11) as f32 * 0.61).sin() * 0.4;
        let data: Vec<f32> = (0..len).map(value).collect();
        tensors.insert(name, Tensor::from_vec(data, shape, &Device::Cpu).unwrap());
    }
    Network::new(config, tensors, DType::F32, &Device::Cpu).unwrap()
}

fn batch() -> Batch {
    let (rows, length) = (3, 210);
    let size = rows * length;
    let segment = |i: usize| match (i / length, i % length) {
        (0, column) => 1 + column as u32 / 70,
        (1, column) if column < 150 => 1 + (column >= 99) as u32,
        (1, _) => 0,
        _ => 1,
    };
    let segments: Vec<u32> = (0..size).map(segment).collect();
    Batch {
        rows,
        length,
        ids: (0..size as u32).map(|i| i * i % 71).collect(),
        counted: (0..size).map(|i| segments[i] != 0 && i % 3 != 0).collect(),
        segments,
    }
}

fn gradients(network: &Network, losses: &Tensor) -> Vec<Vec<f32>> {
    let weights: Vec<f32> = (0..losses.elem_count()).map(|i| (i as f32).cos()).collect();
    let weights = Tensor::new(weights, losses.device()).unwrap();
    let store = (losses * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let flat = |var: &Var| store.get(var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    network.parameters().iter().map(|(_, var)| flat(var)).collect()
}

#[test]
fn kernels_and_candle_agree() {
    for tied in [false, true] {
        let network = network(&Config { tie_word_embeddings: tied, ..config() });
        for attention in [Attention::Sequence, Attention::Sample] {
            let tokens = Tokens::new(&batch(), attention, 71).unwrap();
            let fused = network.fused(&tokens).unwrap();
            let composed = network.composed(&tokens).unwrap();
            let close = |got: &[f32], want: &[f32]| {
                let size = want.iter().map(|x| x * x).sum::<f32>() / want.len() as f32;
                for (got, want) in got.iter().zip(want) {
                    let error = (got - want).abs() / want.abs().max(size.sqrt());
                    assert!(error < 2e-4, "{got} for {want}");
                }
            };
            close(&fused.to_vec1::<f32>().unwrap(), &composed.to_vec1::<f32>().unwrap());
            let both = gradients(&network, &fused).into_iter().zip(gradients(&network, &composed));
            both.for_each(|(got, want)| close(&got, &want));
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let network = network(&config());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (losses, _) = network.losses(&batch(), Attention::Sample).unwrap();
            (losses.to_vec1::<f32>().unwrap(), gradients(&network, &losses))
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

#[test]
fn a_second_backward_is_refused() {
    let network = network(&config());
    let (losses, _) = network.losses(&batch(), Attention::Sequence).unwrap();
    losses.sum_all().unwrap().backward().unwrap();
    let error = losses.sum_all().unwrap().backward().unwrap_err().to_string();
    assert!(error.contains("go backward once"), "{error}");
}

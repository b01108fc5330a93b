//! How much memory a training needs, before it is taken: candle ends the process when there is none.

use super::TrainError;
use super::feed::Pass;
use super::recipe::{Precision, Recipe};
use super::start::shapes;
use crate::models::llama::Config;

/// What is needed at the moment at which the most is, by what it is for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Weights, gradients (the present ones and the sum of the step's), moments, and the program.
    pub parameters: u64,
    /// What a pass keeps for its gradient, and what it computes with.
    pub activations: u64,
    /// The scores of a pass's targets, and their gradient.
    pub scores: u64,
}

/// The size of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassSize {
    /// Tokens, without padding.
    pub tokens: u64,
    /// Of the longest sequence.
    pub length: u64,
    /// Tokens that count for the loss.
    pub targets: u64,
    /// Whether the step has other passes, so that gradients are summed.
    pub summed: bool,
}

/// The program with its libraries and threads, and its embedded model.
const PROGRAM: u64 = 50_000_000;
/// What the allocator keeps beyond what is asked for, as measured (docs/training.md).
const ALLOCATOR: f64 = 1.08;
/// Rows whose logits are held at a time: `ops/cross_entropy`.
const LOGITS: u64 = 384;
/// Queries whose scores a thread holds: `ops/attention`.
const QUERIES: u64 = 96;

/// The numbers (elements in f32) that the network's tensors have.
struct Elements {
    all: u64,
    moments: u64,
    layer: u64,
    embedding: u64,
}

impl Elements {
    fn of(recipe: &Recipe, config: &Config) -> Self {
        let (mut all, mut moments, mut layer) = (0, 0, 0);
        for (name, shape) in shapes(config) {
            let elements: u64 = shape.iter().map(|side| *side as u64).product();
            let muon =
                recipe.optimizer.muon.is_some() && name.contains("layers.") && shape.len() == 2;
            all += elements;
            moments += elements * if muon { 1 } else { 2 };
            layer += if name.contains("layers.0.") { elements } else { 0 };
        }
        let embedding = (config.vocab_size * config.hidden_size) as u64;
        Elements { all, moments, layer, embedding }
    }
}

impl Needs {
    pub fn total(&self) -> u64 {
        self.parameters.saturating_add(self.activations).saturating_add(self.scores)
    }

    /// The needs of a step with passes of the size of `pass`.
    pub fn of(recipe: &Recipe, config: &Config, pass: PassSize, fused: bool) -> Self {
        match fused {
            true => Needs::fused(recipe, config, pass),
            false => Needs::composed(recipe, config, pass),
        }
    }

    /// Of the passes that are candle's operations. Kept for the gradient of a layer are, of each
    /// token, about 14 vectors of the hidden size, 5 of the inner size, and 4 rows of attention
    /// scores per head.
    fn composed(recipe: &Recipe, config: &Config, pass: PassSize) -> Self {
        let size = match recipe.dtype {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        };
        let elements = Elements::of(recipe, config);
        // f32: weight, gradient, sum, moments; and a copy to compute with.
        let copy = if size == 2 { 2 * elements.all } else { 0 };
        let parameters = 4 * (3 * elements.all + elements.moments) + copy;
        let (hidden, inner) = (config.hidden_size as u64, config.intermediate_size as u64);
        let row = 14 * hidden + 5 * inner + 4 * config.num_attention_heads as u64 * pass.length;
        let activations = pass.tokens * row * config.num_hidden_layers as u64 * size;
        let scores = pass.targets * config.vocab_size as u64 * 4 * 4;
        Needs { parameters, activations, scores }
    }

    /// Of the hand-written passes (`network/fused`): the largest of five moments.
    fn fused(recipe: &Recipe, config: &Config, pass: PassSize) -> Self {
        let Elements { all, moments, layer, embedding } = Elements::of(recipe, config);
        let (hidden, inner) = (config.hidden_size as u64, config.intermediate_size as u64);
        let heads = config.num_attention_heads as u64;
        let queries = heads * config.head_dim() as u64;
        let keys = (config.key_value_heads() * config.head_dim()) as u64;
        let (layers, vocabulary) = (config.num_hidden_layers as u64, config.vocab_size as u64);
        let PassSize { tokens, targets, .. } = pass;

        // Weights and moments are always there; the sum of gradients from the second pass on.
        let kept = all + moments + if pass.summed { all } else { 0 };
        // What `LayerTrace` holds.
        let vectors = 2 * hidden + 2 * (queries + keys) + 2 * inner;
        let trace = tokens * (vectors + heads + 2);
        // Backward of a layer, by the gradient of its result: the inner vectors twice and packed, one
        // weight and its gradient; then, without gate and up, that of attention and its projections.
        let perceptron = tokens * 3 * inner + 2 * hidden * inner;
        let attention = (tokens * (4 * queries + 2 * (queries + 2 * keys) + 2 * hidden))
            .saturating_sub(tokens * 2 * inner);
        let threads = rayon::current_num_threads() as u64;
        let blocks = threads * pass.length * (QUERIES + 4 * config.head_dim() as u64);
        let backward = tokens * hidden + perceptron.max(attention) + blocks;
        // The head's weight packed both ways and its gradient; a few rows of logits; the rows before
        // it, normalised and their gradient.
        let logits = LOGITS.min(targets) * vocabulary;
        let head = 3 * embedding + logits + 3 * targets * hidden;

        let moment = |parameters: u64, activations: u64, scores: u64| {
            let bytes = |elements: u64| (4.0 * ALLOCATOR * elements as f64) as u64;
            Needs {
                parameters: bytes(parameters) + PROGRAM,
                activations: bytes(activations),
                scores: bytes(scores),
            }
        };
        let others = layers.saturating_sub(1) * layer;
        let moments = [
            // Backward of the head, of the last layer, of the first one; all gradients are there and
            // are added; the optimizer's step.
            moment(kept, layers * trace, head),
            moment(kept, layers * trace + backward, embedding),
            moment(kept + others, trace + backward, embedding),
            moment(kept + all + 3 * embedding, 0, 0),
            moment(2 * all + moments + 5 * embedding.max(hidden * inner), 0, 0),
        ];
        // There are five.
        moments.into_iter().max_by_key(Needs::total).unwrap_or(moments[0])
    }

    /// The needs of the largest of a step's passes.
    pub fn of_passes(
        recipe: &Recipe,
        config: &Config,
        passes: &[Pass],
        fused: bool,
    ) -> Option<Self> {
        let of = |pass: &Pass| {
            let size = PassSize {
                tokens: pass.tokens(),
                length: pass.rows.iter().map(|row| row.item.length).max().unwrap_or(0) as u64,
                targets: pass.targets().count() as u64,
                summed: passes.len() > 1,
            };
            Needs::of(recipe, config, size, fused)
        };
        passes.iter().map(of).max_by_key(Needs::total)
    }

    /// Refuses what goes beyond `available`.
    pub fn within(&self, available: u64) -> Result<(), TrainError> {
        if self.total() <= available {
            return Ok(());
        }
        Err(TrainError::Memory {
            needed: size(self.total()),
            available: size(available),
            parts: format!(
                "{} for weights, gradients and moments, {} for a pass and {} for its scores",
                size(self.parameters),
                size(self.activations),
                size(self.scores)
            ),
        })
    }
}

fn size(bytes: u64) -> String {
    crate::runtime::engine::Bytes(bytes).to_string()
}

/// The memory that the system can give, where it says so: what is free, or what the container's limit
/// leaves of it.
pub fn available() -> Option<u64> {
    let system = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| free(&text));
    let limits = [
        (
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory.current",
            "/sys/fs/cgroup/memory.stat",
        ),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
            "/sys/fs/cgroup/memory/memory.stat",
        ),
    ];
    let read = |path| std::fs::read_to_string(path).ok();
    let contained = limits.into_iter().find_map(|(limit, used, stat)| {
        left(&read(limit)?, &read(used)?, &read(stat).unwrap_or_default())
    });
    system.into_iter().chain(contained).min()
}

/// Of /proc/meminfo.
fn free(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What a container's limit leaves; none where it has no limit. Cached files are given back when
/// memory is needed, so they count as free.
fn left(limit: &str, used: &str, stat: &str) -> Option<u64> {
    let limit: u64 = limit.trim().parse().ok()?;
    let used: u64 = used.trim().parse().ok()?;
    let cached = ["inactive_file ", "active_file "].iter().filter_map(|name| {
        stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    });
    Some(limit.saturating_sub(used.saturating_sub(cached.sum())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_limit_counts() {
        assert_eq!(free("MemTotal: 9 kB\nMemAvailable:   3 kB\n"), Some(3072));
        assert_eq!(left("max\n", "5", ""), None);
        assert_eq!(left("1000\n", "700\n", ""), Some(300));
        assert_eq!(left("1000", "700", "anon 1\ninactive_file 200\nactive_file 50\n"), Some(550));
        assert_eq!(left("1000", "2000", ""), Some(0));
    }

    /// Peaks of whole trainings of two steps, measured as docs/training.md says.
    #[test]
    fn estimates_are_never_below_the_peak_and_at_most_a_third_above() {
        let config = |hidden: usize, inner: usize, layers: usize, heads: usize| -> Config {
            serde_json::from_value(serde_json::json!({
                "vocab_size": 3596, "hidden_size": hidden, "intermediate_size": inner,
                "num_hidden_layers": layers, "num_attention_heads": heads,
            }))
            .unwrap()
        };
        for (config, muon, (tokens, summed), peak) in [
            (config(256, 704, 6, 4), true, (4096, true), 500e6),
            (config(256, 704, 6, 4), true, (1024, true), 234e6),
            (config(256, 704, 6, 4), false, (16384, false), 1475e6),
            (config(128, 352, 4, 4), false, (2048, true), 126e6),
            (config(512, 1408, 8, 8), true, (2048, true), 887e6),
            (config(512, 1408, 8, 8), false, (2048, false), 855e6),
            (config(768, 2048, 12, 12), false, (512, true), 1947e6),
        ] {
            let muon = if muon { "muon: { rate: 1.0e-4 }" } else { "" };
            let recipe: Recipe = serde_saphyr::from_str(&format!(
                "model: nano\nlength: 512\nbatch: {{ rows: 1 }}\nsteps: 2\n\
                 optimizer:\n  adamw: {{ rate: 1.0e-4 }}\n  {muon}\n"
            ))
            .unwrap();
            let pass = PassSize { tokens, length: 512, targets: tokens, summed };
            let needs = Needs::of(&recipe, &config, pass, true).total() as f64;
            assert!((1.0..1.3).contains(&(needs / peak)), "{needs} for {peak}: {config:?}");
        }
    }
}

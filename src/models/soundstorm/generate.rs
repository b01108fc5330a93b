//! Masked parallel decoding, level by level (Borsos et al. 2023, section 3.4).
//!
//! The first acoustic level is filled in several passes, the surest codes first; each further
//! level in one.

use super::{Progress, SoundStorm};
use crate::models::{Error, Result};

/// How the first level is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// The paper's: of the frames asked for, after pass i of n the ⌊cos(π/2 · i/n) · frames⌋
    /// least sure are masked again; what is known stays, the prompt included. Codes are drawn
    /// at a temperature that falls from 1 to 0.
    #[default]
    Paper,
    /// AnyGPT's program, to the letter. It counts the prompt's frames and ranks the cells of all
    /// levels together, so that fewer codes are masked again than the schedule says; draws at a
    /// temperature that rises from 0; and overwrites the prompt's codes above the first level.
    Reference,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Passes over the first level. The reference's program makes one more.
    pub steps: usize,
    pub schedule: Schedule,
    /// Take the likeliest code always, in the paper's schedule.
    pub greedy: bool,
    /// Prompt and target together are at most this many frames at a time; what is longer is made
    /// in pieces that follow each other. The published network was trained on 750 (15 s).
    pub max_frames: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 3, schedule: Schedule::Paper, greedy: false, max_frames: 750 }
    }
}

/// The share of the codes that may not be drawn: the reference's `topk_pres`.
const TOP_K_SHARE: f64 = 0.7;
/// How much of a piece is the prompt of the next.
const OVERLAP: usize = 100;

pub fn generate(
    model: &SoundStorm,
    semantic: &[u32],
    prompt: &[Vec<u32>],
    options: &Options,
    uniform: &mut dyn FnMut(usize) -> Vec<f32>,
    progress: Progress<'_>,
) -> Result<Vec<Vec<u32>>> {
    let levels = model.config.num_quantizers;
    let mut made = vec![Vec::with_capacity(semantic.len()); levels + 1];
    let voice = prompt.first().map_or(0, Vec::len);
    let room = options.max_frames.saturating_sub(voice);
    let whole = semantic.len() <= room || options.schedule == Schedule::Reference;
    let piece = if whole { semantic.len() } else { room.saturating_sub(OVERLAP) };
    if piece == 0 {
        return Err(Error::Input {
            model: super::MODEL,
            input: "voice prompt",
            got: vec![voice],
            expected: format!("at most {} frames", options.max_frames.saturating_sub(OVERLAP + 1)),
        });
    }
    let per_piece = levels - 1
        + match options.schedule {
            Schedule::Paper => options.steps.max(1),
            Schedule::Reference => options.steps.max(1) + 1,
        };
    let mut passes =
        Passes { done: 0, total: semantic.len().div_ceil(piece) * per_piece, report: progress };
    for target in semantic.chunks(piece) {
        // The voice prompt, and the end of what was said last.
        let tail = made[0].len().saturating_sub(OVERLAP);
        let before: Vec<Vec<u32>> = (0..=levels)
            .map(|layer| {
                let spoken = prompt.get(layer).into_iter().flatten();
                spoken.chain(&made[layer][tail..]).copied().collect()
            })
            .collect();
        let mut table = Table::new(model, &before, target);
        match options.schedule {
            Schedule::Paper => table.paper(options, uniform, &mut passes)?,
            Schedule::Reference => table.reference(options.steps.max(1), uniform, &mut passes)?,
        }
        made[0].extend_from_slice(target);
        for (level, layer) in made[1..].iter_mut().enumerate() {
            layer.extend((table.prompt..table.frames()).map(|frame| table.code(frame, level)));
        }
    }
    Ok(made)
}

struct Passes<'a> {
    done: usize,
    total: usize,
    report: Progress<'a>,
}

impl Passes<'_> {
    fn one_more(&mut self) -> Result<()> {
        self.done += 1;
        match (self.report)(self.done, self.total) {
            std::ops::ControlFlow::Continue(()) => Ok(()),
            std::ops::ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// Prompt and target with their acoustic codes, level inside frame.
struct Table<'a> {
    model: &'a SoundStorm,
    semantic: Vec<u32>,
    acoustic: Vec<u32>,
    /// Frames of the prompt.
    prompt: usize,
    levels: usize,
    size: usize,
}

impl<'a> Table<'a> {
    fn new(model: &'a SoundStorm, prompt: &[Vec<u32>], target: &[u32]) -> Self {
        let (levels, size) = (model.config.num_quantizers, model.config.codebook_size);
        let frames = prompt.first().map_or(0, Vec::len);
        let semantic = prompt.first().into_iter().flatten().chain(target).copied().collect();
        let known = (0..frames).flat_map(|frame| prompt[1..].iter().map(move |layer| layer[frame]));
        let masked = std::iter::repeat_n(size as u32, target.len() * levels);
        Table {
            model,
            semantic,
            acoustic: known.chain(masked).collect(),
            prompt: frames,
            levels,
            size,
        }
    }

    fn frames(&self) -> usize {
        self.semantic.len()
    }

    fn code(&self, frame: usize, level: usize) -> u32 {
        self.acoustic[frame * self.levels + level]
    }

    fn is_masked(&self, frame: usize, level: usize) -> bool {
        self.code(frame, level) as usize == self.size
    }

    fn set(&mut self, frame: usize, level: usize, code: u32) {
        self.acoustic[frame * self.levels + level] = code;
    }

    fn paper(
        &mut self,
        options: &Options,
        uniform: &mut dyn FnMut(usize) -> Vec<f32>,
        passes: &mut Passes<'_>,
    ) -> Result<()> {
        let steps = options.steps.max(1);
        let target = self.frames() - self.prompt;
        for pass in 1..=steps {
            let scores = self.model.network.logits(&self.semantic, &self.acoustic, 0..1)?;
            let temperature = if options.greedy { 0.0 } else { 1.0 - pass as f64 / steps as f64 };
            let mut sure = Vec::new();
            for frame in self.prompt..self.frames() {
                // Drawn for every frame, so that what is known elsewhere changes no draw.
                let noise = if temperature > 0.0 { uniform(self.size) } else { Vec::new() };
                if !self.is_masked(frame, 0) {
                    continue;
                }
                let scores = &scores[frame * self.size..][..self.size];
                let code = draw(scores, temperature, &noise);
                self.set(frame, 0, code);
                sure.push((probability(scores, code), frame));
            }
            let share = libm::cos(std::f64::consts::FRAC_PI_2 * pass as f64 / steps as f64);
            let again = if pass == steps { 0 } else { (share * target as f64).floor() as usize };
            // The least sure first; of equally sure ones the earlier.
            sure.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (_, frame) in sure.into_iter().take(again) {
                self.set(frame, 0, self.size as u32);
            }
            passes.one_more()?;
        }
        for level in 1..self.levels {
            let scores =
                self.model.network.logits(&self.semantic, &self.acoustic, level..level + 1)?;
            for frame in self.prompt..self.frames() {
                let code = likeliest(&scores[frame * self.size..][..self.size]);
                self.set(frame, level, code);
            }
            passes.one_more()?;
        }
        Ok(())
    }

    /// `SoundStorm.generate` of AnyGPT's `soundstorm_speechtokenizer/soundstorm.py`.
    fn reference(
        &mut self,
        steps: usize,
        uniform: &mut dyn FnMut(usize) -> Vec<f32>,
        passes: &mut Passes<'_>,
    ) -> Result<()> {
        let (levels, size, frames) = (self.levels, self.size, self.frames());
        let cells = frames * levels;
        let in_target = |cell: usize| cell / levels >= self.prompt;
        let mut mask: Vec<bool> = (0..cells).map(in_target).collect();
        let keep = ((1.0 - TOP_K_SHARE) * size as f64).ceil() as usize;
        for pass in 0..=steps {
            let scores = self.by_cell()?;
            let share = libm::cosf(time(pass, steps) * std::f32::consts::PI / 2.0);
            let count = (share * frames as f32) as usize;
            let last = pass == steps || count == 0;
            let mut ranked = Vec::with_capacity(cells);
            let temperature = pass as f64 / steps as f64;
            for cell in 0..cells {
                let scores = &scores[cell * size..][..size];
                if last {
                    if mask[cell] {
                        self.acoustic[cell] = likeliest(scores);
                    }
                    continue;
                }
                let kept = top(scores, keep);
                let noise = if pass > 0 { uniform(size) } else { Vec::new() };
                let code = draw(&kept, temperature, &noise);
                if mask[cell] {
                    self.acoustic[cell] = code;
                }
                ranked.push((1.0 - probability(&kept, code), cell));
            }
            passes.one_more()?;
            if last {
                break;
            }
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            mask = (0..cells).map(|cell| cell % levels > 0).collect();
            for (_, cell) in ranked.into_iter().take(count) {
                mask[cell] = true;
            }
            for (cell, masked) in mask.iter_mut().enumerate() {
                *masked &= cell / levels >= self.prompt;
                if *masked {
                    self.acoustic[cell] = size as u32;
                }
            }
        }
        for level in 1..levels {
            let scores = self.by_cell()?;
            for (cell, scores) in scores.chunks_exact(size).enumerate() {
                if cell % levels >= level {
                    self.acoustic[cell] = likeliest(scores);
                }
            }
            passes.one_more()?;
        }
        Ok(())
    }

    /// Scores of all levels, level inside frame.
    fn by_cell(&self) -> Result<Vec<f32>> {
        let (levels, size, frames) = (self.levels, self.size, self.frames());
        let scores = self.model.network.logits(&self.semantic, &self.acoustic, 0..levels)?;
        let cells = (0..frames).flat_map(|frame| (0..levels).map(move |level| (frame, level)));
        Ok(cells
            .flat_map(|(frame, level)| &scores[(level * frames + frame) * size..][..size])
            .copied()
            .collect())
    }
}

/// `pass` of `steps` as torch's `linspace(0, 1, steps + 1)` has it: the second half is counted from
/// the end. After the second of three passes the share is so just above one half; a step counted
/// from the beginning would be just below, and mask one code less of every even number.
fn time(pass: usize, steps: usize) -> f32 {
    let step = 1.0 / steps as f32;
    match pass < steps.div_ceil(2) {
        true => step * pass as f32,
        false => (-step).mul_add((steps - pass) as f32, 1.0),
    }
}

/// All but the `keep` largest become −∞.
fn top(scores: &[f32], keep: usize) -> Vec<f32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let mut kept = vec![f32::NEG_INFINITY; scores.len()];
    for index in order.into_iter().take(keep) {
        kept[index] = scores[index];
    }
    kept
}

/// A code by the Gumbel trick, in f32 as the reference; the likeliest at temperature 0.
fn draw(scores: &[f32], temperature: f64, uniform: &[f32]) -> u32 {
    if temperature <= 0.0 {
        return likeliest(scores);
    }
    let log = |x: f32| libm::logf(x + 1e-10);
    let noisy: Vec<f32> = scores
        .iter()
        .zip(uniform)
        .map(|(score, uniform)| score / temperature as f32 - log(-log(*uniform)))
        .collect();
    likeliest(&noisy)
}

/// The first of the largest.
fn likeliest(scores: &[f32]) -> u32 {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best as u32
}

/// The softmax probability of one code.
fn probability(scores: &[f32], code: u32) -> f32 {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = scores.iter().map(|score| libm::expf(score - most)).sum();
    libm::expf(scores.get(code as usize).copied().unwrap_or(f32::NEG_INFINITY) - most) / sum
}

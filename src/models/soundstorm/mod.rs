//! SoundStorm (Borsos et al. 2023, "SoundStorm: Efficient Parallel Audio Generation"): from the
//! semantic codes of speech, the acoustic codes that give it a voice.
//!
//! Names and shapes are those of AnyGPT's `speechtokenizer_soundstorm_mls.pt`; the reference is
//! AnyGPT's copy of github.com/ZhangXInFD/soundstorm-speechtokenizer.

mod conformer;
mod generate;
mod network;

use std::ops::ControlFlow;

use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::{Check, Error, Result};
use network::Network;

pub use generate::{Options, Schedule};

const MODEL: &str = "soundstorm";

/// Every size of the network. `codebook_size` is that of the codec, in all its layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub dim_head: usize,
    pub ff_mult: usize,
    pub conv_expansion_factor: usize,
    pub conv_kernel_size: usize,
    /// Acoustic levels: the codec's layers but the first.
    pub num_quantizers: usize,
    pub codebook_size: usize,
}

impl Config {
    /// AnyGPT's `config_soundstorm`.
    pub fn anygpt() -> Self {
        Self {
            dim: 1024,
            depth: 12,
            heads: 8,
            dim_head: 128,
            ff_mult: 4,
            conv_expansion_factor: 2,
            conv_kernel_size: 31,
            num_quantizers: 7,
            codebook_size: 1024,
        }
    }

    fn check(&self) -> Result<()> {
        let check = Check(MODEL);
        for (field, value) in [
            ("dim", self.dim),
            ("depth", self.depth),
            ("heads", self.heads),
            ("ff_mult", self.ff_mult),
            ("conv_expansion_factor", self.conv_expansion_factor),
            ("conv_kernel_size", self.conv_kernel_size),
            ("num_quantizers", self.num_quantizers),
            ("codebook_size", self.codebook_size),
        ] {
            check.positive(field, value)?;
        }
        check.divides("dim_head", 2, self.dim_head)
    }
}

/// Receives the passes done and in all; breaking off ends the generation with
/// [`Error::Cancelled`].
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;

#[derive(Debug)]
pub struct SoundStorm {
    network: Network,
    config: Config,
}

impl SoundStorm {
    pub fn load(config: &Config, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        Ok(Self { network: Network::load(config, vb)?, config: config.clone() })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All layers of codes, semantic first, for the frames of `semantic`.
    ///
    /// `prompt` has all layers of a recording of the speaker, or is empty. `uniform` gives that
    /// many draws from [0, 1).
    pub fn generate(
        &self,
        semantic: &[u32],
        prompt: &[Vec<u32>],
        options: &Options,
        uniform: &mut dyn FnMut(usize) -> Vec<f32>,
        progress: Progress<'_>,
    ) -> Result<Vec<Vec<u32>>> {
        self.check_codes(semantic)?;
        let levels = self.config.num_quantizers;
        let frames = prompt.first().map_or(0, Vec::len);
        if !prompt.is_empty()
            && (prompt.len() != levels + 1 || prompt.iter().any(|layer| layer.len() != frames))
        {
            return Err(Error::Input {
                model: MODEL,
                input: "voice prompt",
                got: prompt.iter().map(Vec::len).collect(),
                expected: format!("{} equally long layers", levels + 1),
            });
        }
        prompt.iter().try_for_each(|layer| self.check_codes(layer))?;
        if semantic.is_empty() {
            return Err(Error::NoTokens);
        }
        generate::generate(self, semantic, prompt, options, uniform, progress)
    }

    fn check_codes(&self, codes: &[u32]) -> Result<()> {
        let codebook_size = self.config.codebook_size;
        match codes.iter().find(|code| **code as usize >= codebook_size) {
            Some(code) => Err(Error::Code { code: *code, codebook_size }),
            None => Ok(()),
        }
    }

    /// Scores of some levels for a table of codes, [`Config::codebook_size`] standing for masked:
    /// (levels, frames, codebook_size) as one list. For comparison with the reference.
    pub fn logits(&self, semantic: &[u32], acoustic: &[u32]) -> Result<Vec<f32>> {
        self.network.logits(semantic, acoustic, 0..self.config.num_quantizers)
    }
}

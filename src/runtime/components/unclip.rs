//! Stable unCLIP as a de-tokenizer of images: SEED's reverse path gives the embedding of the
//! codes, the diffusion decoder draws it.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use crate::base::Medium;
use crate::base::rng::Stream;
use crate::bundle::manifest::ImagePerceptual;
use crate::bundle::{BundleError, Component};
use crate::media::RgbImage;
use crate::models::clip::text as clip_text;
use crate::models::seed_tokenizer::{self, Decoder};
use crate::models::unclip::{Options, UnClip, conditioning, scheduler, unet, vae};
use crate::models::{Error, Result as ModelResult};
use crate::runtime::error::Failure;
use crate::runtime::events::{Events, steps};
use crate::runtime::roles::Detokenizer;
use crate::runtime::settings::Settings;
use crate::runtime::value::{Media, Value};

pub struct UnClipDetokenizer {
    seed: Decoder,
    unclip: UnClip,
    /// (1, tokens, width): the prompt is always empty, so its states are computed once.
    empty_prompt: Tensor,
    defaults: ImagePerceptual,
    codebook_size: usize,
    code_count: usize,
    device: Device,
}

/// The ids of the empty prompt, padding included: as `tokenizer/empty_prompt.json` lists them, or
/// from the vocabulary of a CLIP tokenizer.
fn empty_prompt(decoder: &Component, length: usize) -> Result<Vec<u32>, BundleError> {
    #[derive(Deserialize)]
    struct Listed {
        input_ids: Vec<u32>,
    }
    #[derive(Deserialize)]
    struct Special {
        bos_token: Token,
        eos_token: Token,
        pad_token: Token,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Token {
        Plain(String),
        Described { content: String },
    }
    if decoder.exists("tokenizer/empty_prompt.json")? {
        return Ok(decoder.json::<Listed>("tokenizer/empty_prompt.json")?.input_ids);
    }
    const VOCABULARY: &str = "tokenizer/vocab.json";
    let vocabulary: BTreeMap<String, u32> = decoder.json(VOCABULARY)?;
    let special: Special = decoder.json("tokenizer/special_tokens_map.json")?;
    let id = |token: Token| {
        let (Token::Plain(token) | Token::Described { content: token }) = token;
        vocabulary.get(&token).copied().ok_or_else(|| BundleError::Json {
            path: decoder.display(VOCABULARY),
            reason: format!("it has no token `{token}`"),
        })
    };
    let mut ids = vec![id(special.bos_token)?, id(special.eos_token)?];
    ids.resize(length, id(special.pad_token)?);
    Ok(ids)
}

impl UnClipDetokenizer {
    /// The folders with weights.
    pub const FOLDERS: [&str; 4] = ["text_encoder", "unet", "vae", "image_normalizer"];

    /// `decoder` is a folder in the layout of diffusers; `tokenizer` holds SEED's reverse path.
    pub fn load(
        decoder: &Component,
        tokenizer: &Component,
        defaults: ImagePerceptual,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, Failure> {
        let config: seed_tokenizer::Config = tokenizer.json("config.json")?;
        let seed = Decoder::load(&config, tokenizer.var_builder(dtype, device)?)?;
        let part = |folder: &str| decoder.var_builder_in(folder, dtype, device);
        let unet_config: unet::Config = decoder.json("unet/config.json")?;
        let vae_config: vae::Config = decoder.json("vae/config.json")?;
        let text_config: clip_text::Config = decoder.json("text_encoder/config.json")?;
        let noising: conditioning::NoisingConfig =
            decoder.json("image_noising_scheduler/scheduler_config.json")?;
        let schedule: scheduler::Config = decoder.json("scheduler/scheduler_config.json")?;
        let prompt = empty_prompt(decoder, text_config.max_position_embeddings)?;
        let text = clip_text::ClipText::load(&text_config, part("text_encoder")?)?;
        let ids = Tensor::new(prompt.as_slice(), device)
            .and_then(|ids| ids.unsqueeze(0))
            .map_err(Error::from)?;
        let unclip = UnClip::new(
            unet::UNet::load(&unet_config, part("unet")?)?,
            vae::Decoder::load(&vae_config, part("vae")?)?,
            conditioning::Conditioner::load(
                config.image_embed_dim,
                &noising,
                part("image_normalizer")?,
            )?,
            schedule,
        )?;
        Ok(UnClipDetokenizer {
            seed,
            unclip,
            empty_prompt: text.forward(&ids)?,
            defaults,
            codebook_size: config.codebook_size,
            code_count: config.num_query_tokens,
            device: device.clone(),
        })
    }

    /// (1, dim)
    fn embedding(&self, codes: &[u32]) -> Result<Tensor, Failure> {
        let (medium, expected) = (Medium::Image, self.code_count);
        if codes.len() != expected {
            return Err(Failure::CodeCount { medium, count: codes.len(), expected });
        }
        if let Some(code) = codes.iter().find(|code| **code as usize >= self.codebook_size) {
            return Err(Failure::Code { medium, code: *code, size: self.codebook_size });
        }
        let codes = Tensor::new(codes, &self.device)
            .and_then(|codes| codes.unsqueeze(0))
            .map_err(Error::from)?;
        Ok(self.seed.image_embeds(&codes)?)
    }

    fn normal(&self, noise: &mut Stream, shape: &[usize]) -> ModelResult<Tensor> {
        let draws = noise.normal(shape.iter().product());
        Ok(Tensor::from_vec(draws, shape, &self.device)?)
    }
}

impl Detokenizer for UnClipDetokenizer {
    fn decode(
        &self,
        codes: &[u32],
        settings: &Settings,
        noise: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Media, Failure> {
        let embedding = self.embedding(codes)?;
        let negative = match settings.get("negative") {
            Some(Value::Tokens(_, codes)) => Some(self.embedding(codes)?),
            _ => None,
        };
        let side = self.unclip.native_size().ok_or(Failure::Unsized)?;
        let latents = self.unclip.latent_shape(1, side, side);
        let latents = self.normal(noise, &latents)?;
        let default_level = self.defaults.noise_level as usize;
        let noise_level = settings.count("noise_level", default_level)?;
        // At level 0 the reference's half precision rounds the noise to nothing.
        let level_noise = match noise_level {
            0 => None,
            _ => Some(self.normal(noise, embedding.dims())?),
        };
        let options = Options {
            steps: settings.count("steps", self.defaults.steps)?,
            guidance: settings.float("guidance", self.defaults.guidance)?,
            noise_level,
            noise: level_noise,
            negative,
        };
        let mut progress = steps(events);
        let pixels =
            self.unclip.generate(&embedding, &self.empty_prompt, &latents, &options, &mut progress);
        let pixels = match pixels {
            Err(Error::Cancelled) => return Err(Failure::Cancelled),
            pixels => pixels?,
        };
        let (_, _, height, width) = pixels.dims4().map_err(Error::from)?;
        let values: Vec<f32> =
            pixels.flatten_all().and_then(|pixels| pixels.to_vec1()).map_err(Error::from)?;
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Ok(Media::Image(RgbImage::from_unit_chw(&values, side(width), side(height))?))
    }
}

/// The component that holds the codebook and the reverse path.
pub fn reverse_path(bundle: &crate::bundle::Bundle) -> Result<Component, BundleError> {
    bundle.tokenizer(Medium::Image)
}

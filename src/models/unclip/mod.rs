//! Stable unCLIP: an image embedding becomes a picture (Ramesh et al. 2022; Stable Diffusion
//! 2.1's variant, diffusers `StableUnCLIPImg2ImgPipeline` from an embedding on).

mod blocks;
pub mod conditioning;
pub mod scheduler;
pub mod unet;
pub mod vae;

use super::{Check, Error, Result};
use candle_core::{DType, Tensor};
use conditioning::Conditioner;
use scheduler::Plms;
use std::ops::ControlFlow;
use unet::UNet;

const MODEL: &str = "unclip";

/// The decoder's parts. Its text encoder is not among them: the prompt is always empty, and its
/// states are computed once by [`ClipText`](super::clip::text::ClipText).
#[derive(Debug)]
pub struct UnClip {
    pub unet: UNet,
    pub vae: vae::Decoder,
    pub conditioner: Conditioner,
    pub scheduler: scheduler::Config,
}

/// Settings of one picture.
#[derive(Debug, Clone)]
pub struct Options {
    pub steps: usize,
    /// Up to 1 the unconditional half is not computed.
    pub guidance: f64,
    /// Noise of this level is added to the embedding.
    pub noise_level: usize,
    /// That noise (batch, dim), standard normal; none gives its mean.
    pub noise: Option<Tensor>,
    /// An embedding (1 or batch, dim) to steer away from.
    pub negative: Option<Tensor>,
}

impl Default for Options {
    /// AnyGPT's settings.
    fn default() -> Self {
        Self { steps: 20, guidance: 10., noise_level: 0, noise: None, negative: None }
    }
}

impl UnClip {
    pub fn new(
        unet: UNet,
        vae: vae::Decoder,
        conditioner: Conditioner,
        scheduler: scheduler::Config,
    ) -> Result<Self> {
        let check = Check(MODEL);
        scheduler.validate()?;
        let (class, dim) = (unet.config().class_dim(), conditioner.dim());
        if class != Some(2 * dim) {
            let reason = format!("is {class:?} for embeddings of {dim}, expected {}", 2 * dim);
            return check.fail("projection_class_embeddings_input_dim", reason);
        }
        let (latent, (inputs, outputs)) =
            (vae.config().latent_channels, (unet.config().in_channels, unet.config().out_channels));
        if inputs != latent || outputs != latent {
            let reason = format!("is {latent}, the unet has {inputs} in and {outputs} out");
            return check.fail("latent_channels", reason);
        }
        Ok(Self { unet, vae, conditioner, scheduler })
    }

    /// The shape of latents for pictures of `height` × `width` pixels, rounded down.
    pub fn latent_shape(&self, batch: usize, height: usize, width: usize) -> [usize; 4] {
        let factor = self.vae.config().spatial_factor();
        let channels = self.vae.config().latent_channels;
        [batch, channels, height / factor, width / factor]
    }

    /// The side in pixels that the network was trained for, if its configuration says.
    pub fn native_size(&self) -> Option<usize> {
        let latent = self.unet.config().sample_size?;
        Some(latent * self.vae.config().spatial_factor())
    }

    /// Draws `image_embeds` (batch, dim) from `latents` (batch, channels, h, w), standard normal
    /// and given by the caller. `empty_prompt_states` are (1, tokens, cross_attention_dim).
    /// Pictures (batch, 3, H, W) in 0..1, f32.
    ///
    /// `progress` is called before each evaluation with its number from 0 and their count, and
    /// once with both equal at the end; it may break off, which is [`Error::Cancelled`].
    pub fn generate(
        &self,
        image_embeds: &Tensor,
        empty_prompt_states: &Tensor,
        latents: &Tensor,
        options: &Options,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Tensor> {
        let batch = self.check_inputs(image_embeds, empty_prompt_states, latents)?;
        let guided = options.guidance > 1.;
        let class = self.class_vectors(image_embeds, options, guided)?;
        let mut plms = Plms::new(&self.scheduler, options.steps)?;
        let timesteps = plms.timesteps().to_vec();
        let mut report = |step| match progress(step, timesteps.len()) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        };
        let mut sample = latents.to_dtype(DType::F32)?;
        for (step, &timestep) in timesteps.iter().enumerate() {
            report(step)?;
            let time = timestep as f64;
            let output = if guided {
                let input = Tensor::cat(&[&sample, &sample], 0)?;
                let both = self.unet.forward(&input, time, empty_prompt_states, Some(&class))?;
                let without = both.narrow(0, 0, batch)?;
                let with = both.narrow(0, batch, batch)?;
                (&without + ((with - &without)? * options.guidance)?)?
            } else {
                self.unet.forward(&sample, time, empty_prompt_states, Some(&class))?
            };
            sample = plms.step(&output, &sample)?;
        }
        let pixels = self.decode(&sample)?;
        report(timesteps.len())?;
        Ok(pixels)
    }

    /// Scaled latents → pictures in 0..1, f32.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let latents = (latents / self.vae.config().scaling_factor)?;
        let pixels = self.vae.decode(&latents)?.to_dtype(DType::F32)?;
        Ok(((pixels / 2.)? + 0.5)?.clamp(0f32, 1f32)?)
    }

    /// (batch or 2 · batch, class_dim); the unconditional half comes first and is all zeros,
    /// level included, unless there is a negative embedding, whose level is always 0.
    fn class_vectors(&self, embeds: &Tensor, options: &Options, guided: bool) -> Result<Tensor> {
        let noise = options.noise.as_ref();
        let class = self.conditioner.class_vector(embeds, options.noise_level, noise)?;
        if !guided {
            return Ok(class);
        }
        let without = match &options.negative {
            None => class.zeros_like()?,
            Some(negative) => {
                self.conditioner.class_vector(negative, 0, None)?.broadcast_as(class.shape())?
            }
        };
        Ok(Tensor::cat(&[&without, &class], 0)?)
    }

    fn check_inputs(&self, embeds: &Tensor, states: &Tensor, latents: &Tensor) -> Result<usize> {
        let wrong = |input, tensor: &Tensor, expected: String| Error::Input {
            model: MODEL,
            input,
            got: tensor.dims().to_vec(),
            expected,
        };
        let (dim, cross) = (self.conditioner.dim(), self.unet.config().cross_attention_dim);
        let batch = match embeds.dims() {
            &[batch, width] if batch > 0 && width == dim => batch,
            _ => return Err(wrong("image embeddings", embeds, format!("(batch, {dim})"))),
        };
        if !matches!(states.dims(), &[1, tokens, width] if tokens > 0 && width == cross) {
            return Err(wrong("prompt states", states, format!("(1, tokens, {cross})")));
        }
        let channels = self.vae.config().latent_channels;
        match latents.dims() {
            &[b, c, h, w] if b == batch && c == channels && h > 0 && w > 0 => Ok(batch),
            _ => Err(wrong("latents", latents, format!("({batch}, {channels}, h, w)"))),
        }
    }
}

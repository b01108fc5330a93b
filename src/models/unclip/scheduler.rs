//! PNDM without its Runge-Kutta warm-up, that is PLMS (Liu et al. 2022), in the arithmetic of
//! diffusers' `PNDMScheduler` with `skip_prk_steps`.

use super::super::{Check, Result};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// diffusers' `scheduler/scheduler_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    #[serde(default = "thousand")]
    pub num_train_timesteps: usize,
    #[serde(default = "beta_start")]
    pub beta_start: f64,
    #[serde(default = "beta_end")]
    pub beta_end: f64,
    #[serde(default = "linear")]
    pub beta_schedule: BetaSchedule,
    #[serde(default)]
    pub skip_prk_steps: bool,
    #[serde(default)]
    pub set_alpha_to_one: bool,
    #[serde(default = "epsilon")]
    pub prediction_type: PredictionType,
    #[serde(default = "leading")]
    pub timestep_spacing: String,
    #[serde(default)]
    pub steps_offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    Linear,
    ScaledLinear,
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    Epsilon,
    VPrediction,
}

fn thousand() -> usize {
    1000
}
fn beta_start() -> f64 {
    0.0001
}
fn beta_end() -> f64 {
    0.02
}
fn linear() -> BetaSchedule {
    BetaSchedule::Linear
}
fn epsilon() -> PredictionType {
    PredictionType::Epsilon
}
fn leading() -> String {
    "leading".into()
}

impl Config {
    /// The scheduler of `stabilityai/stable-diffusion-2-1-unclip`.
    pub fn sd21_unclip() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.00085,
            beta_end: 0.012,
            beta_schedule: BetaSchedule::ScaledLinear,
            skip_prk_steps: true,
            set_alpha_to_one: false,
            prediction_type: PredictionType::VPrediction,
            timestep_spacing: leading(),
            steps_offset: 1,
        }
    }

    /// Refuses what is not computed here, naming the field.
    pub fn validate(&self) -> Result<()> {
        let check = Check("pndm scheduler");
        check.positive("num_train_timesteps", self.num_train_timesteps)?;
        check.finite("beta_start", self.beta_start)?;
        check.finite("beta_end", self.beta_end)?;
        if !self.skip_prk_steps {
            return check.fail("skip_prk_steps", "must be true");
        }
        if self.timestep_spacing != "leading" {
            return check.fail("timestep_spacing", "must be \"leading\"");
        }
        Ok(())
    }
}

/// ᾱ of every training step, rounded to f32 where the reference holds f32.
pub fn alphas_cumprod(schedule: BetaSchedule, steps: usize, start: f64, end: f64) -> Vec<f32> {
    let beta = |i: usize| -> f32 {
        let line = |start: f32, end: f32| {
            // torch.linspace: from each end to the middle.
            let step = (end - start) / steps.saturating_sub(1).max(1) as f32;
            if i < steps / 2 {
                start + step * i as f32
            } else {
                end - step * (steps - 1 - i) as f32
            }
        };
        match schedule {
            BetaSchedule::Linear => line(start as f32, end as f32),
            BetaSchedule::ScaledLinear => line(start.sqrt() as f32, end.sqrt() as f32).powi(2),
            BetaSchedule::SquaredCosine => {
                let bar =
                    |t: f64| libm::cos((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).powi(2);
                let at = |i: usize| bar(i as f64 / steps as f64);
                (1. - at(i + 1) / at(i)).min(0.999) as f32
            }
        }
    };
    let mut product = 1f64;
    (0..steps)
        .map(|i| {
            product *= f64::from(1. - beta(i));
            product as f32
        })
        .collect()
}

/// One trajectory.
#[derive(Debug)]
pub struct Plms {
    alphas: Vec<f32>,
    last_alpha: f64,
    prediction: PredictionType,
    stride: usize,
    timesteps: Vec<usize>,
    done: usize,
    /// The last four network outputs, newest last.
    outputs: Vec<Tensor>,
    first_sample: Option<Tensor>,
}

impl Plms {
    pub fn new(cfg: &Config, steps: usize) -> Result<Self> {
        cfg.validate()?;
        let total = cfg.num_train_timesteps;
        let last = (steps.max(1) - 1) * (total / steps.max(1)) + cfg.steps_offset;
        if steps == 0 || steps > total || last >= total {
            let reason = format!("is {total}, which leaves no room for {steps} steps");
            return Check("pndm scheduler").fail("num_train_timesteps", reason);
        }
        let alphas = alphas_cumprod(cfg.beta_schedule, total, cfg.beta_start, cfg.beta_end);
        let stride = total / steps;
        let mut timesteps: Vec<usize> =
            (0..steps).rev().map(|i| i * stride + cfg.steps_offset).collect();
        if let Some(&second) = timesteps.get(1) {
            timesteps.insert(1, second); // evaluated twice: predictor and corrector
        }
        Ok(Self {
            last_alpha: if cfg.set_alpha_to_one { 1. } else { f64::from(alphas[0]) },
            alphas,
            prediction: cfg.prediction_type,
            stride,
            timesteps,
            done: 0,
            outputs: Vec::with_capacity(4),
            first_sample: None,
        })
    }

    /// The training step of each network evaluation; the second is repeated.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// Takes the network's `output` at the next of [`Self::timesteps`] and returns the sample
    /// for the one after.
    pub fn step(&mut self, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        let Some(&timestep) = self.timesteps.get(self.done) else {
            return Check("pndm scheduler").fail("steps", "are all taken");
        };
        let (mut from, mut to) = (timestep, timestep.checked_sub(self.stride));
        let mut sample = sample.clone();
        let combined = if self.done == 1 {
            // Repeat the first step with the mean of the slopes at its two ends.
            (from, to) = (timestep + self.stride, Some(timestep));
            sample = self.first_sample.take().unwrap_or(sample);
            self.weighted(&[1., 1.], 2., Some(output))?
        } else {
            if self.done == 0 {
                self.first_sample = Some(sample.clone());
            }
            if self.outputs.len() == 4 {
                self.outputs.remove(0);
            }
            self.outputs.push(output.clone());
            match self.outputs.len() {
                1 => output.clone(),
                2 => self.weighted(&[3., -1.], 2., None)?,
                3 => self.weighted(&[23., -16., 5.], 12., None)?,
                _ => self.weighted(&[55., -59., 37., -9.], 24., None)?,
            }
        };
        self.done += 1;
        self.transfer(&sample, &combined, from, to)
    }

    /// The weighted sum of the newest outputs, newest first, over `total`. `extra` counts as
    /// newest without being kept.
    fn weighted(&self, weights: &[f64], total: f64, extra: Option<&Tensor>) -> Result<Tensor> {
        let newest = extra.into_iter().chain(self.outputs.iter().rev());
        let mut sum: Option<Tensor> = None;
        for (weight, output) in weights.iter().zip(newest) {
            let term = (output * *weight)?;
            sum = Some(match sum {
                Some(sum) => (sum + term)?,
                None => term,
            });
        }
        match sum {
            Some(sum) => Ok((sum / total)?),
            None => Check("pndm scheduler").fail("steps", "have no outputs yet"),
        }
    }

    /// Equation 9 of the paper, from training step `from` to `to` (`None`: the end).
    fn transfer(
        &self,
        sample: &Tensor,
        output: &Tensor,
        from: usize,
        to: Option<usize>,
    ) -> Result<Tensor> {
        let alpha = f64::from(self.alphas[from]);
        let next = to.map_or(self.last_alpha, |to| f64::from(self.alphas[to]));
        let noise = match self.prediction {
            PredictionType::Epsilon => output.clone(),
            PredictionType::VPrediction => {
                ((output * alpha.sqrt())? + (sample * (1. - alpha).sqrt())?)?
            }
        };
        let denominator = alpha * (1. - next).sqrt() + (alpha * (1. - alpha) * next).sqrt();
        let kept = (sample * (next / alpha).sqrt())?;
        Ok((kept - (noise * ((next - alpha) / denominator))?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_steps_are_twenty_one_evaluations() -> Result<()> {
        let plms = Plms::new(&Config::sd21_unclip(), 20)?;
        assert_eq!(plms.timesteps().len(), 21);
        assert_eq!(plms.timesteps()[..5], [951, 901, 901, 851, 801]);
        assert_eq!(plms.timesteps()[19..], [51, 1]);
        assert_eq!(Plms::new(&Config::sd21_unclip(), 1)?.timesteps(), [1]);
        Ok(())
    }

    #[test]
    fn impossible_settings_are_refused_by_field() {
        let cfg = Config::sd21_unclip();
        for steps in [0, 1000, 1001] {
            let message = Plms::new(&cfg, steps).unwrap_err().to_string();
            assert!(message.contains("`num_train_timesteps`"), "{message}");
        }
        let warm_up = Config { skip_prk_steps: false, ..cfg };
        let message = Plms::new(&warm_up, 20).unwrap_err().to_string();
        assert!(message.contains("`skip_prk_steps`"), "{message}");
    }

    #[test]
    fn the_noise_schedule_starts_where_the_paper_says() {
        let alphas = alphas_cumprod(BetaSchedule::SquaredCosine, 1000, 0., 0.);
        assert!((1. - alphas[0] - 4.128e-5).abs() < 1e-7);
    }
}

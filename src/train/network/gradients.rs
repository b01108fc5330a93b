//! The hand-written passes as one node of candle's graph.
//!
//! candle's own operations take at most three tensors. The weights hang on a chain of single
//! numbers instead: the losses are the last link's function, their backward leaves the gradients
//! of all weights in a place that the links share, and each link hands its weights theirs.

use super::Network;
use super::batch::Tokens;
use super::fused::{Pass, Trace};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

type Shared<T> = Arc<Mutex<Option<T>>>;

fn take<T>(shared: &Mutex<Option<T>>) -> Option<T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn again() -> candle_core::Error {
    candle_core::Error::Msg(
        "the losses of a batch go backward once; compute them again for a second time".into(),
    )
}

/// Hands one weight its gradient.
struct Link {
    gradient: Shared<Vec<f32>>,
}

impl CustomOp2 for Link {
    fn name(&self) -> &'static str {
        "link-of-weights"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.]), Shape::from(1)))
    }

    fn bwd(
        &self,
        chain: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = take(&self.gradient).ok_or_else(again)?;
        let gradient = Tensor::from_vec(gradient, weight.shape(), weight.device())?;
        Ok((Some(chain.zeros_like()?), Some(gradient)))
    }
}

/// The losses as a function of the chain.
struct Losses {
    network: Network,
    pass: Pass,
    losses: Vec<f32>,
    trace: Shared<Trace>,
    gradients: Vec<Shared<Vec<f32>>>,
}

impl CustomOp1 for Losses {
    fn name(&self) -> &'static str {
        "losses-of-llama"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.losses.clone()), Shape::from(self.losses.len())))
    }

    fn bwd(&self, chain: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let trace = take(&self.trace).ok_or_else(again)?;
        let upstream = upstream.contiguous()?.to_vec1::<f32>()?;
        let gradients = self.pass.backward(&self.network, trace, &upstream);
        let gradients = gradients.map_err(candle_core::Error::wrap)?;
        for (place, gradient) in self.gradients.iter().zip(gradients) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        }
        Ok(Some(chain.zeros_like()?))
    }
}

impl Network {
    /// The losses of `tokens`, (targets): as [`Self::composed`], on the CPU in f32.
    pub(super) fn fused(&self, tokens: &Tokens) -> super::Result<Tensor> {
        let pass = Pass::new(self, tokens);
        let (losses, trace) = pass.forward(self)?;
        let mut chain = Tensor::zeros(1, DType::F32, &self.device)?;
        let mut gradients = vec![];
        for (_, weight) in self.parameters() {
            let gradient = Shared::default();
            gradients.push(Arc::clone(&gradient));
            chain = chain.apply_op2(weight, Link { gradient })?;
        }
        let trace = Arc::new(Mutex::new(Some(trace)));
        let op = Losses { network: self.clone(), pass, losses, trace, gradients };
        Ok(chain.apply_op1(op)?)
    }
}

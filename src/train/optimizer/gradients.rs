//! The gradients of one step, summed over its passes.

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};

/// Sums of gradients in f32, in the order of the parameters.
#[derive(Default)]
pub struct Gradients(Vec<Tensor>);

impl Gradients {
    /// Adds the gradients of a pass. A parameter without one is a fault of the network: candle drops
    /// gradients silently where an operation has none.
    pub fn add(&mut self, parameters: &[(String, Var)], mut store: GradStore) -> Result<()> {
        let first = self.0.is_empty();
        for (at, (name, var)) in parameters.iter().enumerate() {
            let Some(gradient) = store.remove(var) else {
                candle_core::bail!("the parameter `{name}` got no gradient");
            };
            let gradient = gradient.detach().to_dtype(DType::F32)?;
            match first {
                true => self.0.push(gradient),
                false => self.0[at] = (&self.0[at] + gradient)?,
            }
        }
        Ok(())
    }

    pub fn sums(&self) -> &[Tensor] {
        &self.0
    }

    /// The norm of each gradient.
    pub fn norms(&self) -> Result<Vec<f64>> {
        let norm = |gradient: &Tensor| {
            gradient.sqr()?.sum_all()?.sqrt()?.to_dtype(DType::F64)?.to_scalar::<f64>()
        };
        self.0.iter().map(norm).collect()
    }

    /// Scales all gradients so that their global norm is at most `limit`, as torch's
    /// `clip_grad_norm_` does (Pascanu et al. 2013).
    pub fn clip(&mut self, norm: f64, limit: f64) -> Result<()> {
        let factor = limit / (norm + 1e-6);
        if factor < 1.0 {
            for gradient in &mut self.0 {
                *gradient = (&*gradient * factor)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn var(values: &[f32]) -> Var {
        Var::from_tensor(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap()
    }

    #[test]
    fn passes_are_summed_and_clipped_to_the_global_norm() {
        let parameters = [("a".to_string(), var(&[1.0])), ("b".to_string(), var(&[2.0]))];
        let mut gradients = Gradients::default();
        for _ in 0..2 {
            let product = (parameters[0].1.as_tensor() * parameters[1].1.as_tensor()).unwrap();
            gradients.add(&parameters, product.sum_all().unwrap().backward().unwrap()).unwrap();
        }
        let norms = gradients.norms().unwrap();
        assert_eq!(norms, [4.0, 2.0]);
        gradients.clip(20f64.sqrt(), 1.0).unwrap();
        let clipped = gradients.norms().unwrap();
        assert!((clipped[0].hypot(clipped[1]) - 1.0).abs() < 1e-5, "{clipped:?}");
    }

    #[test]
    fn a_parameter_without_gradient_is_an_error() {
        let parameters = [("a".to_string(), var(&[1.0])), ("b".to_string(), var(&[2.0]))];
        let store = parameters[0].1.as_tensor().sum_all().unwrap().backward().unwrap();
        let error = Gradients::default().add(&parameters, store).unwrap_err();
        assert!(error.to_string().contains("`b` got no gradient"), "{error}");
    }
}

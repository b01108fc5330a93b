//! The head and its loss, −log softmax(W x)\[target\], without ever holding all logits: a few
//! rows at a time forward, and again backward.

use super::product::{Packed, Target, View, product};
use super::vector::{exp, exp_all, wide};
use rayon::prelude::*;

/// Rows whose logits are held at a time.
const CHUNK: usize = 384;

/// The head's weight (vocabulary, width) and the rows (targets, width) before it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub width: usize,
    pub targets: &'a [u32],
}

impl Head<'_> {
    fn vocabulary(&self) -> usize {
        self.weight.len() / self.width
    }

    /// The logits of rows from `start` on, as many as `logits` has room for.
    fn logits(&self, packed: &Packed, start: usize, logits: &mut [f32]) {
        let stride = self.vocabulary();
        let rows = logits.len() / stride;
        let x = View::rows(&self.x[start * self.width..], self.width);
        product(x, packed, rows, Target { data: logits, stride, offset: 0, add: false });
    }

    fn packed(&self) -> Packed {
        let weight = View::rows(self.weight, self.width).transposed();
        Packed::new(weight, self.width, self.vocabulary())
    }
}

/// The losses in nats, and the log-sum-exp of each row's logits.
pub fn forward(head: Head) -> (Vec<f32>, Vec<f32>) {
    let vocabulary = head.vocabulary();
    let packed = head.packed();
    let rows = head.targets.len();
    let (mut losses, mut normalisers) = (vec![0f32; rows], vec![0f32; rows]);
    let mut buffer = vec![0f32; CHUNK.min(rows) * vocabulary];
    for start in (0..rows).step_by(CHUNK) {
        let rows = CHUNK.min(rows - start);
        let logits = &mut buffer[..rows * vocabulary];
        head.logits(&packed, start, logits);
        let results = losses[start..][..rows].par_iter_mut().zip(&mut normalisers[start..][..rows]);
        let rows = logits.par_chunks_exact_mut(vocabulary).zip(&head.targets[start..][..rows]);
        results.zip(rows).for_each(|((loss, normaliser), (logits, &target))| {
            let of_target = logits[target as usize];
            (_, *normaliser) = wide(|| exp_all(logits, 1.));
            *loss = *normaliser - of_target;
        });
    }
    (losses, normalisers)
}

/// The gradients of the rows and of the weight, given those of the losses.
pub fn backward(head: Head, normalisers: &[f32], dlosses: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (width, vocabulary) = (head.width, head.vocabulary());
    let packed = head.packed();
    let weight = Packed::new(View::rows(head.weight, width), vocabulary, width);
    let rows = head.targets.len();
    let (mut dx, mut dweight) = (vec![0f32; rows * width], vec![0f32; head.weight.len()]);
    let mut buffer = vec![0f32; CHUNK.min(rows) * vocabulary];
    for start in (0..rows).step_by(CHUNK) {
        let rows = CHUNK.min(rows - start);
        let logits = &mut buffer[..rows * vocabulary];
        head.logits(&packed, start, logits);
        let given = normalisers[start..][..rows].par_iter().zip(&dlosses[start..][..rows]);
        let each = logits.par_chunks_exact_mut(vocabulary).zip(&head.targets[start..][..rows]);
        each.zip(given).for_each(|((logits, &target), (&normaliser, &dloss))| {
            wide(|| {
                for logit in logits.iter_mut() {
                    *logit = dloss * exp(*logit - normaliser);
                }
            });
            logits[target as usize] -= dloss;
        });
        let dlogits = View::rows(logits, vocabulary);
        let target = &mut dx[start * width..][..rows * width];
        product(
            dlogits,
            &weight,
            rows,
            Target { data: target, stride: width, offset: 0, add: false },
        );
        let x = Packed::new(View::rows(&head.x[start * width..], width), rows, width);
        let target = Target { data: &mut dweight, stride: width, offset: 0, add: true };
        product(dlogits.transposed(), &x, vocabulary, target);
    }
    (dx, dweight)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, finite_differences, noise, values, var, weighted};
    use super::*;
    use candle_core::{D, Tensor};

    #[test]
    fn as_composed() -> candle_core::Result<()> {
        // More rows than are held at a time.
        let (rows, width, vocabulary) = (CHUNK + 30, 12, 67);
        let (x, weight) = (noise(rows * width, 1), noise(vocabulary * width, 2));
        let targets: Vec<u32> = (0..rows as u32).map(|i| i * 31 % vocabulary as u32).collect();
        let dlosses = noise(rows, 3);
        let (xv, wv) = (var(&x, &[rows, width]), var(&weight, &[vocabulary, width]));
        let logits = xv.matmul(&wv.t()?)?;
        let at = Tensor::from_slice(&targets, (rows, 1), xv.device())?;
        let want = (logits.log_sum_exp(D::Minus1)? - logits.gather(&at, 1)?.squeeze(1)?)?;
        let gradients = (&want * &*var(&dlosses, &[rows]))?.sum_all()?.backward()?;

        let head = Head { x: &x, weight: &weight, width, targets: &targets };
        let (losses, normalisers) = forward(head);
        close(&losses, &values(&want), 1e-5);
        let (dx, dweight) = backward(head, &normalisers, &dlosses);
        close(&dx, &values(gradients.get(&xv).expect("x has a gradient")), 1e-5);
        close(&dweight, &values(gradients.get(&wv).expect("w has a gradient")), 1e-5);
        finite_differences(&x, &dx, |x| weighted(&forward(Head { x, ..head }).0, &dlosses));
        let loss = |weight: &[f32]| weighted(&forward(Head { weight, ..head }).0, &dlosses);
        finite_differences(&weight, &dweight, loss);
        Ok(())
    }
}

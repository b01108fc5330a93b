//! What the tests of the kernels share.

use candle_core::{Device, Tensor};

/// Values in (−1, 1) that look random; other numbers for another `seed`.
pub fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mix = |i: usize| {
        let mut x = (i as u32).wrapping_add(seed.wrapping_mul(0x9E37_79B9));
        for _ in 0..2 {
            x = (x ^ (x >> 16)).wrapping_mul(0x045D_9F3B);
        }
        (x ^ (x >> 16)) as f32 / u32::MAX as f32 * 2. - 1.
    };
    (0..len).map(mix).collect()
}

/// Every element within `tolerance` of its own size or the root mean square of all.
#[track_caller]
pub fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    let square = want.iter().map(|w| w * w).sum::<f32>() / want.len() as f32;
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs() / want.abs().max(square.sqrt()).max(1e-12);
        assert!(error <= tolerance, "element {i}: {got} for {want}");
    }
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|t| t.to_vec1()).expect("a tensor of f32")
}

pub fn var(data: &[f32], shape: &[usize]) -> candle_core::Var {
    let tensor = Tensor::from_slice(data, shape, &Device::Cpu);
    tensor.and_then(|t| candle_core::Var::from_tensor(&t)).expect("the shape fits")
}

/// Compares a gradient with central differences of `loss` in a few elements of `x`.
#[track_caller]
pub fn finite_differences(x: &[f32], gradient: &[f32], loss: impl Fn(&[f32]) -> f64) {
    let size = (gradient.iter().map(|g| g * g).sum::<f32>() / gradient.len() as f32).sqrt();
    for i in (0..x.len()).step_by((x.len() / 7).max(1)) {
        let step = 1e-2;
        let at = |change: f32| {
            let mut x = x.to_vec();
            x[i] += change;
            loss(&x)
        };
        let want = ((at(step) - at(-step)) / (2. * f64::from(step))) as f32;
        let error = (gradient[i] - want).abs() / want.abs().max(size);
        assert!(error < 2e-2, "element {i}: {} for {want}", gradient[i]);
    }
}

pub fn weighted(values: &[f32], weights: &[f32]) -> f64 {
    values.iter().zip(weights).map(|(v, w)| f64::from(*v) * f64::from(*w)).sum()
}

//! Keys and values of the positions already read, in memory that grows by doubling.

use candle_core::{Result, Tensor};

/// The first allocation, in positions.
const FIRST_BLOCK: usize = 256;

/// One layer's keys and values, each (batch, heads, capacity, head_dim).
#[derive(Debug, Default)]
pub struct LayerCache {
    key: Option<Tensor>,
    value: Option<Tensor>,
}

impl LayerCache {
    /// Writes `key` and `value` (batch, heads, time, head_dim) at position `start` and returns
    /// views of everything up to their end. `max_len` bounds the memory asked for.
    pub fn append(
        &mut self,
        key: &Tensor,
        value: &Tensor,
        start: usize,
        max_len: usize,
    ) -> Result<(Tensor, Tensor)> {
        Ok((
            write(&mut self.key, key, start, max_len)?,
            write(&mut self.value, value, start, max_len)?,
        ))
    }
}

fn write(slot: &mut Option<Tensor>, new: &Tensor, start: usize, max_len: usize) -> Result<Tensor> {
    let (batch, heads, time, head_dim) = new.dims4()?;
    let end = start + time;
    // Nothing of a sequence that begins anew need be kept, nor its batch size.
    let old = slot.as_ref().filter(|old| start > 0 || old.dims()[0] == batch);
    let capacity = old.map_or(0, |old| old.dims()[2]);
    let held = match old {
        Some(held) if capacity >= end => held.clone(),
        _ => {
            let shape = (batch, heads, grown(capacity, end, max_len), head_dim);
            let held = Tensor::zeros(shape, new.dtype(), new.device())?;
            if let Some(old) = old.filter(|_| start > 0) {
                held.slice_set(&old.narrow(2, 0, start)?.contiguous()?, 2, 0)?;
            }
            held
        }
    };
    held.slice_set(&new.contiguous()?, 2, start)?;
    let view = held.narrow(2, 0, end)?;
    *slot = Some(held);
    Ok(view)
}

/// The capacity that holds `needed` positions: doubled, not above `max_len` unless needed.
pub fn grown(capacity: usize, needed: usize, max_len: usize) -> usize {
    if needed <= capacity {
        return capacity;
    }
    (2 * capacity).max(FIRST_BLOCK).min(max_len).max(needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn growing_keeps_what_was_written() -> Result<()> {
        let block = |value: f32, time| Tensor::full(value, (1, 2, time, 4), &Device::Cpu);
        let mut cache = LayerCache::default();
        cache.append(&block(1., 255)?, &block(2., 255)?, 0, 1000)?;
        let (key, value) = cache.append(&block(3., 3)?, &block(4., 3)?, 255, 1000)?;
        assert_eq!(key.dims(), [1, 2, 258, 4]);
        assert_eq!(key.sum_all()?.to_scalar::<f32>()?, 2. * 4. * (255. + 9.));
        assert_eq!(value.sum_all()?.to_scalar::<f32>()?, 2. * 4. * (510. + 12.));
        Ok(())
    }

    #[test]
    fn capacity_doubles_up_to_the_limit() {
        assert_eq!(grown(0, 1, 10_000), 256);
        assert_eq!(grown(256, 257, 10_000), 512);
        assert_eq!(grown(256, 257, 300), 300);
        assert_eq!(grown(0, 900, 10_000), 900);
    }
}

//! Where networks run.

use std::str::FromStr;

/// A place for tensors, as `--device` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    Cpu,
    Cuda(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            other => other.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number.map(Device::Cuda).ok_or_else(|| "expected cpu, cuda or cuda:N".to_string())
    }
}

impl Device {
    /// Opens the device; a program built without CUDA says so.
    pub fn open(self) -> Result<candle_core::Device, String> {
        match self {
            Device::Cpu => Ok(candle_core::Device::Cpu),
            Device::Cuda(_) if !candle_core::utils::cuda_is_available() => Err(
                "this agpt was built without CUDA; build it with `cargo build --release --features cuda`"
                    .to_string(),
            ),
            Device::Cuda(number) => {
                candle_core::Device::new_cuda(number).map_err(|error| error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        assert_eq!("cpu".parse(), Ok(Device::Cpu));
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(Device::Cuda(3)));
        assert!("cuda:x".parse::<Device>().is_err());
        assert!("gpu".parse::<Device>().is_err());
    }
}

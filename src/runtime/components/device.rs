//! Where networks run.

use std::fmt;
use std::str::FromStr;

/// A place for tensors, as `--device` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    Cpu,
    Cuda(usize),
    Metal(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Metal(number) => write!(f, "metal:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        let number = number.parse().ok();
        match (kind, number) {
            ("cpu", _) if text == "cpu" => Some(Device::Cpu),
            ("cuda", number) => number.map(Device::Cuda),
            ("metal", number) => number.map(Device::Metal),
            _ => None,
        }
        .ok_or_else(|| "expected cpu, cuda, cuda:N, metal or metal:N".to_string())
    }
}

impl Device {
    /// Opens the device; a program built without it says so.
    pub fn open(self) -> Result<candle_core::Device, String> {
        let lacks = |name: &str, feature: &str| {
            Err(format!(
                "this agpt was built without {name}; build it with `cargo build --release --features {feature}`"
            ))
        };
        match self {
            Device::Cpu => Ok(candle_core::Device::Cpu),
            Device::Cuda(_) if !candle_core::utils::cuda_is_available() => lacks("CUDA", "cuda"),
            Device::Metal(_) if !candle_core::utils::metal_is_available() => {
                lacks("Metal", "metal")
            }
            Device::Metal(number) => {
                candle_core::Device::new_metal(number).map_err(|error| error.to_string())
            }
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
        assert_eq!("metal".parse(), Ok(Device::Metal(0)));
        assert_eq!(Device::Cuda(3).to_string().parse(), Ok(Device::Cuda(3)));
        assert!("cpu:0".parse::<Device>().is_err());
        assert!("cuda:x".parse::<Device>().is_err());
        assert!("gpu".parse::<Device>().is_err());
    }
}

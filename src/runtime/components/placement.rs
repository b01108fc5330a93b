//! Where components run, in which precision, within how much memory: what `--device`, `--dtype`
//! and `--memory` say.

use std::fmt;
use std::str::FromStr;

use candle_core::DType;

use super::device::Device;
use crate::base::Medium;
use crate::bundle::ComponentRole;
use crate::nn::quantized::Quantization;

/// How the numbers of a component are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    F32,
    F16,
    Bf16,
    /// Dense layers in blocks of 8 or 4 bits.
    Quantized(Quantization),
}

impl Precision {
    /// The type of the numbers that are computed with.
    pub fn dtype(self, device: Device) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            Precision::Bf16 => DType::BF16,
            Precision::Quantized(_) if device == Device::Cpu => DType::F32,
            Precision::Quantized(_) => DType::F16,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
            Precision::Quantized(kind) => kind.name(),
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "f32" => Precision::F32,
            "f16" => Precision::F16,
            "bf16" => Precision::Bf16,
            other => match other.parse() {
                Ok(kind) => Precision::Quantized(kind),
                Err(_) => return Err("expected f32, f16, bf16, q8_0 or q4_k".to_string()),
            },
        })
    }
}

/// Some of the components, by the names they have in a bundle's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Llm,
    Tokenizers(Option<Medium>),
    Detokenizers(Option<Medium>),
}

impl Part {
    fn holds(self, role: ComponentRole) -> bool {
        match (self, role) {
            (Part::All, _) | (Part::Llm, ComponentRole::Llm) => true,
            (Part::Tokenizers(of), ComponentRole::Tokenizer(medium))
            | (Part::Detokenizers(of), ComponentRole::Detokenizer(medium)) => {
                of.is_none_or(|of| of == medium)
            }
            _ => false,
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected llm, tokenizers, detokenizers, or one of them such as tokenizers.image"
                .to_string()
        };
        let (group, medium) = match text.split_once('.') {
            None => (text, None),
            Some((group, medium)) => {
                let medium = Medium::ALL.into_iter().find(|other| other.name() == medium);
                (group, Some(medium.filter(|it| *it != Medium::Text).ok_or_else(expected)?))
            }
        };
        match (group, medium) {
            ("llm", None) => Ok(Part::Llm),
            ("tokenizers", medium) => Ok(Part::Tokenizers(medium)),
            ("detokenizers", medium) => Ok(Part::Detokenizers(medium)),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, medium) = match self {
            Part::All => return Ok(()),
            Part::Llm => ("llm", None),
            Part::Tokenizers(medium) => ("tokenizers", *medium),
            Part::Detokenizers(medium) => ("detokenizers", *medium),
        };
        match medium {
            Some(medium) => write!(f, "{group}.{medium}="),
            None => write!(f, "{group}="),
        }
    }
}

/// `VALUE` for all components, or `PART=VALUE` for some.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice<T> {
    part: Part,
    value: T,
}

impl<T: FromStr<Err = String>> FromStr for Choice<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (part, value) = match text.split_once('=') {
            Some((part, value)) => (part.parse()?, value),
            None => (Part::All, text),
        };
        Ok(Choice { part, value: value.parse()? })
    }
}

/// As it is written on the command line.
impl<T: fmt::Display> fmt::Display for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.part, self.value)
    }
}

/// The value for a component: what was said of it by name goes before what was said of its group,
/// and that before what was said of all; of equals the last counts.
fn chosen<T: Copy>(choices: &[Choice<T>], role: ComponentRole) -> Option<T> {
    let rank = |part: Part| match part {
        Part::All => 0,
        Part::Tokenizers(None) | Part::Detokenizers(None) => 1,
        _ => 2,
    };
    let fitting = choices.iter().filter(|choice| choice.part.holds(role));
    fitting.max_by_key(|choice| rank(choice.part)).map(|choice| choice.value)
}

/// An amount of memory: `12GiB`, `8GB`, `500MB` or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, f64); 9] = [
            ("KiB", 1024.0),
            ("MiB", 1_048_576.0),
            ("GiB", 1_073_741_824.0),
            ("KB", 1e3),
            ("MB", 1e6),
            ("GB", 1e9),
            ("TB", 1e12),
            ("B", 1.0),
            ("", 1.0),
        ];
        let error = || "expected a size such as 12GiB or 800MB".to_string();
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(error)?;
        let number: f64 =
            text[..text.len() - unit.0.len()].trim_end().parse().map_err(|_| error())?;
        let bytes = number * unit.1;
        if !(1.0..=1e18).contains(&bytes) {
            return Err(error());
        }
        Ok(Bytes(bytes as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000_000 => write!(f, "{:.1} KB", self.0 as f64 / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", self.0 as f64 / 1e6),
            _ => write!(f, "{:.2} GB", self.0 as f64 / 1e9),
        }
    }
}

/// `SIZE` on every device, or `DEVICE=SIZE` on one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    device: Option<Device>,
    bytes: Bytes,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (device, size) = match text.split_once('=') {
            Some((device, size)) => (Some(device.parse()?), size),
            None => (None, text),
        };
        Ok(Budget { device, bytes: size.parse()? })
    }
}

/// Everything that was said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placement {
    pub devices: Vec<Choice<Device>>,
    pub precisions: Vec<Choice<Precision>>,
    pub budgets: Vec<Budget>,
}

impl Placement {
    pub fn device(&self, role: ComponentRole) -> Device {
        chosen(&self.devices, role).unwrap_or_default()
    }

    /// Quantization that is wished for all means the language model: the others have no use for it.
    pub fn precision(&self, role: ComponentRole) -> Option<Precision> {
        let means = |choice: &&Choice<Precision>| {
            let quantized = matches!(choice.value, Precision::Quantized(_));
            role == ComponentRole::Llm || !quantized || choice.part != Part::All
        };
        let choices: Vec<_> = self.precisions.iter().filter(means).copied().collect();
        chosen(&choices, role)
    }

    /// The weights, and what the language model keeps of a sequence, that may be on a device.
    pub fn budget(&self, device: Device) -> Option<Bytes> {
        let named = |budget: &&Budget| budget.device == Some(device);
        let any = |budget: &&Budget| budget.device.is_none();
        let budgets = || self.budgets.iter().rev();
        budgets().find(named).or_else(|| budgets().find(any)).map(|budget| budget.bytes)
    }
}

impl From<Device> for Placement {
    fn from(device: Device) -> Self {
        let devices = vec![Choice { part: Part::All, value: device }];
        Placement { devices, ..Placement::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices<T: FromStr<Err = String>>(texts: &[&str]) -> Vec<Choice<T>> {
        texts.iter().map(|text| text.parse::<Choice<T>>().map_err(|_| ()).unwrap()).collect()
    }

    #[test]
    fn the_nearest_name_counts() {
        let placement = Placement {
            devices: choices(&["llm=cuda:1", "tokenizers=cuda:2", "tokenizers.music=cpu", "cuda"]),
            precisions: choices(&["f32", "bf16"]),
            budgets: Vec::new(),
        };
        let music = ComponentRole::Tokenizer(Medium::Music);
        assert_eq!(placement.device(ComponentRole::Llm), Device::Cuda(1));
        assert_eq!(placement.device(ComponentRole::Tokenizer(Medium::Image)), Device::Cuda(2));
        assert_eq!(placement.device(music), Device::Cpu);
        assert_eq!(placement.device(ComponentRole::Detokenizer(Medium::Image)), Device::Cuda(0));
        assert_eq!(placement.precision(music), Some(Precision::Bf16));
        let quantized = Placement { precisions: choices(&["q4_k"]), ..Placement::default() };
        assert_eq!(quantized.precision(music), None);
        let q4_k = Precision::Quantized(Quantization::Q4K);
        assert_eq!(quantized.precision(ComponentRole::Llm), Some(q4_k));
        for wrong in ["tokenizers.text=cpu", "llm.image=cpu", "image=cpu", "=cpu", "llm=gpu"] {
            assert!(wrong.parse::<Choice<Device>>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0).ok();
        assert_eq!(bytes("12GiB"), Some(12 << 30));
        assert_eq!(bytes("1.5 GB"), Some(1_500_000_000));
        assert_eq!(bytes("800"), Some(800));
        assert_eq!(bytes("64B"), Some(64));
        for wrong in ["", "GB", "-1GB", "0", "1e30", "NaN", "12 Gi"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(Bytes(13_829_349_376).to_string(), "13.83 GB");
    }

    #[test]
    fn a_device_s_own_budget_goes_first() {
        let budgets = ["8GB", "cuda:1=2GB"].map(|text| text.parse().unwrap()).to_vec();
        let placement = Placement { budgets, ..Placement::default() };
        assert_eq!(placement.budget(Device::Cuda(1)), Some(Bytes(2_000_000_000)));
        assert_eq!(placement.budget(Device::Cpu), Some(Bytes(8_000_000_000)));
        assert_eq!(Placement::default().budget(Device::Cpu), None);
    }
}

//! SEANet (Tagliasacchi et al. 2020) as EnCodec has it (Défossez et al. 2022, section 3.1):
//! residual blocks between strided convolutions, and an LSTM where the sequence is shortest.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::nn::conv1d::{Conv1d, ConvTranspose1d};
use crate::nn::lstm::Lstm;
use crate::nn::snake::Snake;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Elu,
    Snake,
}

/// What the tensors of a checkpoint are called, below `encoder.` and `decoder.`.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The list of layers.
    pub layers: &'static str,
    /// From a layer to its convolution, and to its transposed convolution.
    pub conv: &'static str,
    pub transposed: &'static str,
}

/// Every size of the two halves.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Channels next to the samples; they double with each stride.
    pub filters: usize,
    /// Strides of the decoder, first to last; the encoder has them in reverse.
    pub ratios: Vec<usize>,
    /// Width of what is quantized.
    pub dimension: usize,
    pub kernel: usize,
    pub last_kernel: usize,
    pub residual_kernel: usize,
    pub residual_layers: usize,
    pub dilation_base: usize,
    /// How much narrower residual blocks are inside.
    pub compress: usize,
    pub lstm_layers: usize,
    /// Of the encoder; the decoder's LSTM always runs forward.
    pub bidirectional: bool,
    pub activation: Activation,
    /// Whether residual blocks have a convolution beside them, in place of the identity.
    pub conv_shortcut: bool,
    pub names: Names,
}

impl Shape {
    /// Channels where the sequence is shortest.
    fn widest(&self) -> usize {
        self.filters << self.ratios.len()
    }

    fn conv(
        &self,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        vb: VarBuilder,
    ) -> Result<Layer> {
        let vb = vb.pp(self.names.conv);
        Ok(Layer::Conv(Conv1d::load(inputs, outputs, kernel, stride, 1, vb)?))
    }

    fn activation(&self, channels: usize, vb: VarBuilder) -> Result<Layer> {
        Ok(match self.activation {
            Activation::Elu => Layer::Elu,
            Activation::Snake => Layer::Snake(Snake::load(channels, vb)?),
        })
    }

    /// The residual blocks of one width, behind the layers that are there already.
    fn residuals(&self, channels: usize, layers: &mut Vec<Layer>, vb: &VarBuilder) -> Result<()> {
        for index in 0..self.residual_layers {
            let vb = vb.pp(layers.len());
            let dilation = self.dilation_base.pow(index as u32);
            let hidden = channels / self.compress;
            let block = |index: usize| vb.pp("block").pp(index);
            let shortcut = vb.pp("shortcut").pp(self.names.conv);
            layers.push(Layer::Residual(Box::new(Residual {
                before: self.activation(channels, block(0))?,
                first: Conv1d::load(
                    channels,
                    hidden,
                    self.residual_kernel,
                    1,
                    dilation,
                    block(1).pp(self.names.conv),
                )?,
                between: self.activation(hidden, block(2))?,
                second: Conv1d::load(hidden, channels, 1, 1, 1, block(3).pp(self.names.conv))?,
                shortcut: match self.conv_shortcut {
                    true => Some(Conv1d::load(channels, channels, 1, 1, 1, shortcut)?),
                    false => None,
                },
            })));
        }
        Ok(())
    }

    fn lstm(&self, bidirectional: bool, layers: &mut Vec<Layer>, vb: &VarBuilder) -> Result<()> {
        if self.lstm_layers > 0 {
            let vb = vb.pp(layers.len()).pp("lstm");
            let size = self.widest();
            let lstm = Lstm::load(size, size, self.lstm_layers, bidirectional, vb)?;
            layers.push(Layer::Lstm(lstm));
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Layer {
    Conv(Conv1d),
    Transposed(ConvTranspose1d),
    Residual(Box<Residual>),
    /// With its input added to its output, once per direction.
    Lstm(Lstm),
    Snake(Snake),
    Elu,
}

impl Layer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Layer::Conv(conv) => conv.forward(x),
            Layer::Transposed(conv) => conv.forward(x),
            Layer::Residual(block) => block.forward(x),
            Layer::Snake(snake) => snake.forward(x),
            Layer::Elu => x.elu(1.0),
            Layer::Lstm(lstm) => {
                let steps = x.squeeze(0)?.t()?.contiguous()?;
                let output = lstm.forward(&steps)?;
                let copies = output.dim(1)? / steps.dim(1)?;
                (output + steps.repeat((1, copies))?)?.t()?.unsqueeze(0)?.contiguous()
            }
        }
    }
}

#[derive(Debug)]
struct Residual {
    before: Layer,
    first: Conv1d,
    between: Layer,
    second: Conv1d,
    shortcut: Option<Conv1d>,
}

impl Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.first.forward(&self.before.forward(x)?)?;
        let y = self.second.forward(&self.between.forward(&y)?)?;
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + y,
            None => x + y,
        }
    }
}

/// Samples → what is quantized.
#[derive(Debug)]
pub struct Encoder(Vec<Layer>);

impl Encoder {
    pub fn load(shape: &Shape, vb: VarBuilder) -> Result<Self> {
        let vb = vb.pp(shape.names.layers);
        let mut channels = shape.filters;
        let mut layers = vec![shape.conv(1, channels, shape.kernel, 1, vb.pp(0))?];
        for ratio in shape.ratios.iter().rev() {
            shape.residuals(channels, &mut layers, &vb)?;
            layers.push(shape.activation(channels, vb.pp(layers.len()))?);
            let vb = vb.pp(layers.len());
            layers.push(shape.conv(channels, channels * 2, ratio * 2, *ratio, vb)?);
            channels *= 2;
        }
        shape.lstm(shape.bidirectional, &mut layers, &vb)?;
        if shape.bidirectional && shape.lstm_layers > 0 {
            channels *= 2;
        }
        layers.push(shape.activation(channels, vb.pp(layers.len()))?);
        let vb = vb.pp(layers.len());
        layers.push(shape.conv(channels, shape.dimension, shape.last_kernel, 1, vb)?);
        Ok(Encoder(layers))
    }

    /// (1, 1, samples) → (1, dimension, ⌈samples / hop⌉)
    pub fn forward(&self, samples: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(samples.clone(), |x, layer| layer.forward(&x))
    }
}

/// What was quantized → samples.
#[derive(Debug)]
pub struct Decoder(Vec<Layer>);

impl Decoder {
    pub fn load(shape: &Shape, vb: VarBuilder) -> Result<Self> {
        let vb = vb.pp(shape.names.layers);
        let mut channels = shape.widest();
        let mut layers = vec![shape.conv(shape.dimension, channels, shape.kernel, 1, vb.pp(0))?];
        shape.lstm(false, &mut layers, &vb)?;
        for ratio in &shape.ratios {
            layers.push(shape.activation(channels, vb.pp(layers.len()))?);
            let conv = vb.pp(layers.len()).pp(shape.names.transposed);
            let conv = ConvTranspose1d::load(channels, channels / 2, ratio * 2, *ratio, conv)?;
            layers.push(Layer::Transposed(conv));
            channels /= 2;
            shape.residuals(channels, &mut layers, &vb)?;
        }
        layers.push(shape.activation(channels, vb.pp(layers.len()))?);
        let vb = vb.pp(layers.len());
        layers.push(shape.conv(channels, 1, shape.last_kernel, 1, vb)?);
        Ok(Decoder(layers))
    }

    /// (1, dimension, frames) → (1, 1, frames · hop)
    pub fn forward(&self, quantized: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(quantized.clone(), |x, layer| layer.forward(&x))
    }
}

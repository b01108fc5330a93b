//! What the neural audio codecs share: the SEANet encoder and decoder and the residual
//! quantizer. [`super::speech_tokenizer`] and [`super::encodec`] say which of their variants a
//! published codec is and what its tensors are called.

pub mod codec;
pub mod rvq;
pub mod seanet;

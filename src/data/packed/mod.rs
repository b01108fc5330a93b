//! Packed sequences: what a language model is trained on, as token ids.
//!
//! A data set is a folder with `packed.json` (the [`Index`]) and shards. A shard is a
//! safetensors file with four tensors, so that it is mapped rather than read and any tool opens it:
//!
//! | tensor | type and shape | |
//! |---|---|---|
//! | `input_ids` | U32 `(tokens)` | the ids of all sequences, one after another |
//! | `counted` | U8 `(tokens)` | 1 where the token is a target of the loss, 0 where not |
//! | `sequences` | U64 `(sequences + 1)` | where each sequence begins; the last entry is `tokens` |
//! | `samples` | U64 `(samples + 1)` | where each sample begins; every sequence begins with one |
//!
//! Sequences have the lengths they have: padding is the trainer's business. A sample is never torn
//! apart over two sequences (AnyGPT, section 4.1 and its stage1_pretrain.py).

mod index;
mod shard;
mod writer;

pub use index::{INDEX, Index, ShardEntry, TokenCounts};
pub use shard::{Sequence, Shard};
pub use writer::{PackedSequence, ShardWriter};

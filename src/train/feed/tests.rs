use std::path::Path;

use super::*;
use crate::data::packed::{Index, PackedSequence, ShardWriter, TokenCounts};
use crate::train::TrainError;
use crate::train::network::Attention;

pub const FIT: Fit<'static> = Fit { vocabulary_size: 100, vocabulary_blake3: "v", length: 64 };

/// Writes sequences, each a list of lengths of samples, in shards of three sequences; ids count up.
pub fn pack(folder: &Path, sequences: &[&[usize]]) {
    std::fs::create_dir_all(folder).unwrap();
    let mut index = Index::new(100, "v".into(), 64);
    let (mut writer, mut id) = (ShardWriter::new(), 0);
    for (shard, part) in sequences.chunks(3).enumerate() {
        for samples in part {
            let length: usize = samples.iter().sum();
            let ids = (0..length as u32).map(|at| (id + at) % 100).collect();
            id += length as u32;
            let sequence =
                PackedSequence { ids, counted: vec![true; length], samples: samples.to_vec() };
            writer.push(&sequence, &TokenCounts { text: length as u64, ..Default::default() });
        }
        index.shards.push(writer.finish(folder, &format!("{shard}.safetensors")).unwrap());
    }
    index.write(folder).unwrap();
}

fn set(sequences: &[&[usize]]) -> DataSet {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path(), sequences);
    // The shards are mapped: they stay when the folder goes.
    DataSet::open(folder.path(), FIT).unwrap()
}

fn feed() -> Feed {
    let a = set(&[&[4], &[5], &[6], &[7], &[8], &[9], &[10]]);
    let b = set(&[&[3], &[3], &[20]]);
    Feed::new(vec![a, b], &[Some(3.0), Some(1.0)], 5)
}

const SIZE: StepSize = StepSize::Tokens { step: 30, pass: 30 };

#[test]
fn each_epoch_reads_every_sequence_once_in_another_order() {
    let orders: Vec<_> = (0..2).map(|epoch| order(1, 0, epoch, 50)).collect();
    assert_ne!(orders[0], orders[1]);
    for mut order in orders {
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn tokens_come_in_proportion_to_the_weights() {
    let mut feed = feed();
    for _ in 0..200 {
        let items = feed.step(SIZE);
        assert!(!items.is_empty() && items.iter().map(|item| item.length).sum::<usize>() <= 30);
    }
    let tokens: Vec<f64> = feed.progress().iter().map(|at| at.tokens as f64).collect();
    assert!((tokens[0] / tokens[1] - 3.0).abs() < 0.05, "{tokens:?}");
    assert!(feed.progress()[0].epoch > 5);
}

#[test]
fn a_feed_goes_on_from_any_position() {
    let mut whole = feed();
    for _ in 0..40 {
        let mut resumed = feed();
        assert!(resumed.seek(whole.progress().to_vec()));
        assert_eq!(resumed.step(SIZE), feed_step(&mut whole));
        assert_eq!(resumed.progress(), whole.progress());
    }
    assert!(!feed().seek(vec![Progress::default()]));
    let beyond = Progress { read: 7, ..Progress::default() };
    assert!(!feed().seek(vec![beyond, Progress::default()]));
}

fn feed_step(feed: &mut Feed) -> Vec<Item> {
    feed.step(SIZE)
}

#[test]
fn a_step_counts_tokens_or_rows() {
    let rows = feed().step(StepSize::Rows { pass: 2, accumulation: 3 });
    assert_eq!(rows.len(), 6);
    // A sequence that is longer than a step is not left out.
    let mut long = Feed::new(vec![set(&[&[20]])], &[None], 0);
    assert_eq!(long.step(StepSize::Tokens { step: 8, pass: 64 }).len(), 1);
}

#[test]
fn passes_hold_like_lengths_and_all_targets() {
    let sets = [set(&[&[2, 2], &[9], &[4], &[8], &[3]])];
    let items: Vec<_> = (0..5).map(|at| Item { set: 0, at, length: sets[0].length(at) }).collect();
    let size = StepSize::Tokens { step: 100, pass: 18 };
    let passes = passes(&sets, &items, size, Attention::Sequence);
    let lengths = |pass: &Pass| pass.rows.iter().map(|row| row.item.length).collect::<Vec<_>>();
    assert_eq!(passes.iter().map(lengths).collect::<Vec<_>>(), [vec![3, 4, 4], vec![8, 9]]);
    assert_eq!((passes[0].tokens(), passes[0].padded()), (11, 12));
    let batch = passes[0].batch();
    assert_eq!(&batch.segments[..8], [1, 1, 1, 0, 1, 1, 2, 2]);
    assert_eq!(&batch.counted[..8], [false, true, true, false, false, true, true, true]);
    let targets: Vec<u32> = passes[0].targets().map(|(_, id)| id).collect();
    let counted = batch.ids.iter().zip(&batch.counted).filter(|(_, counted)| **counted);
    assert_eq!(targets, counted.map(|(id, _)| *id).collect::<Vec<_>>());
}

#[test]
fn a_sample_that_sees_no_other_begins_without_a_target() {
    let sets = [set(&[&[2, 2]])];
    let items = [Item { set: 0, at: 0, length: 4 }];
    let passes = passes(&sets, &items, SIZE, Attention::Sample);
    assert_eq!(passes[0].batch().counted, [false, true, false, true]);
}

#[test]
fn data_of_another_vocabulary_or_length_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path(), &[&[4], &[9]]);
    let refused = |fit| DataSet::open(folder.path(), fit).err().unwrap();
    let other = refused(Fit { vocabulary_size: 101, ..FIT }).to_string();
    assert!(other.contains("100 ids") && other.contains("101"), "{other}");
    let other = refused(Fit { vocabulary_blake3: "w", ..FIT });
    assert!(matches!(other, TrainError::Data(crate::data::DataError::Vocabulary { .. })));
    let long = refused(Fit { length: 8, ..FIT }).to_string();
    assert!(long.contains("a sequence of 9 tokens"), "{long}");
    pack(folder.path(), &[]);
    assert!(refused(FIT).to_string().contains("no sequences"));
}

#[test]
fn one_changed_id_is_found_before_anything_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    pack(folder.path(), &[&[4], &[9]]);
    let path = folder.path().join("0.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let data = &mut bytes[8 + header..];
    let id = data.as_chunks_mut::<4>().0.iter_mut().find(|id| **id == 3u32.to_le_bytes());
    *id.unwrap() = 5u32.to_le_bytes();
    std::fs::write(&path, bytes).unwrap();
    let error = DataSet::open(folder.path(), FIT).err().unwrap();
    assert!(matches!(error, TrainError::Data(crate::data::DataError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("its hash differs"), "{error}");
}

#[test]
fn a_sequence_is_named_by_its_shard() {
    let set = set(&[&[1], &[2], &[3], &[4]]);
    assert!(
        set.describe(3).starts_with("sequence 0 of ") && set.describe(3).ends_with("1.safetensors")
    );
}

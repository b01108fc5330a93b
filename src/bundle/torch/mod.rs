//! PyTorch checkpoints (`torch.save`): where the tensors lie in the file, without running pickle.
//!
//! The zip form (PyTorch 1.6 and newer) holds `data.pkl` and one entry for each storage; the older
//! form is a row of pickles with the storages behind them (torch/serialization.py). In both a
//! tensor is a view of a storage: offset, sizes and strides. Its bytes are used where they are,
//! so that a file of many gigabytes is mapped and never copied whole.

mod pickle;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use std::panic::AssertUnwindSafe;

use zip::{CompressionMethod, ZipArchive};

use self::pickle::{Heap, Id, Node};
use super::weights_file::{TensorInfo, element_bytes};
use crate::base::contained::contained;

const ZIP: &[u8] = b"PK\x03\x04";
/// A pickle of the number 0x1950a86a20f9469cfc6c.
const OLD: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// Dicts within dicts, as far as names are made of them.
const MAX_DEPTH: usize = 8;
/// The longest name of a tensor, in bytes, and the most sides that it may have.
const MAX_NAME: usize = 4096;
const MAX_SIDES: usize = 16;
/// No checkpoint has as many entries; one that refers to the same dict again and again could.
const MAX_VISITS: usize = 1 << 20;

/// Whether a file begins as one that `torch.save` wrote.
pub fn is_torch(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(OLD)
}

/// The tensors of a checkpoint. Dicts within dicts give names with dots: `{"model": {"w": …}}` has
/// the tensor `model.w`. What is no tensor is left out.
pub fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, TensorInfo>, String> {
    let (heap, root, storages) = if bytes.starts_with(ZIP) {
        let zip = contained(AssertUnwindSafe(|| zip_entries(bytes)));
        zip.unwrap_or_else(|| Err("its zip directory makes no sense".to_string()))?
    } else {
        old_form(bytes)?
    };
    let mut found = Walk { heap: &heap, storages: &storages, visits: 0, tensors: BTreeMap::new() };
    found.walk(root, String::new(), 0)?;
    if found.tensors.is_empty() {
        return Err("it holds no tensors".to_string());
    }
    Ok(found.tensors)
}

/// Storage key → its bytes' place in the file.
type Storages = BTreeMap<String, Range<usize>>;

// ---- the two forms ------------------------------------------------------------------------

fn zip_entries(bytes: &[u8]) -> Result<(Heap, Id, Storages), String> {
    let broken =
        |error: zip::result::ZipError| format!("it is no whole zip file ({error}); fetch it again");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        // Torchscript archives compress their code, which nobody reads here.
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            continue;
        }
        let place = entry.data_start().and_then(|start| {
            let end = start.checked_add(entry.size())?;
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        });
        match place {
            Some(place) if place.end <= bytes.len() => drop(entries.insert(name, place)),
            _ => return Err(format!("its entry `{name}` ends beyond the file; fetch it again")),
        }
    }
    let pickles: Vec<&String> = entries.keys().filter(|name| is_pickle(name)).collect();
    let [pickle] = pickles[..] else {
        return Err("it is a zip file, but not one that torch.save wrote".to_string());
    };
    let folder = pickle.trim_end_matches("data.pkl");
    if let Some(order) = entries.get(&format!("{folder}byteorder"))
        && &bytes[order.clone()] != b"little"
    {
        return Err("its numbers are big-endian, which is not supported".to_string());
    }
    let (heap, root, _) = pickle::read(&bytes[entries[pickle].clone()])?;
    let below = format!("{folder}data/");
    let storages = entries
        .iter()
        .filter_map(|(name, place)| Some((name.strip_prefix(&below)?.to_string(), place.clone())));
    Ok((heap, root, storages.collect()))
}

fn is_pickle(name: &str) -> bool {
    name == "data.pkl" || name.ends_with("/data.pkl")
}

/// Magic number, protocol, system, the object, the keys of its storages; then the storages, each
/// behind its number of elements.
fn old_form(bytes: &[u8]) -> Result<(Heap, Id, Storages), String> {
    let mut at = 0;
    let mut next = || {
        let (heap, root, length) = pickle::read(&bytes[at..])?;
        at += length;
        Ok::<_, String>((heap, root))
    };
    let (_, _) = next()?;
    let (_, _) = next()?;
    let (system, root) = next()?;
    if let Node::Dict(items) = system.get(root) {
        let little = |item: &&(Id, Id)| system.text(item.0) == Some("little_endian");
        let order = items.iter().find(little).map(|item| system.get(item.1));
        if order == Some(&Node::Bool(false)) {
            return Err("its numbers are big-endian, which is not supported".to_string());
        }
    }
    let (heap, root) = next()?;
    let (keys, list) = next()?;
    let Node::List(items) = keys.get(list) else {
        return Err("it has no list of storages".to_string());
    };
    let sizes = heap.persistent().filter_map(|id| {
        let storage = storage(&heap, id).ok()?;
        Some((storage.key.to_string(), element_bytes(storage.dtype)?))
    });
    let sizes: BTreeMap<String, usize> = sizes.collect();
    let mut storages = Storages::new();
    for item in items {
        let key = keys.text(*item).ok_or("a storage's key is no text")?;
        let size = sizes.get(key).ok_or_else(|| format!("no tensor has the storage `{key}`"))?;
        let head = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let head = head.ok_or("it ends before its storages; fetch it again")?;
        let count = usize::try_from(i64::from_le_bytes(*head));
        let start = at + 8;
        let end = count.ok().and_then(|count| count.checked_mul(*size)?.checked_add(start));
        let place = end.filter(|end| *end <= bytes.len()).map(|end| start..end);
        let place =
            place.ok_or_else(|| format!("it ends within storage `{key}`; fetch it again"))?;
        at = place.end;
        storages.insert(key.to_string(), place);
    }
    Ok((heap, root, storages))
}

// ---- tensors ------------------------------------------------------------------------------

struct Walk<'a> {
    heap: &'a Heap,
    storages: &'a Storages,
    visits: usize,
    tensors: BTreeMap<String, TensorInfo>,
}

impl Walk<'_> {
    fn walk(&mut self, id: Id, name: String, depth: usize) -> Result<(), String> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return Err("it has too many entries".to_string());
        }
        let heap = self.heap;
        let items = match heap.get(id) {
            Node::Dict(items) => items,
            Node::Call { callable, args, items } => {
                let tensor = self.made_by(*callable, *args, 0);
                match tensor.map_err(|reason| format!("tensor `{name}`: {reason}"))? {
                    Some(info) => return self.keep(name, info),
                    None => items,
                }
            }
            _ => return Ok(()),
        };
        if depth == MAX_DEPTH {
            return Ok(());
        }
        self.visits += items.len();
        for (key, value) in items {
            let key = match heap.get(*key) {
                Node::Text(text) if name.len() + text.len() > MAX_NAME => {
                    return Err("the name of a tensor is too long".to_string());
                }
                Node::Text(text) => text.clone(),
                Node::Int(number) => number.to_string(),
                _ => continue,
            };
            let full = if name.is_empty() { key } else { format!("{name}.{key}") };
            self.walk(*value, full, depth + 1)?;
        }
        Ok(())
    }

    fn keep(&mut self, name: String, info: TensorInfo) -> Result<(), String> {
        match self.tensors.insert(name.clone(), info) {
            Some(_) => Err(format!("the tensor `{name}` is there twice")),
            None => Ok(()),
        }
    }

    /// The tensor that a call of one of PyTorch's functions would make; `None` for other calls.
    fn made_by(&self, callable: Id, args: Id, depth: usize) -> Result<Option<TensorInfo>, String> {
        let heap = self.heap;
        let (Some((module, name)), Some(args)) = (heap.global(callable), heap.tuple(args)) else {
            return Ok(None);
        };
        match (module, name, args) {
            (
                "torch._utils",
                "_rebuild_tensor_v2" | "_rebuild_tensor",
                [storage, offset, sizes, strides, ..],
            ) => self.view(*storage, *offset, *sizes, *strides).map(Some),
            // A tensor in a wrapper: the type and state that it had do not change its numbers.
            ("torch._tensor", "_rebuild_from_type_v2", [callable, _, args, ..])
                if depth < MAX_DEPTH =>
            {
                self.made_by(*callable, *args, depth + 1)
            }
            (
                "torch._utils",
                "_rebuild_parameter" | "_rebuild_parameter_with_state",
                [data, ..],
            ) if depth < MAX_DEPTH => match heap.get(*data) {
                Node::Call { callable, args, .. } => self.made_by(*callable, *args, depth + 1),
                _ => Ok(None),
            },
            (module, name, _) if module.starts_with("torch") && name.starts_with("_rebuild") => {
                Err(format!("it is made by {module}.{name}, which is not supported"))
            }
            _ => Ok(None),
        }
    }

    fn view(&self, id: Id, offset: Id, sizes: Id, strides: Id) -> Result<TensorInfo, String> {
        let heap = self.heap;
        let Node::Persistent(id) = heap.get(id) else {
            return Err("its storage is not in the file".to_string());
        };
        let storage = storage(heap, *id)?;
        let place = self.storages.get(storage.key);
        let place = place.ok_or_else(|| format!("its storage `{}` is missing", storage.key))?;
        let offset = heap.int(offset).and_then(|offset| usize::try_from(offset).ok());
        let (Some(offset), Some(shape), Some(strides)) =
            (offset, heap.sizes(sizes), heap.sizes(strides))
        else {
            return Err("its sizes make no sense".to_string());
        };
        if shape.len() > MAX_SIDES {
            return Err(format!("it has {} sides", shape.len()));
        }
        let size = element_bytes(storage.dtype).unwrap_or(1);
        span(&shape, &strides)
            .filter(|_| shape.len() == strides.len())
            .and_then(|span| {
                let start = offset.checked_mul(size)?.checked_add(place.start)?;
                let end = span.checked_mul(size)?.checked_add(start)?;
                let count =
                    shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side))?;
                let fits = end <= place.end && count.checked_mul(size)? <= place.len();
                let strides = (!is_contiguous(&shape, &strides)).then(|| strides.clone());
                let dtype = storage.dtype.to_string();
                fits.then_some(TensorInfo { dtype, shape: shape.clone(), strides, start, end })
            })
            .ok_or_else(|| format!("its shape {shape:?} goes beyond its storage"))
    }
}

/// How many elements lie between the first and the last of a view, both included.
fn span(shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let steps = shape.iter().zip(strides).map(|(side, stride)| (side - 1).checked_mul(*stride));
    steps.into_iter().try_fold(1usize, |sum, step| sum.checked_add(step?))
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    shape.iter().zip(strides).rev().all(|(side, stride)| {
        let fits = *side <= 1 || *stride == expected;
        expected = expected.saturating_mul((*side).max(1));
        fits
    })
}

struct Storage<'a> {
    key: &'a str,
    /// As safetensors spells it.
    dtype: &'static str,
}

/// `("storage", class, key, location, number of elements)`.
fn storage(heap: &Heap, id: Id) -> Result<Storage<'_>, String> {
    let unknown = || "its storage is of an unknown kind".to_string();
    let Some([kind, class, key, ..]) = heap.tuple(id) else { return Err(unknown()) };
    let (Some("storage"), Some((_, class)), Some(key)) =
        (heap.text(*kind), heap.global(*class), heap.text(*key))
    else {
        return Err(unknown());
    };
    let dtype = match class {
        "FloatStorage" => "F32",
        "HalfStorage" => "F16",
        "BFloat16Storage" => "BF16",
        "DoubleStorage" => "F64",
        "LongStorage" => "I64",
        "IntStorage" => "I32",
        "ShortStorage" => "I16",
        "CharStorage" => "I8",
        "ByteStorage" => "U8",
        "BoolStorage" => "BOOL",
        other => return Err(format!("its storage is a {other}, which is not supported")),
    };
    Ok(Storage { key, dtype })
}

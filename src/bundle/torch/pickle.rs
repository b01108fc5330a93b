//! Pickle as plain data: the part of the format that saved state dicts use, without running any.
//!
//! A pickle is a program for a small stack machine, and two of its instructions, `GLOBAL` and
//! `REDUCE`, name Python objects and call them. Here a name stays a name and a call stays a
//! record of what would be called with what; whoever reads the result decides what it means.
//!
//! Values live in one vector and refer to each other by number, so that shared, deep or cyclic
//! structures cost nothing to drop. Opcodes: CPython, Lib/pickletools.py.

/// No Python object has a longer name.
const MAX_NAME: usize = 256;
/// The largest pickle that is read, in bytes: that of a checkpoint with a million tensors.
const MAX_PICKLE: usize = 256 << 20;

/// A value's number in its [`Heap`].
pub type Id = u32;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, or anything else that state dicts have no use for.
    Other(&'static str),
    Float(f64),
    Text(String),
    Bytes(usize),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name of a Python object: module and name in it.
    Global(String, String),
    /// What calling `callable` with `args` would give, and what was then put into it.
    Call {
        callable: Id,
        args: Id,
        items: Vec<(Id, Id)>,
    },
    /// What the file refers to outside of the pickle.
    Persistent(Id),
}

/// The values of one pickle.
#[derive(Debug, Default)]
pub struct Heap {
    nodes: Vec<Node>,
}

impl Heap {
    pub fn get(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    fn add(&mut self, node: Node) -> Result<Id, String> {
        let id = Id::try_from(self.nodes.len()).map_err(|_| "it has too many values")?;
        self.nodes.push(node);
        Ok(id)
    }

    /// What the file refers to outside of the pickle.
    pub fn persistent(&self) -> impl Iterator<Item = Id> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Persistent(id) => Some(*id),
            _ => None,
        })
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The module and name of a global.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.get(id) {
            Node::Global(module, name) => Some((module, name)),
            _ => None,
        }
    }

    /// The whole numbers of a tuple or list, all at least 0.
    pub fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let (Node::Tuple(items) | Node::List(items)) = self.get(id) else { return None };
        items.iter().map(|item| usize::try_from(self.int(*item)?).ok()).collect()
    }
}

/// Reads one pickle from the beginning of `bytes`: its values, the one it stands for, and how
/// many bytes it has.
pub fn read(bytes: &[u8]) -> Result<(Heap, Id, usize), String> {
    let bytes = &bytes[..bytes.len().min(MAX_PICKLE)];
    let mut machine = Machine {
        bytes,
        at: 0,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    let root = machine.run()?;
    Ok((machine.heap, root, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    heap: Heap,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let code = self.take(1)?[0];
            if code == b'.' {
                return self.pop();
            }
            self.step(code)
                .map_err(|error| format!("{error} (at byte {} of its pickle)", self.at))?;
        }
    }

    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            // PROTO, FRAME
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => {
                let value = self.take(1)?[0];
                self.push(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            0x8a => {
                let length = self.take(1)?[0];
                self.long(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.array()?);
                self.long(length as usize)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Node::Float(value))?;
            }
            b'I' | b'L' => {
                let line = self.line()?;
                let node = match (code, line.as_str()) {
                    (b'I', "00") => Node::Bool(false),
                    (b'I', "01") => Node::Bool(true),
                    (_, number) => match number.trim_end_matches('L').parse() {
                        Ok(value) => Node::Int(value),
                        Err(_) => Node::Other("a large integer"),
                    },
                };
                self.push(node)?;
            }
            b'F' => {
                let value = self.line()?.parse().map_err(|_| "a number is none")?;
                self.push(Node::Float(value))?;
            }
            // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8; strings of Python 2 are text too.
            0x8c | b'U' => {
                let length = self.take(1)?[0];
                self.text(length.into())?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(usize::try_from(length).map_err(|_| "a text is too long")?)?;
            }
            b'V' | b'S' => {
                let line = self.line()?;
                let quoted = |mark: char| line.strip_prefix(mark)?.strip_suffix(mark);
                let inner = if code == b'S' { quoted('\'').or_else(|| quoted('"')) } else { None };
                let text = inner.unwrap_or(&line);
                self.push(Node::Text(text.to_string()))?;
            }
            // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
            b'C' => {
                let length = self.take(1)?[0];
                self.raw(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.array()?);
                self.raw(length as usize)?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.array()?);
                self.raw(usize::try_from(length).map_err(|_| "bytes are too many")?)?;
            }
            b']' => self.push(Node::List(Vec::new()))?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            // EMPTY_SET, FROZENSET
            0x8f => self.push(Node::Other("a set"))?,
            0x90 | 0x91 => {
                self.pop_to_mark()?;
                if code == 0x91 {
                    self.push(Node::Other("a set"))?;
                }
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items))?;
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Node::List(items))?;
            }
            b'd' => {
                let items = pairs(self.pop_to_mark()?)?;
                self.push(Node::Dict(items))?;
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=code {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Node::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let items = pairs(self.pop_to_mark()?)?;
                self.set(items)?;
            }
            // PUT, BINPUT, LONG_BINPUT, MEMOIZE
            b'p' => {
                let index = self.line()?.parse().map_err(|_| "a memo's number is none")?;
                self.remember(index)?;
            }
            b'q' => {
                let index = self.take(1)?[0];
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.remember(index as usize)?;
            }
            0x94 => self.remember(self.memo.len())?,
            // GET, BINGET, LONG_BINGET
            b'g' => {
                let index = self.line()?.parse().map_err(|_| "a memo's number is none")?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.take(1)?[0];
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index as usize)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(module, name))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id| {
                    let name = self.heap.text(id).filter(|name| name.len() <= MAX_NAME);
                    name.map(str::to_string).ok_or("a name is no text, or too long")
                };
                let (module, name) = (text(module)?, text(name)?);
                self.push(Node::Global(module, name))?;
            }
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.push(Node::Call { callable, args, items: Vec::new() })?;
            }
            0x92 => {
                let (_, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Node::Call { callable, args, items: Vec::new() })?;
            }
            // BUILD: a state, such as an OrderedDict's _metadata, is of no use here.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))?;
            }
            b'P' => {
                let line = self.line()?;
                let id = self.heap.add(Node::Text(line))?;
                self.push(Node::Persistent(id))?;
            }
            other => return Err(format!("the instruction {other:#04x} has no place in weights")),
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).ok_or("it ends too early")?;
        let taken = self.bytes.get(self.at..end).ok_or("it ends too early")?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| "it ends too early".to_string())
    }

    /// Up to the next line end.
    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        let line = self.take(length + 1)?;
        match std::str::from_utf8(&line[..length]) {
            Ok(line) => Ok(line.trim_end_matches('\r').to_string()),
            Err(_) => Err("a line is no text".to_string()),
        }
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        let node = match std::str::from_utf8(bytes) {
            Ok(text) => Node::Text(text.to_string()),
            Err(_) => Node::Other("a text that is not UTF-8"),
        };
        self.push(node)
    }

    fn raw(&mut self, length: usize) -> Result<(), String> {
        self.take(length)?;
        self.push(Node::Bytes(length))
    }

    /// A little-endian two's complement integer of any length.
    fn long(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        let node = if length > 8 {
            Node::Other("a large integer")
        } else {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut whole = [if negative { 0xFF } else { 0 }; 8];
            whole[..length].copy_from_slice(bytes);
            Node::Int(i64::from_le_bytes(whole))
        };
        self.push(node)
    }

    fn push(&mut self, node: Node) -> Result<(), String> {
        let id = self.heap.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.get(floor..).and_then(<[Id]>::last) {
            Some(id) => Ok(*id),
            None => Err("its stack is empty".to_string()),
        }
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, more: Vec<Id>) -> Result<(), String> {
        let list = self.top()?;
        match &mut self.heap.nodes[list as usize] {
            Node::List(items) => items.extend(more),
            // What some other object makes of its items is not known.
            Node::Call { .. } => {}
            _ => return Err("something is appended to what is no list".to_string()),
        }
        Ok(())
    }

    fn set(&mut self, more: Vec<(Id, Id)>) -> Result<(), String> {
        let dict = self.top()?;
        match &mut self.heap.nodes[dict as usize] {
            Node::Dict(items) | Node::Call { items, .. } => items.extend(more),
            _ => return Err("an item is set in what is no dict".to_string()),
        }
        Ok(())
    }

    fn remember(&mut self, index: usize) -> Result<(), String> {
        let top = self.top()?;
        // Nobody numbers more than there are values; a few may be left out.
        if index > 2 * self.heap.nodes.len() + 1024 {
            return Err("a memo's number is too large".to_string());
        }
        if self.memo.len() <= index {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(top);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), String> {
        let id = self.memo.get(index).copied().flatten().ok_or("a memo is empty")?;
        self.stack.push(id);
        Ok(())
    }
}

fn pairs(items: Vec<Id>) -> Result<Vec<(Id, Id)>, String> {
    if items.len() % 2 == 1 {
        return Err("a dict has a key without a value".to_string());
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pickle.dumps({"a": [1, -2, 2**40], "b": (None, True, 1.5, "ä")}, protocol)`.
    #[test]
    fn every_protocol_gives_the_same_values() {
        let zero: &[u8] = b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naL1099511627776L\nasVb\np3\n(NI01\nF1.5\nV\xc3\xa4\np4\ntp5\ns.";
        let two = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01eX\x01\x00\x00\x00bq\x03(N\x88G?\xf8\x00\x00\x00\x00\x00\x00X\x02\x00\x00\x00\xc3\xa4q\x04tq\x05u.";
        let four = b"\x80\x04\x95.\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01e\x8c\x01b\x94(N\x88G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x02\xc3\xa4\x94t\x94u.";
        for bytes in [zero, two, four] {
            let (heap, root, end) = read(bytes).unwrap();
            assert_eq!(end, bytes.len());
            let Node::Dict(items) = heap.get(root) else { panic!("no dict") };
            let (a, b) = (items[0].1, items[1].1);
            assert_eq!(heap.text(items[0].0), Some("a"));
            let Node::List(numbers) = heap.get(a) else { panic!("no list") };
            let numbers: Vec<_> = numbers.iter().map(|id| heap.int(*id).unwrap()).collect();
            assert_eq!(numbers, [1, -2, 1 << 40]);
            let rest: Vec<_> = heap.tuple(b).unwrap().iter().map(|id| heap.get(*id)).collect();
            let text = Node::Text("ä".to_string());
            assert_eq!(rest, [&Node::None, &Node::Bool(true), &Node::Float(1.5), &text]);
        }
    }

    #[test]
    fn calls_are_not_made() {
        // os.system("true"), which a naive reader would run.
        let (heap, root, _) = read(b"cos\nsystem\n(Vtrue\ntR.").unwrap();
        let Node::Call { callable, args, .. } = heap.get(root) else { panic!("no call") };
        assert_eq!(heap.global(*callable), Some(("os", "system")));
        assert_eq!(heap.tuple(*args).map(<[Id]>::len), Some(1));
    }

    #[test]
    fn a_list_that_holds_itself_and_deep_nesting_do_no_harm() {
        assert!(read(b"]q\x00h\x00a.").is_ok());
        let deep = [b"]".repeat(1_000_000), b"a".repeat(999_999), b".".to_vec()].concat();
        assert!(read(&deep).is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            b"".as_slice(),
            b".",
            b"(.",
            b"t.",
            b"h\x01.",
            b"K\x01K\x02a.",
            b"K\x01K\x02s.",
            b"X\xff\xff\xff\xff.",
            b"r\xff\xff\xff\xff.",
            b"i.",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}

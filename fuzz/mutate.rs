//! Changes of programs word by word: bytes alone seldom get past a parser.

use libfuzzer_sys::fuzzer_mutate;

/// Pieces of programs; agpt.dict has the same words for the changes that libFuzzer makes.
const PIECES: &[&str] = &[
    "\"",
    "\"\"\"",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "\\",
    "//",
    "///",
    "\n",
    ",",
    ": ",
    " = ",
    " == ",
    "-",
    " -> ",
    "!",
    "?",
    " ?? ",
    "..",
    ".",
    " | ",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "1e308",
    "0.5",
    "3s",
    "250ms",
    "none",
    "true",
    "\"a\"",
    "\"{x}\"",
    "\n////1 2 3\n",
    "use std/tasks\n",
    "pub ",
    "const A = 1\n",
    "type T = text | none\n",
    "template t(x: text) -> text { user { \"{x}\" } assistant { {out} } }\n",
    "pipeline f(x: int) -> int { return x }\n",
    "test \"t\" { expect true }\n",
    "evaluation e(x: text) { measure wer(x, x) }\n",
    "let y = x\n",
    "return y\n",
    "if x == 1 { 1 } else { 2 }",
    "[y for y in [1, 2] if y > 1]",
    " not ",
    " and ",
    " or ",
    " contains ",
    " between ",
    "match x { 1 => 2, _ => 3 }",
    "generate text from ",
    "generate image from \"x\" { perceptual: { steps: 4 } }",
    "encode ",
    "decode ",
    "{out}",
    "{ semantic: { temperature: 0.5, seed: 7 } }",
    "list<int>",
    "text matching /a+/",
    "speech[3s..5s]",
    "tokens<image>",
    "list<text>[4]",
    "{ a: int, b: text }",
    "image",
    "speech",
    "music",
    "text",
    "chat { user { \"a\" } }",
    "snapshot x\n",
    "plugin p = wasm \"p.wasm\" { memory: 1MiB }\n",
];

struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % count.max(1) as u64) as usize
    }
}

/// Words, runs of space, and single other characters.
fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' => 1,
        ' ' => 2,
        _ => 0,
    };
    let mut out = Vec::new();
    let mut start = 0;
    let mut last = 0;
    for (at, c) in text.char_indices() {
        let now = kind(c);
        if at > start && (now != last || now == 0) {
            out.push(&text[start..at]);
            start = at;
        }
        last = now;
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

/// One to four changes of a program; bytes that are no text are left to libFuzzer.
pub fn program(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let Ok(text) = std::str::from_utf8(&data[..size]) else {
        return fuzzer_mutate(data, size, max_size);
    };
    let mut draw = Draw(u64::from(seed));
    let text = text.to_string();
    let mut words: Vec<&str> = words(&text);
    for _ in 0..=draw.below(4) {
        let at = draw.below(words.len() + 1);
        let end = (at + 1 + draw.below(6)).min(words.len());
        match draw.below(8) {
            0 if at < end => drop(words.drain(at..end)),
            1 if at < end => {
                let copy = words[at..end].to_vec();
                let to = draw.below(words.len() + 1);
                words.splice(to..to, copy);
            }
            2 if at < words.len() => {
                let other = draw.below(words.len());
                words.swap(at, other);
            }
            3 if at < words.len() => words[at] = words[draw.below(words.len())],
            4 if at < words.len() => words[at] = PIECES[draw.below(PIECES.len())],
            // Nesting: a stretch in itself.
            5 if at < end => {
                let copy = words[at..end].to_vec();
                for _ in 0..draw.below(40) {
                    words.splice(at..at, copy.iter().copied());
                }
            }
            _ => words.insert(at, PIECES[draw.below(PIECES.len())]),
        }
    }
    let changed = words.concat();
    if changed.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..changed.len()].copy_from_slice(changed.as_bytes());
    changed.len()
}

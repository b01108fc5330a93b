//! How long it takes to read and check a file of a thousand lines (the bar: 20 ms for the
//! whole of `agpt check`, process start included).

use std::fmt::Write as _;
use std::hint::black_box;

use agpt::lang::{self, MemoryLoader};
use criterion::{Criterion, criterion_group, criterion_main};

/// About a thousand lines of templates and pipelines that use each other.
fn program() -> String {
    let mut out = String::from("use std/tasks\n\n");
    for n in 0..48 {
        let _ = write!(
            out,
            r#"const LIMIT_{n} = 20 + {n} * 2

/// A sentence about a picture, number {n}.
template look_{n}(
  /// The picture.
  picture: image,
  tone: "plain" | "poetic" = "plain",
) -> text {{
  user {{ "Describe this picture in a {{tone}} way. {{picture}}" }}
  assistant {{ {{out}} }}
}}

/// Words and speech for some pictures.
pipeline tell_{n}(photos: list<image>, voice: speech? = none) -> {{ words: list<text>, audio: speech }} {{
  let words = [generate text from look_{n}(photo, tone: "poetic") {{
    semantic: {{ temperature: 0.7, max_tokens: LIMIT_{n} }}
  }} for photo in photos]
  let all = if length(words) > 1 {{ "{{words[0]}} and {{words[1]}}" }} else {{ words[0] }}
  let audio = generate speech from tasks.speak(all) {{ perceptual: {{ voice, steps: 4 }} }}
  return {{ words, audio }}
}}
"#
        );
    }
    out
}

fn check(c: &mut Criterion) {
    let program = program();
    let lines = program.lines().count();
    let loader = MemoryLoader::default().with("std/tasks", include_str!("../stdlib/tasks.agpt"));
    let compilation = lang::compile("bench.agpt", &program, &loader);
    assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics);
    c.bench_function(&format!("check {lines} lines"), |b| {
        b.iter(|| lang::compile("bench.agpt", black_box(&program), &loader));
    });
}

criterion_group!(benches, check);
criterion_main!(benches);

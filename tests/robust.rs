//! Files that are made to exhaust time, memory or the stack: each costs its reader one message.

mod support;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use agpt::base::{Severity, yaml};
use agpt::lang::{self, MemoryLoader};
use agpt::media::{MAX_SIDE, RgbImage, png_text};
use support::{agpt, stderr, temp};

/// Far more than any of these takes unoptimised on a busy machine; a hang takes for ever.
const LONG: Duration = Duration::from_secs(20);

fn within<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < LONG, "{what} took {:?}", start.elapsed());
    result
}

fn codes(text: &str, loader: &MemoryLoader) -> Vec<&'static str> {
    let compilation = within("compiling", || lang::compile("main.agpt", text, loader));
    assert!(compilation.program.is_none());
    compilation.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn a_file_of_ten_megabytes_is_refused_unread() {
    let folder = temp();
    let file = folder.path().join("long.agpt");
    fs::write(&file, "const A = 1 // é\n".repeat(600_000)).unwrap();
    for arguments in [&["check"][..], &["fmt", "--check"]] {
        let output =
            within("refusing", || agpt(arguments.iter().copied()).arg(&file).output().unwrap());
        let told = stderr(&output);
        assert!(told.contains("E0116") && told.contains("4 MiB"), "{told}");
        assert_ne!(output.status.code(), Some(0));
        assert!(told.len() < 2000, "one message: {told}");
    }
}

#[test]
fn a_million_mistakes_are_not_all_told() {
    let text = "const\n".repeat(200_000);
    let compilation = within("compiling", || lang::compile("a", &text, &MemoryLoader::default()));
    assert_eq!(compilation.diagnostics.len(), 200);
    let help = compilation.diagnostics.last().unwrap().help.clone().unwrap();
    assert!(help.contains("more diagnostics are not shown"), "{help}");
    // Warnings never hide the only error.
    let uses: String = (0..300).map(|n| format!("use std/tasks as m{n}\n")).collect();
    let loader = MemoryLoader::default().with("std/tasks", "pub const A = 1\n");
    let text = uses + "const B = nothing\n";
    let compilation = lang::compile("a", &text, &loader);
    assert!(compilation.diagnostics.iter().any(|d| d.severity == Severity::Error));
    assert!(compilation.program.is_none());
}

#[test]
fn nesting_of_a_hundred_thousand_levels_is_one_mistake() {
    let deep = 100_000;
    let loader = MemoryLoader::default();
    let nested = [
        "const A = ".to_string() + &"(".repeat(deep) + "1" + &")".repeat(deep),
        "type T = ".to_string() + &"list<".repeat(deep) + "int" + &">".repeat(deep),
        "type T = ".to_string() + &"{ a: ".repeat(deep) + "int" + &" }".repeat(deep),
        "const A = ".to_string() + &"match 1 { _ => ".repeat(deep) + "1" + &" }".repeat(deep),
        "const A = ".to_string() + &"\"{".repeat(deep) + "1" + &"}\"".repeat(deep),
        "template t() { user ".to_string() + &"{ ".repeat(deep) + "1" + &" }".repeat(deep) + " }",
    ];
    for text in nested {
        let found = codes(&text, &loader);
        assert_eq!(found.first(), Some(&"E0111"), "{}", &text[..40]);
        assert!(found.len() < 4, "{found:?}");
    }
}

#[test]
fn long_lines_and_huge_literals_are_bounded() {
    let loader = MemoryLoader::default();
    // One line of a megabyte that is right, and one that is not.
    let whole = format!("const A = \"{}\"\n", "x".repeat(1 << 20));
    let compilation = within("compiling", || lang::compile("a", &whole, &loader));
    assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics.first());
    for text in [
        format!("const A = {}\n", "9".repeat(1 << 20)),
        format!("const A = 1e{}\n", "9".repeat(1 << 20)),
        format!("const {} = \n", "a".repeat(1 << 20)),
        format!("const A = \"\\u{{{}}}\"\n", "f".repeat(1 << 20)),
        format!("const A = [{}\n", "1, ".repeat(100_000)),
    ] {
        assert!(!codes(&text, &loader).is_empty());
    }
}

#[test]
fn import_bombs_are_bounded() {
    let chain = |count: usize, uses: &dyn Fn(usize) -> String| {
        (0..count).fold(MemoryLoader::default(), |loader, n| {
            loader.with(&format!("m{n}"), &(uses(n) + &format!("pub const C{n} = 1\n")))
        })
    };
    // Ten thousand files in a row.
    let long = chain(10_000, &|n| format!("use ./m{}\n", n + 1));
    assert!(codes("use ./m0\n", &long).contains(&"E0204"));
    // A circle of three.
    let circle = chain(3, &|n| format!("use ./m{}\n", (n + 1) % 3));
    assert!(
        codes("use ./m0\nconst A = m0.C0\n", &circle).iter().any(|code| code.starts_with("E02"))
    );
    // Diamonds: 2^200 ways lead to the last file, which is read once.
    let pair = |n: usize| format!("use ./m{} as a\nuse ./m{} as b\n", n + 2 - n % 2, n + 3 - n % 2);
    let diamonds = chain(402, &|n| if n < 400 { pair(n) } else { String::new() });
    let text = "use ./m0\npub const A = m0.C0\n";
    let compilation = within("compiling", || lang::compile("a", text, &diamonds));
    assert!(compilation.program.is_some(), "{:?}", compilation.diagnostics.first());
}

#[test]
fn what_looks_like_something_else_is_told() {
    let loader = MemoryLoader::default();
    // Cyrillic а, and a mark that turns the order of a line round.
    assert!(codes("const \u{430} = 1\n", &loader).contains(&"E0101"));
    assert!(codes("const A = \"x\u{202e}y\"\n", &loader).contains(&"E0115"));
}

#[test]
fn yaml_bombs_are_refused() {
    let items = |name: &str| vec![format!("*{name}"); 9].join(", ");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for n in 1..10 {
        bomb += &format!("a{n}: &a{n} [{}]\n", items(&format!("a{}", n - 1)));
    }
    let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 10_000].join(", "));
    let deep = "[".repeat(100_000);
    let long = "- a\n".repeat(1 << 19);
    for text in [&bomb, &large, &deep, &long] {
        let at = Path::new("x.yaml");
        within("refusing", || {
            assert!(yaml::read::<serde_json::Value>(text).is_err());
            assert!(agpt::bundle::Manifest::parse(text, "bundle.yaml").is_err());
            assert!(agpt::bundle::EvaluatorManifest::parse(text, "evaluator.yaml").is_err());
            assert!(agpt::train::recipe::Recipe::parse(text, "recipe.yaml").is_err());
            assert!(agpt::data::recipe::Recipe::parse(text, at).is_err());
            assert!(agpt::data::synthesis::Recipe::parse(text, at).is_err());
            assert!(agpt::package::Manifest::parse(text, at).is_err());
            assert!(agpt::package::Lock::parse(text, at).is_err());
        });
    }
}

#[test]
fn a_zip_bomb_in_a_checkpoint_is_not_unpacked() {
    use zip::write::SimpleFileOptions;
    let pack = |method: zip::CompressionMethod, size: u32| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file("a/data.pkl", options).unwrap();
        zip.write_all(b"N.").unwrap();
        let mut bytes = zip.finish().unwrap().into_inner();
        // Directory and header promise more than there is.
        let sizes: Vec<usize> = [b"PK\x03\x04", b"PK\x01\x02"]
            .iter()
            .map(|mark| bytes.windows(4).position(|w| w == *mark).unwrap())
            .collect();
        for (at, offset) in sizes.into_iter().zip([18, 20]) {
            bytes[at + offset + 4..at + offset + 8].copy_from_slice(&size.to_le_bytes());
        }
        bytes
    };
    for bytes in [
        pack(zip::CompressionMethod::Stored, 2),
        pack(zip::CompressionMethod::Stored, u32::MAX - 1),
    ] {
        let blob = agpt::bundle::Blob::Owned(bytes.into());
        let opened =
            within("opening", || agpt::bundle::Weights::open([("bomb.pt".to_string(), blob)]));
        let told = opened.err().expect("no weights").to_string();
        assert!(told.contains("bomb.pt"), "{told}");
    }
}

/// A chunk of a PNG file with its sum.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], kind, data, &(!crc).to_be_bytes()].concat()
}

#[test]
fn a_picture_that_promises_gigabytes_is_refused() {
    let picture = |side: u32| {
        let head = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        let parts = [chunk(b"IHDR", &head), chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1])];
        [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat(), chunk(b"IEND", &[])].concat()
    };
    for side in [MAX_SIDE + 1, MAX_SIDE, 100_000, u32::MAX >> 1] {
        let bytes = picture(side);
        within("refusing", || {
            assert!(RgbImage::decode(&bytes, "bomb.png").is_err());
            // Texts are read without the pixels, so there may be nothing wrong with them.
            assert!(
                png_text(&bytes, "bomb.png").is_err()
                    || png_text(&bytes, "bomb.png").unwrap().is_empty()
            );
        });
    }
}

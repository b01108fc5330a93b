//! Plugins as a user meets them: components are typed and called, and hostile ones end in one
//! diagnostic that names the plugin.
#![cfg(feature = "plugins")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
#[cfg(unix)]
use std::time::{Duration, Instant};

use proptest::prelude::*;
use support::{agpt, json, stderr, temp};

/// A module with a memory, a realloc that never frees, and what `body` adds.
fn module(body: &str) -> String {
    format!(
        r#"(core module $m
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  {body})
(core instance $i (instantiate $m))"#
    )
}

/// A component with one function `f: func(n: s64) -> s64`.
fn number(body: &str) -> String {
    format!(
        r#"(component {}
  (func (export "f") (param "n" s64) (result s64) (canon lift (core func $i "f"))))"#,
        module(&format!(r#"(func (export "f") (param $n i64) (result i64) {body})"#))
    )
}

/// A component whose `f: func(n: s64) -> RESULT` gives two words at address 16.
fn pair(result: &str, words: (u32, u32), data: &str) -> String {
    let body = format!(
        r#"{data}
  (func (export "f") (param $n i64) (result i32)
    (i32.store (i32.const 16) (i32.const {}))
    (i32.store (i32.const 20) (i32.const {}))
    (i32.const 16))"#,
        words.0, words.1
    );
    format!(
        r#"(component {}
  (func (export "f") (param "n" s64) (result {result})
    (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#,
        module(&body)
    )
}

const TWICE: &str = "(i64.mul (local.get $n) (i64.const 2))";

fn write(folder: &Path, component: impl AsRef<[u8]>, file: &str) -> String {
    let bytes = match component.as_ref() {
        text @ [b'(', ..] => wat::parse_bytes(text).unwrap_or_else(|e| panic!("{e}")).into_owned(),
        bytes => bytes.to_vec(),
    };
    fs::write(folder.join("plugin.wasm"), bytes).unwrap();
    let path = folder.join("main.agpt");
    fs::write(&path, file).unwrap();
    path.display().to_string()
}

fn calling(settings: &str, ty: &str) -> String {
    format!(
        "plugin evil = wasm \"plugin.wasm\" {{ {settings} }}\n\n\
         pipeline main(n: int = 21) -> {ty} {{\n  return evil.f(n)\n}}\n"
    )
}

fn command(folder: &Path, args: &[&str]) -> Output {
    // The cache of compiled plugins goes where the test does.
    agpt(args.iter().copied()).env("XDG_CACHE_HOME", folder.join("cache")).output().unwrap()
}

fn run(component: &str, settings: &str, ty: &str) -> Output {
    let folder = temp();
    let file = write(folder.path(), component, &calling(settings, ty));
    command(folder.path(), &["run", &file])
}

/// The run fails with the code, and its one report names the plugin.
fn fails(output: &Output, code: &str, says: &str) {
    let told = stderr(output).split_whitespace().collect::<Vec<_>>().join(" ").replace(" │ ", " ");
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains(code) && told.contains("`evil") && told.contains(says), "{told}");
    assert_eq!(told.matches('×').count(), 1, "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

fn check(component: impl AsRef<[u8]>, file: &str) -> (Option<i32>, String) {
    let folder = temp();
    let file = write(folder.path(), component, file);
    let output = command(folder.path(), &["check", &file]);
    (output.status.code(), stderr(&output))
}

#[test]
fn a_function_is_called_with_its_types() {
    let output = run(&number(TWICE), "", "int");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{}", stderr(&output));
}

#[test]
fn a_second_run_takes_the_compiled_component_and_a_damaged_one_is_made_anew() {
    let folder = temp();
    let file = write(folder.path(), number(TWICE), &calling("", "int"));
    let go = || {
        let output = command(folder.path(), &["run", &file]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{}", stderr(&output));
    };
    go();
    let kept = folder.path().join("cache/agpt/plugins");
    let code = fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&code).unwrap();
    go();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&code, &damaged).unwrap();
    go();
    assert_eq!(fs::read(&code).unwrap(), whole, "the damaged code is replaced");
}

#[test]
fn what_never_ends_is_ended() {
    let forever = number("(loop $l (br $l)) (unreachable)");
    fails(&run(&forever, "fuel: 1_000_000", "int"), "E0906", "fuel of 1000000");
    fails(
        &run(&forever, "fuel: 1_000_000_000_000, deadline: 100ms", "int"),
        "E0906",
        "longer than",
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_call_that_does_not_end() {
    let folder = temp();
    let settings = "fuel: 1_000_000_000_000, deadline: 10min";
    let forever = number("(loop $l (br $l)) (unreachable)");
    let file = write(folder.path(), forever, &calling(settings, "int"));
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("agpt"))
        .args(["run", &file])
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .env("NO_COLOR", "1")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The compiled component is kept before the call begins.
    let kept = folder.path().join("cache/agpt/plugins");
    let begun = Instant::now();
    while fs::read_dir(&kept).map_or(0, |all| all.count()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was compiled");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("cancelled"), "{}", stderr(&output));
}

#[test]
fn a_start_function_that_never_ends_is_ended() {
    let body = "(func $s (loop $l (br $l))) (start $s) \
                (func (export \"f\") (param $n i64) (result i64) (i64.const 1))";
    let text = format!(
        "(component {} (func (export \"f\") (param \"n\" s64) (result s64) \
         (canon lift (core func $i \"f\"))))",
        module(body)
    );
    fails(&run(&text, "fuel: 1_000_000", "int"), "E0906", "fuel");
}

#[test]
fn crashes_are_told() {
    fails(&run(&number("(unreachable)"), "", "int"), "E0906", "unreachable");
    fails(&run(&number("(i64.div_s (i64.const 1) (i64.const 0))"), "", "int"), "E0906", "divide");
    let deep = "(call $f (local.get $n))";
    let text =
        number(deep).replace("(func (export \"f\") (param $n", "(func $f (export \"f\") (param $n");
    fails(&run(&text, "", "int"), "E0906", "stack");
    let outside = number("(i64.load (i32.const 0x7fffffff))");
    fails(&run(&outside, "", "int"), "E0906", "out of bounds");
}

#[test]
fn memory_is_limited_for_all_memories_together() {
    let bomb = "(loop $l (drop (memory.grow (i32.const 16))) (br $l)) (unreachable)";
    fails(&run(&number(bomb), "memory: 2MiB", "int"), "E0906", "2MiB of memory");
    let several = number(TWICE).replace("(global $next", "(memory 20) (memory 20) (global $next");
    fails(&run(&several, "memory: 2MiB", "int"), "E0906", "2MiB of memory");
    let table = number(TWICE).replace("(global $next", "(table 10000000 funcref) (global $next");
    fails(&run(&table, "memory: 2MiB", "int"), "E0906", "2MiB of memory");
}

#[test]
fn results_are_limited_and_checked() {
    // Sixty megabytes of bytes would be more than a gigabyte of values.
    let huge =
        pair("(list u8)", (0, 60_000_000), "").replace("\"memory\") 1)", "\"memory\") 1000)");
    fails(&run(&huge, "", "list<int>"), "E0906", "more than a run takes");
    let outside = pair("(list u8)", (60_000, 60_000), "");
    fails(&run(&outside, "", "list<int>"), "E0906", "out of bounds");
    let text = pair("string", (100, 2), r#"(data (i32.const 100) "\ff\fe")"#);
    fails(&run(&text, "", "text"), "E0906", "utf-8");
    let nothing = number("(f64.div (f64.const 0) (f64.const 0))")
        .replace("(result s64)", "(result f64)")
        .replace("(result i64)", "(result f64)");
    fails(&run(&nothing, "", "float"), "E0907", "no number");
}

#[test]
fn an_error_of_a_plugin_is_told_without_its_control_characters() {
    let body = r#"(data (i32.const 100) "no\1b[2J way")
  (func (export "f") (param $n i64) (result i32)
    (i32.store8 (i32.const 16) (i32.const 1))
    (i32.store (i32.const 24) (i32.const 100))
    (i32.store (i32.const 28) (i32.const 10))
    (i32.const 16))"#;
    let text = format!(
        r#"(component {}
  (func (export "f") (param "n" s64) (result (result s64 (error string)))
    (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#,
        module(body)
    );
    let output = run(&text, "", "int");
    fails(&output, "E0907", "no [2J way");
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn numbers_that_do_not_fit_are_told() {
    let small = number(TWICE)
        .replace("s64", "u8")
        .replace("(param $n i64) (result i64)", "(param $n i32) (result i32)")
        .replace(TWICE, "(local.get $n)");
    let folder = temp();
    let file = write(folder.path(), small, &calling("", "int"));
    let output = command(folder.path(), &["run", &file, "--n", "256"]);
    fails(&output, "E0907", "256 does not fit");
    let output = command(folder.path(), &["run", &file, "--n", "255"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "255\n");
    let large = number("(i64.const -1)").replace("(result s64)", "(result u64)");
    fails(&run(&large, "", "int"), "E0907", "larger than an int");
}

const CLOCK: &str = r#"(component
  (import "agpt:plugin/clock@0.1.0" (instance $clock (export "now" (func (result float64)))))
  (core func $now (canon lower (func $clock "now")))
  (core module $m (import "" "now" (func $now (result f64)))
    (func (export "f") (param i64) (result i64) (i64.trunc_f64_s (call $now))))
  (core instance $i (instantiate $m (with "" (instance (export "now" (func $now))))))
  (func (export "f") (param "n" s64) (result s64) (canon lift (core func $i "f"))))"#;

#[test]
fn a_grant_needs_the_file_and_the_person() {
    let clock = CLOCK.replace("float64", "f64");
    let (code, told) = check(&clock, &calling("", "int"));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("E0904") && told.contains("`clock`"), "{told}");
    fails(&run(&clock, "grants: [\"clock\"]", "int"), "E0905", "--allow evil=clock");
    let folder = temp();
    let file = write(folder.path(), &clock, &calling("grants: [\"clock\"]", "int"));
    for allow in ["clock", "evil=clock", "log,clock"] {
        let output = command(folder.path(), &["run", &file, "--allow", allow]);
        let seconds: i64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        assert!(seconds > 1_500_000_000, "{}", stderr(&output));
    }
    let output = command(folder.path(), &["run", &file, "--allow", "other=clock"]);
    assert_eq!(output.status.code(), Some(2), "a slip is none of the pipeline's");
    let told = stderr(&output);
    assert!(told.contains("names `other`") && told.contains("calls: `evil`"), "{told}");
    let output = command(folder.path(), &["run", &file, "--allow", "root"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_test_needs_the_grant_too() {
    let folder = temp();
    let text = format!(
        "{}\ntest \"t\" {{\n  expect main() > 0\n}}\n",
        calling("grants: [\"clock\"]", "int")
    );
    let file = write(folder.path(), CLOCK.replace("float64", "f64"), &text);
    let output = command(folder.path(), &["test", &file]);
    assert!(
        stderr(&output).contains("E0905")
            || String::from_utf8_lossy(&output.stdout).contains("E0905")
    );
    let output = command(folder.path(), &["test", &file, "--allow", "evil=clock"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn there_is_no_ambient_authority() {
    for (import, says) in [
        ("wasi:cli/environment@0.2.0", "without WASI"),
        ("wasi:filesystem/types@0.2.0", "without WASI"),
        ("agpt:plugin/files@0.1.0", "this agpt has"),
        ("agpt:plugin/clock@9.0.0", "this agpt has"),
        ("evil:net/sockets", "only the interfaces"),
    ] {
        let text = CLOCK.replace("float64", "f64").replace("agpt:plugin/clock@0.1.0", import);
        let grants = "grants: [\"log\", \"clock\", \"random\"]";
        let (code, told) = check(&text, &calling(grants, "int"));
        assert_eq!(code, Some(1), "{import}: {told}");
        assert!(told.contains("E0904") && told.contains(says), "{import}: {told}");
    }
    // The right name with another function is not given either.
    let text =
        CLOCK.replace("float64", "f64").replace("\"now\" (func (result", "\"set\" (func (result");
    let text = text.replace("(func $clock \"now\")", "(func $clock \"set\")");
    let (code, told) = check(&text, &calling("grants: [\"clock\"]", "int"));
    assert!(code == Some(1) && told.contains("E0904"), "{told}");
}

#[test]
fn what_is_no_component_is_told_when_checked() {
    let whole = wat::parse_str(number(TWICE)).unwrap();
    let file = calling("", "int");
    let core = wat::parse_str("(module)").unwrap();
    for (bytes, says) in [
        (Vec::new(), "not a WebAssembly component"),
        (b"hello".to_vec(), "not a WebAssembly component"),
        (core, "agpt plugin build"),
        (whole[..whole.len() / 2].to_vec(), "damaged"),
        (b"\0asm\x0e\0\x01\0".to_vec(), "does not know"),
    ] {
        let (code, told) = check(bytes, &file);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ").replace(" │ ", " ");
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("E0901") && told.contains("`evil`") && told.contains(says), "{told}");
    }
}

#[test]
fn calls_are_checked_before_anything_runs() {
    let file = |call: &str, ty: &str| {
        format!(
            "plugin evil = wasm \"plugin.wasm\"\n\npipeline main(n: int, s: text) -> {ty} {{\n  \
             return {call}\n}}\n"
        )
    };
    for (call, ty, code) in [
        ("evil.g(n)", "int", "E0903"),
        ("evil.f(s)", "int", "E0301"),
        ("evil.f(n)", "text", "E0301"),
        ("evil.f()", "int", "E0303"),
        ("evil.f(n, n)", "int", "E0304"),
        ("evil.f(m: n)", "int", "E0305"),
        ("evil(n)", "int", "E0211"),
        ("evil", "int", "E0211"),
        ("evil.f", "int", "E0211"),
    ] {
        let (exit, told) = check(number(TWICE), &file(call, ty));
        assert_eq!(exit, Some(1), "{call}: {told}");
        assert!(told.contains(code), "{call}: {told}");
    }
    // A type that the language lacks, named with its function.
    let odd = number(TWICE)
        .replace("(param \"n\" s64) (result s64)", "(param \"n\" s64) (result (tuple s64))");
    let (exit, told) = check(odd, &file("evil.f(n)", "int"));
    assert!(exit == Some(1) && told.contains("E0902") && told.contains("tuple"), "{told}");
}

#[test]
fn settings_are_checked() {
    for (settings, code) in [
        ("fuel: 1", "E0404"),
        ("fuel: 1.5", "E0301"),
        ("fuel: 3MiB", "E0404"),
        ("memory: 64", "E0404"),
        ("memory: 1KiB", "E0404"),
        ("memory: 99999999999999GiB", "E0404"),
        ("deadline: 2h", "E0404"),
        ("deadline: 10", "E0301"),
        ("grants: \"clock\"", "E0404"),
        ("grants: [\"root\"]", "E0404"),
        ("fuel: 1000, fuel: 1000", "E0405"),
        ("fules: 1000", "E0401"),
    ] {
        let (exit, told) = check(number(TWICE), &calling(settings, "int"));
        assert_eq!(exit, Some(1), "{settings}: {told}");
        assert!(told.contains(code), "{settings}: {told}");
    }
}

#[test]
fn a_plugin_is_used_from_another_module() {
    let folder = temp();
    let text = "use ./tools\nuse ./tools { evil as good }\n\n\
                pipeline main(n: int = 21) -> list<int> {\n  \
                return [tools.evil.f(n), good.f(1)]\n}\n";
    let file = write(folder.path(), number(TWICE), text);
    fs::write(folder.path().join("tools.agpt"), "pub plugin evil = wasm \"plugin.wasm\"\n")
        .unwrap();
    let output = command(folder.path(), &["run", &file, "--json"]);
    assert_eq!(json(&output)["results"]["main"], serde_json::json!([42, 2]), "{}", stderr(&output));
}

#[test]
fn inspect_shows_signatures_and_what_is_asked_for() {
    let folder = temp();
    write(folder.path(), CLOCK.replace("float64", "f64"), "");
    let path = folder.path().join("plugin.wasm").display().to_string();
    let output = command(folder.path(), &["plugin", "inspect", &path]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("f(n: int) -> int") && text.contains("--allow clock"), "{text}");
    let shown = json(&command(folder.path(), &["plugin", "inspect", &path, "--json"]));
    assert_eq!(shown["functions"][0]["result"], "int");
    assert_eq!(shown["grants"], serde_json::json!(["clock"]));
}

#[test]
fn a_new_plugin_has_a_world_and_build_makes_a_component_for_it() {
    for lang in ["rust", "c"] {
        let folder = temp();
        let within = folder.path().display().to_string();
        let output = command(
            folder.path(),
            &["plugin", "new", "loud-words", "--lang", lang, "--within", &within],
        );
        assert!(output.status.success(), "{}", stderr(&output));
        let made = folder.path().join("loud-words");
        // What a compiler would write, by hand: gives its argument back.
        let core = r#"(module (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "shout") (param i32 i32) (result i32)
            (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
            (i32.const 16)))"#;
        fs::write(made.join("core.wasm"), wat::parse_str(core).unwrap()).unwrap();
        let path = |name: &str| made.join(name).display().to_string();
        let output = command(
            folder.path(),
            &[
                "plugin",
                "build",
                &path("core.wasm"),
                "--wit",
                &path("wit/plugin.wit"),
                "--out",
                &path("loud-words.wasm"),
            ],
        );
        assert!(output.status.success(), "{}", stderr(&output));
        let output = command(folder.path(), &["run", &path("example.agpt"), "--line", "hello"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{}", stderr(&output));
        // Without a world there is nothing to make.
        let output = command(
            folder.path(),
            &["plugin", "build", &path("core.wasm"), "--out", &path("x.wasm")],
        );
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    }
    let output = command(Path::new("/tmp"), &["plugin", "new", "../up"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// Types nested so deep that a reader which recurses on a usual stack would overflow it.
#[test]
fn deep_types_are_refused() {
    for depth in [100usize, 20_000, 40_000] {
        let mut text = String::from("(component (type $t0 (list u8))\n");
        for n in 1..depth {
            text.push_str(&format!("(type $t{n} (list $t{}))\n", n - 1));
        }
        text.push_str(&format!("(import \"f\" (func (param \"x\" $t{}))))", depth - 1));
        let read = agpt::plugins::component(wat::parse_str(&text).unwrap());
        if let Ok(component) = read {
            assert!(!component.imports.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is done to a file, reading it ends with a value or a reason.
    #[test]
    fn damaged_components_are_read_without_a_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = wat::parse_str(CLOCK.replace("float64", "f64")).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Err(reason) = agpt::plugins::component(bytes) {
            prop_assert!(!reason.is_empty());
        }
    }
}

//! `agpt fmt` as one types it.

mod support;

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use support::temp;

const UGLY: &str = "const  A=1 // one\n";
const NEAT: &str = "const A = 1 // one\n";
const WRONG: &str = "const A = = 1\n";

fn fmt(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("agpt").unwrap();
    command.current_dir(folder).env("NO_COLOR", "1").arg("fmt").args(args);
    command
}

/// Standard output, standard error and the exit code.
fn said(mut command: Command) -> (String, String, i32) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn the_folder_is_formatted_but_for_what_is_not_the_users() {
    let folder = temp();
    let folder = folder.path();
    for name in ["a.agpt", "sub/b.agpt", ".hidden/c.agpt", "target/d.agpt", "e.txt"] {
        write(folder, name, UGLY);
    }
    write(folder, "neat.agpt", NEAT);
    let (out, err, code) = said(fmt(folder, &[]));
    assert_eq!((out.as_str(), code), ("", 0), "{err}");
    let sub = Path::new("sub").join("b.agpt");
    let expected = format!("a.agpt: formatted\n{}: formatted\n3 files, 2 changed\n", sub.display());
    assert_eq!(err, expected);
    for (name, now) in [
        ("a.agpt", NEAT),
        ("sub/b.agpt", NEAT),
        (".hidden/c.agpt", UGLY),
        ("target/d.agpt", UGLY),
        ("e.txt", UGLY),
    ] {
        assert_eq!(text(folder, name), now, "{name}");
    }
    assert_eq!(said(fmt(folder, &[])).1, "3 files, 0 changed\n");
    // What is named is formatted wherever it is.
    assert_eq!(said(fmt(folder, &["target"])).2, 0);
    assert_eq!(text(folder, "target/d.agpt"), NEAT);
}

#[test]
fn check_shows_what_would_change_and_changes_nothing() {
    let folder = temp();
    let folder = folder.path();
    write(folder, "a.agpt", UGLY);
    write(folder, "b.agpt", NEAT);
    let (out, err, code) = said(fmt(folder, &["--check"]));
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "--- a.agpt\n+++ a.agpt (formatted)\n@@ -1 +1 @@\n-const  A=1 // one\n+const A = 1 // one\n"
    );
    assert_eq!(err, "a.agpt: not formatted\n2 files, 1 would change\n");
    assert_eq!(text(folder, "a.agpt"), UGLY);
    assert_eq!(said(fmt(folder, &["--check", "b.agpt"])).2, 0);
}

#[test]
fn a_file_with_mistakes_is_left_and_the_others_are_formatted() {
    let folder = temp();
    let folder = folder.path();
    write(folder, "a.agpt", WRONG);
    write(folder, "b.agpt", UGLY);
    let (_, err, code) = said(fmt(folder, &[]));
    assert_eq!(code, 1);
    assert!(err.contains("E0101") && err.contains("a.agpt:1:11"), "{err}");
    assert!(err.ends_with("b.agpt: formatted\n2 files, 1 changed\n"), "{err}");
    assert_eq!(text(folder, "a.agpt"), WRONG);
    assert_eq!(text(folder, "b.agpt"), NEAT);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let folder = temp();
    let with = |args: &[&str], input: &str| {
        let mut command = fmt(folder.path(), args);
        command.write_stdin(input);
        said(command)
    };
    assert_eq!(with(&["-"], UGLY), (NEAT.to_string(), String::new(), 0));
    assert_eq!(with(&["-", "--check"], NEAT), (String::new(), String::new(), 0));
    let (out, _, code) = with(&["-", "--check"], UGLY);
    assert!(out.contains("+const A = 1 // one\n") && code == 1, "{out}");
    let (out, err, code) = with(&["-"], WRONG);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.contains("<stdin>:1:11"), "{err}");
    for args in [&["-", "a.agpt"][..], &["-", "--json"]] {
        assert_eq!(with(args, "").2, 2, "{args:?}");
    }
}

#[test]
fn json_lists_changes_and_mistakes() {
    let folder = temp();
    let folder = folder.path();
    write(folder, "a.agpt", UGLY);
    write(folder, "b.agpt", WRONG);
    let (out, err, code) = said(fmt(folder, &["--json", "--check"]));
    assert_eq!((err.as_str(), code), ("", 1));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["files"], 2);
    assert_eq!(json["changed"], serde_json::json!(["a.agpt"]));
    assert_eq!(json["diagnostics"][0]["code"], "E0101");
}

#[test]
fn what_cannot_be_read_is_a_usage_error() {
    let folder = temp();
    let (_, err, code) = said(fmt(folder.path(), &["no.agpt"]));
    assert_eq!(code, 2);
    assert!(err.contains("no.agpt cannot be read: there is no such file"), "{err}");
    fs::write(folder.path().join("x.agpt"), b"\xff").unwrap();
    let (_, err, code) = said(fmt(folder.path(), &["."]));
    assert_eq!(code, 2);
    assert!(err.contains("it is not a UTF-8 text"), "{err}");
}

#[cfg(unix)]
#[test]
fn permissions_links_and_untouched_files_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = temp();
    let folder = folder.path();
    write(folder, "real.agpt", UGLY);
    write(folder, "neat.agpt", NEAT);
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    let file = folder.join("real.agpt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.agpt", folder.join("link.agpt")).unwrap();
    let before = fs::metadata(folder.join("neat.agpt")).unwrap();
    assert_eq!(said(fmt(folder, &["link.agpt", "neat.agpt"])).2, 0);
    assert_eq!(text(folder, "real.agpt"), NEAT);
    assert_eq!(mode("real.agpt"), 0o640);
    assert!(fs::symlink_metadata(folder.join("link.agpt")).unwrap().is_symlink());
    let after = fs::metadata(folder.join("neat.agpt")).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

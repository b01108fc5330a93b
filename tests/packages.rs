//! Packages through the program: manifests, the lock file, `use pkg/…`, new, add, fetch.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use support::{stderr, temp};

use agpt::package::{Lock, Manifest};

struct Place {
    folder: tempfile::TempDir,
}

const WORDS: &str =
    "/// A greeting.\npub template hello(name: text) -> text {\n  user { \"Hello {name}\" }\n}\n";

impl Place {
    fn new() -> Self {
        Place { folder: temp() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn package(&self, folder: &str, name: &str, packages: &str) -> &Self {
        let text = format!("name: {name}\nversion: 0.1.0\nedition: 2026\n{packages}");
        self.write(&format!("{folder}/agpt.yaml"), &text)
    }

    /// A library with one template, and an app that uses it by `packages`.
    fn words_and_app(&self, packages: &str) -> &Self {
        self.package("words", "words", "").write("words/lib.agpt", WORDS);
        self.package("app", "app", packages).write(
            "app/main.agpt",
            "use pkg/words { hello }\n\npipeline main() -> text {\n  return generate text from hello(\"you\")\n}\n",
        )
    }

    fn command(&self, folder: &str, args: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("agpt"));
        command
            .current_dir(self.at(folder))
            .env("NO_COLOR", "1")
            .env("AGPT_PACKAGES", self.at("cache"))
            .env_remove("AGPT_MODELS")
            .args(args);
        command
    }

    fn agpt(&self, folder: &str, args: &[&str]) -> Output {
        self.command(folder, args).output().unwrap()
    }

    fn git(&self, folder: &str, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.at(folder))
            .args([
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    fn commit(&self, folder: &str) -> String {
        if !self.at(folder).join(".git").exists() {
            self.git(folder, &["init", "-q", "-b", "main"]);
        }
        self.git(folder, &["add", "-A"]);
        self.git(folder, &["commit", "-q", "-m", "x"]);
        self.git(folder, &["rev-parse", "HEAD"])
    }

    fn url(&self, folder: &str) -> String {
        format!("file://{}", self.at(folder).display())
    }
}

fn told(output: &Output) -> String {
    stderr(output)
        .split_whitespace()
        .filter(|w| !matches!(*w, "│" | "·"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn ok(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[track_caller]
fn fails(output: &Output, exit: i32, says: &[&str]) {
    assert_eq!(output.status.code(), Some(exit), "{}", stderr(output));
    for part in says {
        assert!(told(output).contains(part), "{part:?} is not in\n{}", stderr(output));
    }
}

#[test]
fn a_path_package_is_used_and_is_live() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n");
    ok(&place.agpt("app", &["check", "main.agpt"]));
    ok(&place.agpt(".", &["check", "app"]));
    // No lock file is needed, and a change counts at once.
    place.write("words/lib.agpt", &WORDS.replace("hello", "good_day"));
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E0207", "`pkg/words` has no `hello`"]);
}

#[test]
fn modules_below_and_whole_modules() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n");
    place.write("words/more/polite.agpt", "use ../lib { hello }\npub template bow(name: text) -> text {\n  user { {hello(name)} \" bows\" }\n}\n");
    place.write("app/main.agpt", "use pkg/words\nuse pkg/words/more/polite as p\n\npipeline main() -> text {\n  let a = generate text from words.hello(\"a\")\n  return generate text from p.bow(a)\n}\n");
    ok(&place.agpt("app", &["check", "main.agpt"]));
    place.write(
        "app/main.agpt",
        "use pkg/words/more/polit\npipeline main() -> text { return \"\" }\n",
    );
    fails(
        &place.agpt("app", &["check", "main.agpt"]),
        1,
        &["E0204", "did you mean `pkg/words/more/polite`?"],
    );
    place.write("app/main.agpt", "use pkg/word\npipeline main() -> text { return \"\" }\n");
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1003", "did you mean `pkg/words`?"]);
}

#[test]
fn a_file_without_a_project_names_no_packages() {
    let place = Place::new();
    place.write("main.agpt", "use pkg/words\npipeline main() -> text { return \"\" }\n");
    fails(&place.agpt(".", &["check", "main.agpt"]), 1, &["E1003", "there is no agpt.yaml"]);
}

#[test]
fn a_package_stays_in_its_folder() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n").write("secret.agpt", WORDS);
    place.write("words/lib.agpt", "pub use ../secret { hello }\n");
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1009", "outside of the package"]);
    for path in ["../secret.txt", "/etc/hostname", "a/../../secret.txt"] {
        place.write("words/lib.agpt", &format!("pub pipeline hello(name: text) -> image {{\n  let _n = name\n  return file(\"{path}\")\n}}\n"));
        place.write(
            "app/main.agpt",
            "use pkg/words { hello }\npipeline main() -> image { return hello(\"\") }\n",
        );
        fails(
            &place.agpt("app", &["check", "main.agpt"]),
            1,
            &["E1009", "a package reads its own files only"],
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_a_package_is_refused() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n").write("secret.agpt", WORDS);
    fs::remove_file(place.at("words/lib.agpt")).unwrap();
    std::os::unix::fs::symlink(place.at("secret.agpt"), place.at("words/lib.agpt")).unwrap();
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1009", "outside of the package"]);
}

#[test]
fn manifests_are_strict() {
    let head = "name: app\nversion: 0.1.0\nedition: 2026\n";
    let cases = [
        (format!("{head}pakages: {{}}\n"), "E1001", "did you mean `packages`?"),
        (format!("{head}device: cuda\n"), "E1001", "agpt.yaml has no key `device`"),
        (format!("{head}name: b\n"), "E1001", "`name` is there twice"),
        ("name: app\nedition: 2026\n".to_string(), "E1001", "`version` is missing"),
        (head.replace("0.1.0", "1.0"), "E1002", "`1.0` is no version"),
        (head.replace("2026", "2027"), "E1002", "there is no edition 2027"),
        (head.replace("app", "App"), "E1002", "`App` cannot be a package's name"),
        (head.replace("app", "match"), "E1002", "a word of the language"),
        (
            format!("{head}packages:\n  x: {{ path: ., git: y }}\n"),
            "E1002",
            "from `path` or from `git`",
        ),
        (format!("{head}packages:\n  x: {{ path: ., tag: y }}\n"), "E1002", "belong to `git`"),
        (format!("{head}packages:\n  x: {{ pth: . }}\n"), "E1001", "did you mean `path`?"),
        (format!("{head}packages:\n  x: {{ git: 'ext::sh -c id' }}\n"), "E1002", "is no address"),
        (format!("{head}packages:\n  x: {{ git: 'ext::id' }}\n"), "E1002", "more than an address"),
        (
            format!("{head}packages:\n  x: {{ git: --upload-pack=id }}\n"),
            "E1002",
            "more than an address",
        ),
        (
            format!("{head}packages:\n  x: {{ git: 'https://me:secret@host/x' }}\n"),
            "E1002",
            "holds a name or password",
        ),
        (
            format!("{head}packages:\n  x: {{ git: 'http://host/x' }}\n"),
            "E1002",
            "no address that agpt fetches",
        ),
        (
            format!("{head}packages:\n  x: {{ git: 'file:///x', tag: a, branch: b }}\n"),
            "E1002",
            "exclude each other",
        ),
        (
            format!("{head}packages:\n  x: {{ git: 'file:///x', branch: --help }}\n"),
            "E1002",
            "no name of a tag or branch",
        ),
        (
            format!("{head}packages:\n  x: {{ git: 'file:///x', rev: 12ab }}\n"),
            "E1002",
            "no full name of a commit",
        ),
        (
            format!("{head}packages:\n  x: {{ git: 'file:///x', folder: ../y }}\n"),
            "E1002",
            "does not stay in the repository",
        ),
        ("- a\n".to_string(), "E1001", "cannot be read"),
        ("name: [".to_string(), "E1001", "cannot be read"),
    ];
    for (text, code, says) in cases {
        let place = Place::new();
        place.write("agpt.yaml", &text);
        let output = place.agpt(".", &["fetch"]);
        fails(&output, 1, &[code, says]);
        fails(&place.agpt(".", &["check", "."]), 1, &[code, says]);
        // The same where a file is checked, in its words.
        place.write("a.agpt", "use pkg/x\npipeline a() -> text { return \"\" }\n");
        fails(&place.agpt(".", &["check", "a.agpt"]), 1, &[code, "agpt.yaml"]);
    }
}

/// `ssh` is a program of the user's; here it runs on this machine what the other would run.
#[cfg(unix)]
#[test]
fn a_package_comes_over_ssh() {
    use std::os::unix::fs::PermissionsExt;
    for address in ["ssh://host.example", "git@host.example:"] {
        let place = Place::new();
        let repository = place.at("words");
        let git = format!("packages:\n  words: {{ git: '{address}{}' }}\n", repository.display());
        place.words_and_app(&git);
        let commit = place.commit("words");
        let script = "#!/bin/sh\n[ \"$1\" = -G ] && exit 1\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\n\
                      for last; do :; done\nexec sh -c \"$last\"\n";
        place.write("ssh", script);
        fs::set_permissions(place.at("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        let fetch = |args: &[&str]| {
            let mut command = place.command("app", args);
            command.env("GIT_SSH", place.at("ssh")).env_remove("GIT_SSH_COMMAND");
            command.output().unwrap()
        };
        ok(&fetch(&["fetch"]));
        assert!(place.read("app/agpt.lock").contains(&format!("commit: \"{commit}\"")));
        assert!(place.read("asked").contains("host.example git-upload-pack"));
        ok(&place.agpt("app", &["check", "main.agpt"]));
        // A host that cannot be reached leaves all as it was, and git's own words are shown.
        place.write("ssh", "#!/bin/sh\necho no route to host >&2\nexit 255\n");
        let lock = place.read("app/agpt.lock");
        let words = ["cannot be fetched", "no route to host"];
        fails(&fetch(&["fetch", "--update", "words"]), 3, &words);
        assert_eq!(place.read("app/agpt.lock"), lock);
    }
}

#[test]
fn a_git_package_is_fetched_locked_and_verified() {
    let place = Place::new();
    let git = format!("packages:\n  words: {{ git: '{}', tag: v1 }}\n", place.url("words"));
    place.words_and_app(&git);
    let first = place.commit("words");
    place.git("words", &["tag", "v1"]);
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1004", "run `agpt fetch`"]);
    ok(&place.agpt("app", &["fetch"]));
    let lock = place.read("app/agpt.lock");
    assert!(lock.contains(&format!("commit: \"{first}\"")), "{lock}");
    ok(&place.agpt("app", &["check", "main.agpt"]));
    ok(&place.agpt("app", &["fetch", "--locked"]));
    assert_eq!(place.read("app/agpt.lock"), lock);
    // Its files came without what git keeps.
    let cached = fs::read_dir(place.at("cache"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.'))
        .unwrap();
    let cached = cached.join(&first);
    assert!(cached.join("lib.agpt").is_file() && !cached.join(".git").exists());
    // A moved tag changes nothing until that is asked for.
    place.write("words/lib.agpt", &format!("{WORDS}pub const NEW = 1\n"));
    let second = place.commit("words");
    place.git("words", &["tag", "-f", "v1"]);
    ok(&place.agpt("app", &["fetch"]));
    assert_eq!(place.read("app/agpt.lock"), lock);
    ok(&place.agpt("app", &["fetch", "--update", "words"]));
    assert!(place.read("app/agpt.lock").contains(&second));
    fails(
        &place.agpt("app", &["fetch", "--update", "other"]),
        1,
        &["E1003", "its packages: words"],
    );
    // The old lock on a machine without the package: the very commit is fetched again.
    place.write("app/agpt.lock", &lock);
    fs::remove_dir_all(place.at("cache")).unwrap();
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1004", "not on this machine yet"]);
    ok(&place.agpt("app", &["fetch", "--locked"]));
    ok(&place.agpt("app", &["check", "main.agpt"]));
    // Changed content is refused.
    fs::write(cached.join("lib.agpt"), format!("{WORDS}// changed\n")).unwrap();
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1005", "is not what agpt.lock says"]);
}

#[test]
fn a_lock_file_that_would_change_is_an_error_when_locked() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n");
    fails(&place.agpt("app", &["fetch", "--locked"]), 1, &["E1013", "would change"]);
    assert!(!place.at("app/agpt.lock").exists());
    ok(&place.agpt("app", &["fetch"]));
    ok(&place.agpt("app", &["fetch", "--locked"]));
    place.write("app/agpt.lock", "lock: 2\n");
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1008", "`lock: 2` is not known"]);
}

#[test]
fn packages_in_a_circle() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n");
    place.package("words", "words", "packages:\n  more: { path: ../more }\n");
    place.package("more", "more", "packages:\n  words: { path: ../words }\n");
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1006", "words → more → words"]);
    place.package("more", "more", "packages:\n  app: { path: ../app }\n");
    fails(&place.agpt("app", &["check", "main.agpt"]), 1, &["E1006", "app → words → more → app"]);
}

#[test]
fn two_packages_of_one_name() {
    let place = Place::new();
    place.words_and_app("packages:\n  words: { path: ../words }\n  more: { path: ../more }\n");
    place.package("old", "words", "").write("old/lib.agpt", WORDS);
    place.package("more", "more", "packages:\n  words: { path: ../old }\n");
    fails(
        &place.agpt("app", &["check", "main.agpt"]),
        1,
        &[
            "E1007",
            "two packages are called `words`",
            "`more` wants path ../old; `app` wants path ../words",
        ],
    );
}

#[test]
fn a_package_of_another_name_or_none() {
    let place = Place::new();
    place.words_and_app("packages:\n  word: { path: ../words }\n");
    fails(&place.agpt("app", &["fetch"]), 1, &["E1011", "is called `words`, not `word`"]);
    place.package("app", "app", "packages:\n  words: { path: ../nothing }\n");
    fails(&place.agpt("app", &["fetch"]), 1, &["E1011", "there is no package `words`"]);
}

#[test]
fn add_keeps_what_was_written_and_locks() {
    let place = Place::new();
    place.words_and_app("# mine\nlicense: MIT # yes\n");
    place.write("words/agpt.yaml", &place.read("words/agpt.yaml"));
    place.commit("words");
    place.git("words", &["branch", "next"]);
    let before = place.read("app/agpt.yaml");
    ok(&place.agpt("app", &["add", "words", "--git", &place.url("words"), "--branch", "next"]));
    let after = place.read("app/agpt.yaml");
    assert!(after.starts_with(&before) && after.contains("branch: \"next\""), "{after}");
    ok(&place.agpt("app", &["check", "main.agpt"]));
    // What fails changes nothing.
    for (args, exit, says) in [
        (["add", "words", "--path", "../words"], 1, "names a package `words` already"),
        (["add", "other", "--path", "../none"], 1, "there is no package `other`"),
        (["add", "other", "--git", "ext::sh"], 2, "more than an address"),
        (["add", "other", "--git", "file:///nowhere/at/all"], 3, "cannot be fetched"),
        (["add", "Bad", "--path", "../words"], 2, "cannot be a package's name"),
    ] {
        fails(&place.agpt("app", &args), exit, &[says]);
        assert_eq!(place.read("app/agpt.yaml"), after);
    }
    fails(&place.agpt("app", &["add", "words", "--tag", "v1"]), 2, &["--git"]);
    fails(&place.agpt(".", &["add", "words", "--path", "words"]), 2, &["there is no agpt.yaml"]);
}

#[cfg(unix)]
#[test]
fn links_and_submodules_in_a_repository_are_refused_and_filters_do_not_run() {
    let place = Place::new();
    place.words_and_app(&format!("packages:\n  words: {{ git: '{}' }}\n", place.url("words")));
    std::os::unix::fs::symlink("/etc/hostname", place.at("words/name.txt")).unwrap();
    place.commit("words");
    fails(&place.agpt("app", &["fetch"]), 3, &["E1010", "`name.txt` is a symbolic link"]);
    fs::remove_file(place.at("words/name.txt")).unwrap();
    place.write("words/.gitattributes", "* filter=evil\n");
    place.commit("words");
    ok(&place.agpt("app", &["fetch"]));
    let commit = place.git("words", &["rev-parse", "HEAD"]);
    place.git("words", &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    place.git("words", &["commit", "-q", "-m", "sub"]);
    fails(&place.agpt("app", &["fetch", "--update"]), 3, &["`sub` is a submodule"]);
}

#[test]
fn fetched_packages_reach_nothing_of_this_disk() {
    let place = Place::new();
    place.words_and_app(&format!("packages:\n  words: {{ git: '{}' }}\n", place.url("words")));
    place.package("more", "more", "");
    place.package("words", "words", "packages:\n  more: { path: ../more }\n");
    place.commit("words");
    fails(&place.agpt("app", &["fetch"]), 1, &["E1009", "leads out of the fetched package"]);
    place.package(
        "words",
        "words",
        &format!("packages:\n  more: {{ git: '{}' }}\n", place.url("more")),
    );
    place.commit("words");
    fails(&place.agpt("app", &["fetch"]), 1, &["E1009", "wants a repository of this disk"]);
}

#[test]
fn a_package_in_a_folder_of_a_repository() {
    let place = Place::new();
    place.words_and_app(&format!(
        "packages:\n  words: {{ git: '{}', folder: lib/words }}\n",
        place.url("all")
    ));
    place.package("all/lib/words", "words", "").write("all/lib/words/lib.agpt", WORDS);
    place.commit("all");
    ok(&place.agpt("app", &["fetch"]));
    ok(&place.agpt("app", &["check", "main.agpt"]));
    place.package(
        "app",
        "app",
        &format!("packages:\n  words: {{ git: '{}' }}\n", place.url("all")),
    );
    fails(&place.agpt("app", &["fetch"]), 1, &["E1011", "has no agpt.yaml"]);
}

#[test]
fn new_makes_what_checks_and_passes_its_tests() {
    let place = Place::new();
    for (name, kind) in [("seen", "--app"), ("looking", "--lib")] {
        ok(&place.agpt(".", &["new", name, kind]));
        ok(&place.agpt(name, &["check", "."]));
        ok(&place.agpt(name, &["fetch", "--locked"]));
        let tested = place.agpt(".", &["test", name]);
        ok(&tested);
        assert!(told(&tested).contains("1 passed"), "{}", stderr(&tested));
        let before = place.read(&format!("{name}/agpt.yaml"));
        fails(&place.agpt(".", &["new", name]), 2, &["is there already"]);
        assert_eq!(place.read(&format!("{name}/agpt.yaml")), before);
    }
    fails(&place.agpt(".", &["new", "Big"]), 2, &["small letters"]);
    fails(&place.agpt(".", &["new", "none"]), 2, &["a word of the language"]);
    let left: Vec<_> =
        fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn what_a_change_breaks_and_which_version_it_needs() {
    let place = Place::new();
    place.package("lib", "words", "").write(
        "lib/lib.agpt",
        "pub const LIMIT = 3\npub type Tone = \"a\" | \"b\"\npub template hello(name: text, tone: Tone = \"a\") -> text {\n  user { \"{name} {tone}\" }\n}\npub pipeline gone() -> int { return 1 }\n",
    );
    place.commit("lib");
    place.git("lib", &["tag", "v0.1.0"]);
    let same = place.agpt("lib", &["breaks", "v0.1.0"]);
    ok(&same);
    assert_eq!(String::from_utf8_lossy(&same.stdout), "nothing changed\n");
    place.write(
        "lib/lib.agpt",
        "pub const LIMIT = 4\npub type Tone = \"a\" | \"b\" | \"c\"\npub template hello(name: text?, tone: Tone = \"b\", more: int = 2) -> text {\n  user { \"{name == none} {tone} {more}\" }\n}\npipeline gone() -> int { return 1 }\npub pipeline added() -> int { return gone() }\n",
    );
    let output = place.agpt("lib", &["breaks", "v0.1.0"]);
    fails(&output, 1, &["E1014", "version 0.1.0 is not high enough", "write `version: 0.2.0`"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "breaks  words Tone: the type was \"a\" | \"b\" and is \"a\" | \"b\" | \"c\"\n\
         breaks  words gone: the pipeline is gone, or no longer `pub`\n\
         new     words LIMIT: the constant was 3 and is 4\n\
         new     words added: a new pipeline\n\
         new     words hello: parameter `name` was text and is text?, which takes more\n\
         new     words hello: parameter `tone` was \"a\" | \"b\" and is \"a\" | \"b\" | \"c\", which takes more\n\
         new     words hello: the default of `tone` was \"a\" and is \"b\"\n\
         new     words hello: parameter `more: int = 2` is new\n",
    );
    let manifest = place.read("lib/agpt.yaml").replace("0.1.0", "0.2.0");
    place.write("lib/agpt.yaml", &manifest);
    ok(&place.agpt("lib", &["breaks", "v0.1.0"]));
    let json = support::json(&place.agpt("lib", &["breaks", "v0.1.0", "--json"]));
    assert_eq!(json["needed"], "0.2.0");
    assert_eq!(json["changes"][0]["name"], "Tone");
    // Against a folder, and what is no version at all.
    place
        .package("old", "words", "")
        .write("old/lib.agpt", "pub template hello(name: text) -> text {\n  user { {name} }\n}\n");
    fails(&place.agpt("old", &["breaks", "../lib"]), 1, &["version 0.1.0 is not high enough"]);
    fails(&place.agpt("lib", &["breaks", "--", "-x"]), 3, &["`-x` is no revision"]);
    fails(&place.agpt("lib", &["breaks", "nothing"]), 3, &["git says"]);
}

#[test]
fn doc_writes_pages_that_say_what_the_library_says() {
    let place = Place::new();
    place.package("lib", "words", "description: Words <b>\n").write(
        "lib/lib.agpt",
        "//! Greetings.\n\n/// How to speak.\npub type Tone = \"dry\" | \"warm\"\n\n/// A greeting, <script>alert(1)</script>.\npub template hello(\n  /// Who it is.\n  name: text,\n  picture: image,\n  tone: Tone = \"dry\",\n) -> text {\n  system { \"Be {tone}.\" }\n  user { \"{picture} Hello {name}\" }\n}\n\ntemplate hidden(name: text) -> text {\n  user { {name} }\n}\n",
    );
    place.write("lib/tests/lib.agpt", "use ../lib { hello }\n\ntest \"greets\" {\n  snapshot hello(\"you\", file(\"a.png\"))\n}\n");
    ok(&place.agpt("lib", &["doc", "--out", "site"]));
    let index = place.read("lib/site/index.html");
    assert!(index.contains("pkg/words") && index.contains("Words &lt;b&gt;"), "{index}");
    let page = place.read("lib/site/module.lib.html");
    for part in [
        "tone: <a href=\"module.lib.html#Tone\">Tone</a> = &quot;dry&quot;,",
        "&lt;script&gt;",
        "<div class=\"role\">system</div><div class=\"said\">Be dry.</div>",
        "<span class=\"chip\">image: picture</span> Hello <span class=\"chip\">text: name</span>",
        "<span class=\"chip\">text: the reply</span>",
        "test &quot;greets&quot; {",
        "<dt>name</dt><dd><p>Who it is.</p>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(
        !page.contains("hidden(") && !page.contains("<script>alert") && !page.contains("http:"),
        "{page}"
    );
    // Again over its own pages, never over others'.
    ok(&place.agpt("lib", &["doc"]));
    // Pages of modules that are gone go, and nothing else.
    place.write("lib/more.agpt", "pub template more() -> text {\n  user { \"more\" }\n}\n");
    ok(&place.agpt("lib", &["doc"]));
    fs::remove_file(place.at("lib/more.agpt")).unwrap();
    place.write("lib/site/module.mine.html", "<p>mine</p>");
    assert!(place.at("lib/site/module.more.html").exists());
    ok(&place.agpt("lib", &["doc"]));
    assert!(!place.at("lib/site/module.more.html").exists());
    assert!(place.at("lib/site/module.mine.html").exists());
    place.write("web/index.html", "<p>mine</p>");
    fails(&place.agpt("lib", &["doc", "--out", "../web"]), 2, &["is not a page that agpt wrote"]);
    ok(&place.agpt(".", &["doc", "std", "--out", "std-site"]));
    assert!(
        place
            .read("std-site/module.tasks.html")
            .contains("Describe this picture. <span class=\"chip\">image: picture</span>")
    );
    fails(&place.agpt(".", &["doc", "nowhere"]), 2, &["is no folder"]);
}

/// Words that manifests are made of, put together in any way.
fn yaml() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("name"),
        Just("version"),
        Just("edition"),
        Just("packages"),
        Just("path"),
        Just("git"),
        Just("tag"),
        Just("rev"),
        Just("lock"),
        Just("hash"),
        Just("commit"),
        Just(": "),
        Just(":"),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("- "),
        Just("{ "),
        Just(" }"),
        Just("["),
        Just("0.1.0"),
        Just("2026"),
        Just("1"),
        Just("words"),
        Just("\""),
        Just("'"),
        Just("&a"),
        Just("*a"),
        Just("<<"),
        Just("!x"),
        Just("|"),
        Just("#"),
        Just("ü"),
        Just("\t"),
        Just(", "),
    ];
    proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_manifest_or_lock_file_panics(text in prop_oneof![yaml(), ".*", "(?s).{0,200}"]) {
        for text in [text.clone(), format!("name: a\nversion: 0.1.0\nedition: 2026\n{text}"), format!("lock: 1\n{text}")] {
            if let Err(problem) = Manifest::parse(&text, Path::new("agpt.yaml")) {
                let report = format!("{:?}", problem.diagnostic.report(&problem.sources));
                prop_assert!(!report.is_empty());
                prop_assert!(!problem.to_string().is_empty());
            }
            if let Ok(lock) = Lock::parse(&text, Path::new("agpt.lock")) {
                prop_assert_eq!(Lock::parse(&lock.text(), Path::new("agpt.lock")).unwrap(), lock);
            }
        }
    }
}

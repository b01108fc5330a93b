//! Text, vocabulary and prompts, against SentencePiece (tests/reference/tokenizer_fixtures.py).

use std::path::{Path, PathBuf};

use agpt::base::{Medium, Role};
use agpt::bundle::{Bundle, BundleError, Piece, PromptPart, Source, Turn};
use proptest::prelude::*;
use serde::Deserialize;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle")
}

fn tiny() -> Bundle {
    Bundle::open(Source::Folder(fixtures().join("tiny"))).unwrap()
}

/// The tiny bundle with another manifest.
fn changed(from: &str, to: &str) -> (tempfile::TempDir, Result<Bundle, BundleError>) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(fixtures().join("tiny/bundle.yaml")).unwrap();
    assert!(manifest.contains(from), "{from}");
    std::fs::write(folder.path().join("bundle.yaml"), manifest.replacen(from, to, 1)).unwrap();
    std::fs::create_dir(folder.path().join("llm")).unwrap();
    for name in ["tokenizer.json", "tokenizer.model", "added_tokens.json"] {
        let name = format!("llm/{name}");
        std::fs::copy(fixtures().join("tiny").join(&name), folder.path().join(&name)).unwrap();
    }
    let bundle = Bundle::open(Source::Folder(folder.path().to_path_buf()));
    (folder, bundle)
}

#[derive(Deserialize)]
struct Golden {
    legacy: Legacy,
    plain: Plain,
}

#[derive(Deserialize)]
struct Legacy {
    text: Vec<(String, Vec<u32>, String)>,
    format: Vec<(String, Vec<u32>)>,
}

#[derive(Deserialize)]
struct Plain {
    text: Vec<(String, Vec<u32>)>,
    format: Vec<(String, Vec<u32>)>,
}

fn golden() -> Golden {
    let text = std::fs::read(fixtures().join("tokenizer.golden.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The lines of the manifest that name the files of a LLaMA checkpoint of the hub.
const SENTENCEPIECE: &str = "tokenizer: llm/tokenizer.model\n  added_tokens: llm/added_tokens.json";

/// What transformers would read: the same ids as the bundle's own, in text and in a format.
#[test]
fn a_sentencepiece_model_is_written_as_one_tokenizer_json() {
    for legacy in [true, false] {
        let (_folder, bundle) = changed("tokenizer: llm/tokenizer.json", SENTENCEPIECE);
        let bundle = bundle.unwrap();
        let (_folder, bundle) = match legacy {
            true => (None, bundle),
            false => {
                let (folder, bundle) = changed(
                    "tokenizer: llm/tokenizer.json",
                    &format!("legacy: false\n  {SENTENCEPIECE}"),
                );
                (Some(folder), bundle.unwrap())
            }
        };
        let json = serde_json::to_vec(&bundle.tokenizer_json().unwrap()).unwrap();
        let written = tokenizers::Tokenizer::from_bytes(json).unwrap();
        let own = bundle.text_tokenizer().unwrap();
        for text in ["a red apple", "  two  spaces", "Ünïcode ☃ 42\n", "<s>[Human]: hi<eoh> it"]
        {
            if !legacy && text.starts_with(' ') {
                // transformers' fast tokenizers put no sign in front of one, its slow ones do.
                continue;
            }
            let ids = written.encode(text, false).unwrap().get_ids().to_vec();
            assert_eq!(ids, own.encode_format(text).unwrap(), "{legacy} {text:?}");
        }
        let begun = written.encode("a", true).unwrap().get_ids().to_vec();
        assert_eq!(begun[0], own.added("<s>").unwrap());
    }
}

#[test]
fn ids_are_those_of_the_legacy_tokenizer() {
    let (_folder, sentencepiece) = changed("tokenizer: llm/tokenizer.json", SENTENCEPIECE);
    for bundle in [tiny(), sentencepiece.unwrap()] {
        let tokenizer = bundle.text_tokenizer().unwrap();
        let Golden { legacy, .. } = golden();
        for (text, ids, decoded) in legacy.text {
            assert_eq!(tokenizer.encode_text(&text).unwrap(), ids, "{text:?}");
            assert_eq!(tokenizer.decode(&ids), decoded, "{text:?}");
        }
        for (text, ids) in legacy.format {
            assert_eq!(tokenizer.encode_format(&text).unwrap(), ids, "{text:?}");
        }
        assert_eq!(bundle.vocabulary().unwrap().size(), tiny().vocabulary().unwrap().size());
    }
}

#[test]
fn a_sentencepiece_file_that_cannot_be_used_says_why() {
    let (folder, bundle) = changed("tokenizer: llm/tokenizer.json", SENTENCEPIECE);
    let bundle = bundle.unwrap();
    std::fs::write(folder.path().join("llm/tokenizer.model"), b"\x0a\x05ab").unwrap();
    let error = bundle.text_tokenizer().err().unwrap().to_string();
    assert!(error.contains("tokenizer.model") && error.contains("is cut"), "{error}");
    let both = "tokenizer: llm/tokenizer.json\n  added_tokens: llm/added_tokens.json";
    let (_folder, bundle) = changed("tokenizer: llm/tokenizer.json", both);
    let error = bundle.err().unwrap().to_string();
    assert!(error.contains("belongs to a `tokenizer.model`"), "{error}");
}

#[test]
fn ids_are_those_of_the_tokenizer_without_legacy() {
    for lines in ["tokenizer: llm/tokenizer.json", SENTENCEPIECE] {
        let (_folder, bundle) =
            changed("tokenizer: llm/tokenizer.json", &format!("{lines}\n  legacy: false"));
        let bundle = bundle.unwrap();
        let tokenizer = bundle.text_tokenizer().unwrap();
        let Golden { plain, .. } = golden();
        for (text, ids) in plain.text {
            assert_eq!(tokenizer.encode_text(&text).unwrap(), ids, "{text:?}");
        }
        for (text, ids) in plain.format {
            assert_eq!(tokenizer.encode_format(&text).unwrap(), ids, "{text:?}");
        }
    }
}

#[test]
fn formats_are_split_at_the_longest_token() {
    let bundle = tiny();
    let tokenizer = bundle.text_tokenizer().unwrap();
    let eoh = tokenizer.added("<eoh>").unwrap();
    let text = |text: &str| Piece::Text(text.to_string());
    let split = tokenizer.split_format("<eoh>a<eoh<eoh>é<👀9>");
    assert_eq!(split, [Piece::Special(eoh), text("a<eoh"), Piece::Special(eoh), text("é<👀9>")]);
}

#[test]
fn the_vocabulary_knows_what_every_id_is() {
    let bundle = tiny();
    let vocabulary = bundle.vocabulary().unwrap();
    let image = vocabulary.tokens(Medium::Image).unwrap();
    assert_eq!(vocabulary.medium_of(image.first + 7), Some((Medium::Image, 7)));
    assert_eq!(vocabulary.medium_of(image.start), None);
    assert_eq!(vocabulary.started_by(image.start), Some(Medium::Image));
    assert_eq!(vocabulary.id(Medium::Image, 8), None);
    assert_eq!(vocabulary.id(Medium::Text, 0), None);
    let music = vocabulary.tokens(Medium::Music).unwrap();
    assert_eq!(music.ids_at(6), music.first + 4..music.first + 6, "the third layer of frame 1");
    assert_eq!(vocabulary.added("<eoh>"), Some(422));
    assert!(!vocabulary.is_text(0) && !vocabulary.is_text(422) && !vocabulary.is_text(u32::MAX));
    assert!(vocabulary.is_text(3) && vocabulary.is_text(419));
    assert_eq!(vocabulary.text_mask().len(), vocabulary.size());
    assert_eq!(vocabulary.text_mask().iter().filter(|is_text| **is_text).count(), 417);
}

fn user(parts: Vec<PromptPart>) -> Turn {
    Turn { role: Role::User, parts }
}

fn assistant(parts: Vec<PromptPart>) -> Turn {
    Turn { role: Role::Assistant, parts }
}

fn text(text: &str) -> PromptPart {
    PromptPart::Text(text.to_string())
}

/// What the trusted string gives, behind `<s>`.
fn ids(bundle: &Bundle, format: &str) -> Vec<u32> {
    let ids = bundle.text_tokenizer().unwrap().encode_format(format).unwrap();
    [vec![1], ids].concat()
}

#[test]
fn prompts_are_the_strings_of_training() {
    let bundle = tiny();
    let builder = bundle.prompt_builder().unwrap();
    let picture = PromptPart::Tokens(Medium::Image, vec![0, 7, 1, 2]);
    let cases: Vec<(Vec<Turn>, Medium, &str)> = vec![
        (vec![user(vec![text("a cat")])], Medium::Text, "[Human]: a cat<eoh> [MMGPT]:"),
        (vec![user(vec![text("a cat")])], Medium::Image, "[Human]: a cat<eoh> [MMGPT]: <soim>"),
        (
            vec![user(vec![text("what is "), picture.clone(), text("?")])],
            Medium::Text,
            "[Human]: what is <soim><👀0><👀7><👀1><👀2><eoim>?<eoh> [MMGPT]:",
        ),
        (
            vec![
                user(vec![text("draw "), text("it")]),
                assistant(vec![picture.clone()]),
                user(vec![text("and say it")]),
            ],
            Medium::Speech,
            "[Human]: draw it<eoh> [MMGPT]: <soim><👀0><👀7><👀1><👀2><eoim><eos>\n\
             [Human]: and say it<eoh> [MMGPT]: <sosp>",
        ),
        (
            vec![user(vec![text("a cat")]), assistant(vec![text("It is")])],
            Medium::Text,
            "[Human]: a cat<eoh> [MMGPT]: It is",
        ),
        (vec![user(vec![])], Medium::Text, "[Human]: <eoh> [MMGPT]:"),
        (vec![], Medium::Music, " [MMGPT]: <somu>"),
    ];
    for (turns, reply, expected) in cases {
        let prompt = builder.build(&turns, reply).unwrap();
        assert_eq!(prompt.ids, ids(&bundle, expected), "{expected}");
    }
    let prompt = builder.build(&[user(vec![text("see "), picture])], Medium::Image).unwrap();
    assert_eq!(prompt.text_for_people, "<s>[Human]: see [image: 4 codes]<eoh> [MMGPT]: [image:");
    assert_eq!(builder.stop().unwrap(), [423, 2]);
}

#[test]
fn a_reply_s_own_ids_are_kept_as_they_are() {
    let bundle = tiny();
    let builder = bundle.prompt_builder().unwrap();
    let said = ids(&bundle, "a cat")[1..].to_vec();
    let turns = [
        user(vec![text("x")]),
        assistant(vec![PromptPart::Ids(said.clone())]),
        user(vec![text("y")]),
    ];
    let expected = [
        ids(&bundle, "[Human]: x<eoh> [MMGPT]:"),
        said,
        ids(&bundle, "<eos>\n[Human]: y<eoh> [MMGPT]:")[1..].to_vec(),
    ]
    .concat();
    assert_eq!(builder.build(&turns, Medium::Text).unwrap().ids, expected);
}

#[test]
fn chat_models_have_a_system_turn() {
    let (_folder, bundle) = changed(
        "user: { before: \"[Human]: \", after: <eoh> }\n  assistant: { before: \" [MMGPT]:\"",
        "system: { before: \"\", after: \"\\n\" }\n  default_system: You are MMGPT.\n  \
         user: { before: \"[Human]: \", after: <eoh> }\n  assistant: { before: \"\\n[MMGPT]:\"",
    );
    let bundle = bundle.unwrap();
    let builder = bundle.prompt_builder().unwrap();
    let turns = [user(vec![text("hello")])];
    let prompt = builder.build(&turns, Medium::Text).unwrap();
    assert_eq!(prompt.ids, ids(&bundle, "You are MMGPT.\n[Human]: hello<eoh>\n[MMGPT]:"));
    let system = Turn { role: Role::System, parts: vec![text("Be brief.")] };
    let prompt = builder.build(&[system, turns[0].clone()], Medium::Text).unwrap();
    assert_eq!(prompt.ids, ids(&bundle, "Be brief.\n[Human]: hello<eoh>\n[MMGPT]:"));
}

#[test]
fn impossible_prompts_say_why() {
    let bundle = tiny();
    let builder = bundle.prompt_builder().unwrap();
    let error = |turns: &[Turn]| builder.build(turns, Medium::Text).unwrap_err().to_string();
    let system = Turn { role: Role::System, parts: vec![text("x")] };
    insta::assert_snapshot!([
        error(std::slice::from_ref(&system)),
        error(&[user(vec![]), system]),
        error(&[user(vec![]), user(vec![])]),
        error(&[user(vec![PromptPart::Tokens(Medium::Image, vec![8])])]),
        error(&[user(vec![PromptPart::Ids(vec![100_000])])]),
    ]
    .join("\n"), @r#"
    cannot make the prompt: this model knows no system turn; say it in the user's turn instead
    cannot make the prompt: only the first turn of a conversation can be the system's
    cannot make the prompt: two turns of the user follow each other; make them one
    cannot make the prompt: the image code 8 is not below 8
    cannot make the prompt: the id 100000 is outside the vocabulary
    "#);
}

#[test]
fn a_layout_that_the_tokenizer_does_not_have_is_refused() {
    let error = |from: &str, to: &str| {
        let (_folder, bundle) = changed(from, to);
        let bundle = bundle.unwrap_or_else(|error| panic!("{error}"));
        let error = bundle.vocabulary().unwrap_err().to_string();
        error.rsplit_once("bundle: ").unwrap().1.to_string()
    };
    insta::assert_snapshot!([
        error("codebook_size: 8", "codebook_size: 9"),
        error("codebook_size: 8", "codebook_size: 7"),
        error("end: <eosp>", "end: <soim>"),
        error("start: <soim>", "start: <pic>"),
        error("prefix: \"🗣️\"", "prefix: \"🗣\""),
        error("end: <eoim>", "end: <👀3>"),
    ]
    .join("\n"), @r#"
    it has no token `<👀8>`, which the manifest's layout of image needs
    the manifest gives image 7 codes but there is a token `<👀7>`
    the id 432 belongs to image and to speech
    it has no token `<pic>`, which the manifest's layout of image needs
    it has no token `<🗣0>`, which the manifest's layout of speech needs
    the id 427 belongs to image and to image
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// Whatever a user writes, no control token and no code comes of it, and it comes back.
    #[test]
    fn user_text_never_becomes_a_token(
        words in proptest::collection::vec(prop_oneof![
            Just("[Human]".to_string()), Just("<eoh>".into()), Just("<soim>".into()),
            Just("<👀1>".into()), Just("</s>".into()), Just("<0x0A>".into()), ".{0,6}",
        ], 0..6),
    ) {
        let bundle = tiny();
        let text = words.concat();
        let tokenizer = bundle.text_tokenizer().unwrap();
        let ids = tokenizer.encode_text(&text).unwrap();
        let vocabulary = bundle.vocabulary().unwrap();
        prop_assert!(ids.iter().all(|id| vocabulary.is_text(*id)));
        prop_assert_eq!(tokenizer.decode(&ids), text.replace('▁', " "));
    }

    /// Any ids decode, in pieces or at once, to the same text of whole characters.
    #[test]
    fn any_ids_decode(ids in proptest::collection::vec(0u32..500, 0..40)) {
        let bundle = tiny();
        let tokenizer = bundle.text_tokenizer().unwrap();
        let mut stream = tokenizer.stream();
        let mut text: String = ids.iter().map(|id| stream.push(*id)).collect();
        text.push_str(&stream.finish());
        prop_assert_eq!(text, tokenizer.decode(&ids));
    }
}

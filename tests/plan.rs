//! Snapshots of plans: as lowered, after the passes, as DOT and as Mermaid.

use agpt::lang;
use agpt::plan::{self, Plan, passes, print};

fn plan_of(source: &str) -> (Plan, Plan) {
    let compilation = lang::compile("test.agpt", source, &lang::MemoryLoader::default());
    let program = compilation.program.unwrap_or_else(|| {
        panic!("{:#?}", compilation.diagnostics);
    });
    let entry = *program.entries.last().unwrap();
    let lowered = plan::lower(&program, entry).unwrap();
    let optimised = passes::optimise(&lowered).0;
    (lowered, optimised)
}

const COMPARE: &str = r#"
template look(picture: image, tone: "plain" | "poetic" = "plain") -> text {
  user { "Describe this in a {tone} way. {picture}" }
  assistant { {out} }
}

pub pipeline compare(photo: image, steps: int = 10 + 10) -> { plain: text, poetic: text, again: image } {
  let plain = generate text from look(photo)
  let poetic = generate text from look(photo, tone: "poetic") {
    semantic: { temperature: 0.5 + 0.5, top_p: 0.9 }
  }
  let unused = generate text from look(photo)
  let again = generate image from "This: {plain}" { perceptual: { steps, negative: photo } }
  return { plain, poetic, again }
}
"#;

#[test]
fn lowered() {
    insta::assert_snapshot!(print::text(&plan_of(COMPARE).0));
}

#[test]
fn optimised_encodes_the_photo_once_and_drops_the_unused() {
    let (_, plan) = plan_of(COMPARE);
    let text = print::text(&plan);
    assert_eq!(text.matches("encode image").count(), 1, "{text}");
    assert_eq!(text.matches("generate text").count(), 2, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn dot_and_mermaid() {
    let (_, plan) = plan_of(COMPARE);
    insta::assert_snapshot!("dot", print::dot(&plan));
    insta::assert_snapshot!("mermaid", print::mermaid(&plan));
}

#[test]
fn loops_hold_a_plan_and_capture_only_what_they_use() {
    let source = r#"
pipeline many(photos: list<image>, hint: text, other: text) -> list<text> {
  return [generate text from "{hint} {p}" for p in photos if length(photos) > 1]
}
"#;
    let source = source.replace("\"{hint} {p}\"", "look(p, hint)");
    let source = format!(
        "template look(p: image, hint: text) -> text {{\n  user {{ \"{{hint}} {{p}}\" }}\n}}\n{source}"
    );
    let (_, plan) = plan_of(&source);
    insta::assert_snapshot!(print::text(&plan));
}

#[test]
fn branches_become_selects_and_known_ones_disappear() {
    let source = r#"
const LOUD = true

pipeline branch(n: int, name: text?) -> text {
  let who = name ?? "nobody"
  let tone = if LOUD { "!" } else { "." }
  return if n > 3 and n < 10 { "many {who}{tone}" } else { "few {who}{tone}" }
}
"#;
    let (_, plan) = plan_of(source);
    let text = print::text(&plan);
    assert!(!text.contains("\".\""), "the branch that is never taken is still there:\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn random_addresses_do_not_move_when_a_neighbour_comes() {
    let with = |extra: &str| {
        let source = format!(
            "pipeline p(a: text) -> {{ x: text, y: text }} {{\n{extra}  let x = generate text from a\n  let y = generate text from \"{{a}} {{x}}\"\n  return {{ x, y }}\n}}\n"
        );
        let (_, plan) = plan_of(&source);
        plan.graph
            .node_weights()
            .filter(|node| node.op.word() == "generate")
            .map(|node| node.path.clone())
            .collect::<Vec<_>>()
    };
    let alone = with("");
    let more = with("  let w = generate text from \"w\"\n");
    assert_eq!(alone, ["p/x/generate", "p/y/generate"]);
    assert_eq!(more, alone, "the unused neighbour is dropped and the addresses stay");
}

#[test]
fn a_plan_that_explodes_is_refused() {
    let mut source = String::from("pipeline p0(a: text) -> text {\n  return a + a\n}\n");
    for level in 1..20 {
        let below = level - 1;
        source.push_str(&format!(
            "pipeline p{level}(a: text) -> text {{\n  return p{below}(p{below}(a)) + p{below}(a)\n}}\n"
        ));
    }
    let compilation = lang::compile("test.agpt", &source, &lang::MemoryLoader::default());
    let program = compilation.program.unwrap();
    let error = plan::lower(&program, *program.entries.last().unwrap()).unwrap_err();
    assert_eq!(error.code, "E0601");
}

const TALK: &str = r#"
pub pipeline talk(photo: image, voice: speech?) -> { reply: mixed, more: text } {
  let opening = chat { user { "{pick(["Look.", "See."])} {photo}" } }
  let reply = generate mixed from opening {
    semantic: { max_tokens: 200, image: { top_k: 9 } }
    perceptual: { speech: { voice } }
  }
  let picture = generate image from "the same"
  let more = generate text from chat {
    {opening}
    assistant { "{reply} {picture}" }
    user { "And {photo}?" }
  }
  return { reply, more }
}
"#;

#[test]
fn earlier_turns_are_recalled_and_not_encoded_again() {
    let (_, plan) = plan_of(TALK);
    let text = print::text(&plan);
    assert_eq!(text.matches("encode image").count(), 1, "{text}");
    assert_eq!(text.matches("recall image").count(), 1, "{text}");
    insta::assert_snapshot!(text);
}

/// The words of the published chat model's prompts, which must not change by a letter.
#[test]
fn prompts_of_the_chat_model() {
    let source = r#"
use std/chat

pipeline all(p: image, s: speech, m: music, w: text) -> { a: list<text>, b: list<mixed>, c: list<image>, d: speech, e: music } {
  let a = [
    generate text from chat.caption(p), generate text from chat.caption_briefly(p),
    generate text from chat.answer_about(p, w), generate text from chat.talk_about(p, w),
    generate text from chat.compare(p, p, w), generate text from chat.answer_spoken(s),
    generate text from chat.answer(w), generate text from chat.transcribe(s),
    generate text from chat.describe_music(m)
  ]
  let b = [
    generate mixed from chat.answer_aloud(s), generate mixed from chat.answer_with_picture(p, s),
    generate mixed from chat.answer_with_music(m, s)
  ]
  let c = [generate image from chat.paint(w), generate image from chat.repaint(p, w)]
  return { a, b, c, d: generate speech from chat.speak(w), e: generate music from chat.compose(w) }
}
"#;
    let chat = include_str!("../stdlib/chat.agpt");
    let loader = lang::MemoryLoader::default().with("std/chat", chat);
    let compilation = lang::compile("test.agpt", source, &loader);
    let program = compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    let plan = plan::lower(&program, *program.entries.last().unwrap()).unwrap();
    let text = print::text(&passes::optimise(&plan).0);
    let prompts: Vec<&str> = text.lines().filter(|line| line.contains("= render")).collect();
    insta::assert_snapshot!(prompts.join("\n"));
}

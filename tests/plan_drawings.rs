//! Plans as SVG and HTML: snapshots of two, and what must hold of any.

mod support;

use std::collections::HashMap;

use agpt::base::Sources;
use agpt::lang;
use agpt::plan::{self, Plan, passes, print};
use roxmltree::{Document, Node};

use support::{agpt, stderr, temp, write_pipeline};

fn plan_of(source: &str) -> (Plan, Sources) {
    let compilation = lang::compile("test.agpt", source, &lang::MemoryLoader::default());
    let program = compilation.program.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    let lowered = plan::lower(&program, *program.entries.last().unwrap()).unwrap();
    (passes::optimise(&lowered).0, compilation.sources)
}

const COMPARE: &str = r#"
template look(picture: image, tone: "plain" | "poetic" = "plain") -> text {
  user { "Describe this in a {tone} way. {picture}" }
}

pub pipeline compare(photo: image, steps: int = 20) -> { plain: text, poetic: text, again: image } {
  let plain = generate text from look(photo)
  let poetic = generate text from look(photo, tone: "poetic") { semantic: { max_tokens: 40 } }
  let again = generate image from "This: {plain}" { perceptual: { steps, negative: photo } }
  return { plain, poetic, again }
}
"#;

const MANY: &str = r#"
template look(p: image, hint: text) -> text {
  user { "{hint} {p}" }
}

pub pipeline many(photos: list<image>, hint: text, voice: speech?) -> { said: list<speech>, tune: music } {
  let said = [
    generate speech from "{hint} {[generate text from look(q, hint) for q in [p, p]][0]}" {
      perceptual: { voice, steps: 4 }
    }
    for p in photos if length(photos) > 1
  ]
  let tune = generate music from hint { semantic: { duration: 3s } }
  return { said, tune }
}
"#;

/// Letters that mean something to XML, that it does not have, and that begin a script.
const HOSTILE: &str = r#"
pub pipeline hostile(a: text = "</text><script>alert(1)</script> & \"x\" ' \u{1} \u{7} ]]>") -> text {
  let b = generate text from "<b>{a}&amp;</b> \u{0} </script>"
  return "{b} --> <!-- {a}"
}
"#;

#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn of(card: Node) -> Area {
        let number = |name: &str| card.attribute(name).unwrap().parse::<f64>().unwrap();
        let (left, top) = (number("x"), number("y"));
        Area { left, top, right: left + number("width"), bottom: top + number("height") }
    }

    fn overlaps(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, other: &Area) -> bool {
        self.left <= other.left
            && self.right >= other.right
            && self.top <= other.top
            && self.bottom >= other.bottom
    }
}

/// The boxes of a drawing, by id, with the id of the box around each.
fn boxes<'a>(drawing: &'a Document) -> HashMap<&'a str, (Area, Option<&'a str>)> {
    let is_node =
        |node: &Node| node.attribute("class").is_some_and(|class| class.starts_with("node "));
    let nodes = drawing.descendants().filter(is_node);
    let boxes = nodes.map(|node| {
        let class = |node: &Node| node.attribute("class") == Some("card");
        let card = node.children().find(class).unwrap();
        let around = node.ancestors().skip(1).find(is_node);
        let around = around.and_then(|around| around.attribute("id"));
        (node.attribute("id").unwrap(), (Area::of(card), around))
    });
    boxes.collect()
}

/// The numbers in the data of a path's first or last command.
fn ends(path: &str) -> ((f64, f64), (f64, f64)) {
    let mut at = (0.0, 0.0);
    let mut first = None;
    let commands = path.split_inclusive(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
    let joined: String = commands.collect();
    let mut rest = joined.as_str();
    while let Some(command) = rest.chars().next() {
        let end = rest[1..].find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |i| i + 1);
        let numbers: Vec<f64> =
            rest[1..end].split_whitespace().map(|number| number.parse().unwrap()).collect();
        match command {
            'V' => at.1 = numbers[0],
            _ => at = (numbers[numbers.len() - 2], numbers[numbers.len() - 1]),
        }
        first.get_or_insert(at);
        rest = &rest[end..];
    }
    (first.unwrap(), at)
}

fn is_sound(svg: &str) {
    let drawing = Document::parse(svg).unwrap_or_else(|error| panic!("{error}:\n{svg}"));
    let boxes = boxes(&drawing);
    assert!(!boxes.is_empty());
    for (id, (area, around)) in &boxes {
        if let Some(around) = around {
            assert!(boxes[around].0.holds(area), "{id} is not inside of {around}");
        }
        for (other, (other_area, other_around)) in &boxes {
            let same = around == other_around && id != other;
            assert!(!same || !area.overlaps(other_area), "{id} and {other} overlap");
        }
    }
    let mut wires = 0;
    for wire in drawing.descendants().filter(|node| node.has_attribute("data-from")) {
        let (from, to) = (wire.attribute("data-from").unwrap(), wire.attribute("data-to").unwrap());
        let (start, end) = ends(wire.attribute("d").unwrap());
        let (from_area, to_area) = (boxes[from].0, boxes[to].0);
        assert!((start.1 - from_area.bottom).abs() < 0.2, "{from} → {to} begins at {start:?}");
        assert!(start.0 > from_area.left && start.0 < from_area.right, "{from} → {to}");
        // The tip is 8 long.
        assert!((end.1 + 8.0 - to_area.top).abs() < 0.2, "{from} → {to} ends at {end:?}");
        assert!(end.0 > to_area.left && end.0 < to_area.right, "{from} → {to}");
        wires += 1;
    }
    assert!(wires > 0);
}

#[test]
fn two_stages_and_three_results() {
    let (plan, sources) = plan_of(COMPARE);
    let svg = print::svg(&plan, &sources).unwrap();
    is_sound(&svg);
    insta::assert_snapshot!("svg", svg);
}

#[test]
fn comprehensions_are_boxes_in_boxes() {
    let (plan, sources) = plan_of(MANY);
    let svg = print::svg(&plan, &sources).unwrap();
    is_sound(&svg);
    let drawing = Document::parse(&svg).unwrap();
    let deepest = boxes(&drawing).keys().map(|id| id.matches('_').count()).max();
    assert_eq!(deepest, Some(2), "a comprehension in a comprehension");
    insta::assert_snapshot!("svg_nested", svg);
}

#[test]
fn texts_cannot_break_out() {
    let (plan, sources) = plan_of(HOSTILE);
    let svg = print::svg(&plan, &sources).unwrap();
    is_sound(&svg);
    assert!(!svg.contains("<script"), "{svg}");
    let html = print::html(&plan, &sources).unwrap();
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert_eq!(html.matches("</script").count(), 1, "{html}");
    assert!(!html.contains("<b>{"), "{html}");
}

#[test]
fn the_page_has_a_row_with_the_source_for_each_operation() {
    let (plan, sources) = plan_of(MANY);
    let html = print::html(&plan, &sources).unwrap();
    let svg = print::svg(&plan, &sources).unwrap();
    let drawing = Document::parse(&svg).unwrap();
    for id in boxes(&drawing).keys().filter(|id| !id.ends_with("result") && !id.ends_with("keep")) {
        assert_eq!(html.matches(&format!("<tr data-node=\"{id}\"")).count(), 1, "{id}");
    }
    let line = "let tune = generate music from hint { semantic: { duration: 3s } }";
    assert!(html.contains(&format!("test.agpt:13<br><code>{line}</code>")), "{html}");
    assert!(html.contains("<td>duration: 3s</td>"), "{html}");
    for elsewhere in ["http:", "https:", "src=", "@import", "url("] {
        let found = html.matches(elsewhere).count();
        let names = html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        assert_eq!(found, if elsewhere == "http:" { names } else { 0 }, "{elsewhere}");
    }
}

#[test]
fn every_shipped_pipeline_can_be_drawn() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(root.join("pipelines")).unwrap() {
        let path = entry.unwrap().path().display().to_string();
        if path.ends_with(".agpt") {
            let output = agpt(["plan", &path, "--format", "svg"]).output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            is_sound(&String::from_utf8(output.stdout).unwrap());
        }
    }
}

#[test]
fn what_nobody_could_read_is_not_drawn() {
    let mut source = String::from("pipeline p0(a: text) -> text { return a + a + a }\n");
    for level in 1..8 {
        let call = format!("p{}(a)", level - 1);
        source.push_str(&format!(
            "pipeline p{level}(a: text) -> text {{ return {call} + \"{level}\" + {call} + \"b\" + {call} + \"c\" + {call} }}\n"
        ));
    }
    let folder = temp();
    let file = write_pipeline(folder.path(), &source);
    let plan = ["plan", &file, "--pipeline", "p7", "--raw", "--format", "svg"];
    let output = agpt(plan).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("too large to be drawn"), "{}", stderr(&output));
}

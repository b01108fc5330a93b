//! Changes of a text that editors offer: something is taken out of a list, or moved between the
//! braces of a generation. What comes out needs the formatter as little as what was there did.

use std::ops::Range;

use crate::base::Span;

/// Something in a list: a setting, a stage, an imported name.
#[derive(Debug, Clone)]
pub struct Item {
    pub name: String,
    pub at: Range<usize>,
    /// What stands in its own braces.
    pub inner: Option<Block>,
}

/// Braces with what is in them.
#[derive(Debug, Clone)]
pub struct Block {
    /// Where `{` and `}` are.
    pub open: usize,
    pub close: usize,
    pub items: Vec<Item>,
}

/// The bytes of an item in braces, with parentheses around its value, which no span has.
pub fn bytes(text: &str, span: Span) -> Range<usize> {
    let end = span.end as usize;
    let rest = text.get(end..).unwrap_or("");
    let signs = rest.len() - rest.trim_start_matches(|c: char| c == ')' || c.is_whitespace()).len();
    span.start as usize..end + rest[..signs].trim_end().len()
}

/// What is taken out so that an item is gone with the sign or line that separates it.
pub fn removal(text: &str, items: &[Range<usize>], place: usize) -> Range<usize> {
    let Some(item) = items.get(place).cloned() else { return 0..0 };
    if let Some(line) = own_line(text, &item) {
        return line;
    }
    let plain = |range: Range<usize>| text.get(range).is_some_and(|gap| !gap.contains(['\n', '/']));
    if let Some(next) = items.get(place + 1)
        && plain(item.end..next.start)
    {
        return item.start..next.start;
    }
    if let Some(before) = place.checked_sub(1).and_then(|before| items.get(before))
        && plain(before.end..item.start)
    {
        return before.end..item.end;
    }
    let after = text.get(item.end..).unwrap_or("");
    let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
    let comma = usize::from(after[blank..].starts_with(','));
    item.start..item.end + if comma == 1 { blank + 1 } else { 0 }
}

/// The lines of something that shares them with nothing but a comma and a comment about it.
pub fn own_line(text: &str, item: &Range<usize>) -> Option<Range<usize>> {
    let start = text.get(..item.start)?.rfind('\n').map_or(0, |at| at + 1);
    if !text[start..item.start].trim().is_empty() {
        return None;
    }
    Some(start..line_end(text, item.end)?)
}

/// The start of the next line, where only a comma and a comment come before it.
fn line_end(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
    let left = rest[..length].trim();
    let left = left.strip_prefix(',').unwrap_or(left).trim_start();
    (left.is_empty() || left.starts_with("//")).then_some(from + length)
}

/// A declaration of one line with the empty lines that are one too many without it.
pub fn declaration(text: &str, item: &Range<usize>) -> Range<usize> {
    let Some(lines) = own_line(text, item) else { return item.clone() };
    let blank = |line: Option<&str>| line.is_some_and(|line| line.trim().is_empty());
    let (before, after) = (&text[..lines.start], &text[lines.end..]);
    let above = before.is_empty() || blank(before.lines().next_back());
    let below = after.split_inclusive('\n').next().filter(|line| blank(Some(line)));
    match below {
        Some(line) if above => lines.start..lines.end + line.len(),
        _ => lines,
    }
}

/// The first byte from `at` on that is no space, comma or comment.
fn skip(text: &str, mut at: usize, signs: &[char]) -> usize {
    while let Some(rest) = text.get(at..) {
        let kept = rest.trim_start_matches(|c: char| c.is_whitespace() || signs.contains(&c));
        at += rest.len() - kept.len();
        if !kept.starts_with("//") {
            break;
        }
        at += kept.find('\n').unwrap_or(kept.len());
    }
    at
}

/// The `}` that comes after the last item of a block.
pub fn close_after(text: &str, at: usize) -> Option<usize> {
    let at = skip(text, at, &[',']);
    text.get(at..)?.starts_with('}').then_some(at)
}

/// The `{` after a name and its colon.
pub fn open_after(text: &str, at: usize) -> Option<usize> {
    let at = skip(text, at, &[':']);
    text.get(at..)?.starts_with('{').then_some(at)
}

/// The `{` before the first item of a block; one in a comment is none.
pub fn open_before(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let in_comment = |open: usize| {
        let line = before[..open].rfind('\n').map_or(0, |line| line + 1);
        before[line..open].contains("//")
    };
    let opens = before.char_indices().rev().filter(|(_, sign)| *sign == '{');
    opens
        .map(|(open, _)| open)
        .find(|open| skip(before, open + 1, &[',']) == at && !in_comment(*open))
}

/// A change, as one stretch of the text and what stands there instead.
pub type Change = (Range<usize>, String);

impl Block {
    fn ranges(&self) -> Vec<Range<usize>> {
        self.items.iter().map(|item| item.at.clone()).collect()
    }

    /// The places on the way to the item that starts at a byte.
    fn path(&self, start: usize) -> Option<Vec<usize>> {
        for (place, known) in self.items.iter().enumerate() {
            if known.at.start == start {
                return Some(vec![place]);
            }
            if let Some(mut rest) = known.inner.as_ref().and_then(|inner| inner.path(start)) {
                rest.insert(0, place);
                return Some(rest);
            }
        }
        None
    }

    /// The block with the item of a path that goes: what would be empty without it goes as well,
    /// but for `kept`.
    fn going<'b>(&'b self, path: &[usize], kept: Option<&Block>) -> Option<(&'b Block, usize)> {
        let (place, rest) = path.split_first()?;
        let deeper = self.items.get(*place)?.inner.as_ref();
        match deeper.and_then(|deeper| deeper.going(rest, kept)) {
            Some((block, inner))
                if block.items.len() > 1 || kept.is_some_and(|kept| std::ptr::eq(kept, block)) =>
            {
                Some((block, inner))
            }
            _ => Some((self, *place)),
        }
    }

    fn at(&self, path: &[usize]) -> Option<Range<usize>> {
        let (place, rest) = path.split_first()?;
        let item = self.items.get(*place)?;
        if rest.is_empty() { Some(item.at.clone()) } else { item.inner.as_ref()?.at(rest) }
    }

    /// Whether an item can be reached by names.
    pub fn has(&self, names: &[&str]) -> bool {
        let Some((first, rest)) = names.split_first() else { return true };
        let found = self.items.iter().find(|item| item.name == *first);
        found.is_some_and(|found| {
            rest.is_empty() || found.inner.as_ref().is_some_and(|inner| inner.has(rest))
        })
    }

    /// Takes the item out that starts at a byte; the braces too where nothing is left in them.
    pub fn without(&self, text: &str, start: usize) -> Option<Change> {
        let (block, place) = self.going(&self.path(start)?, None)?;
        if block.items.len() > 1 {
            return Some((removal(text, &block.ranges(), place), String::new()));
        }
        let start = text.get(..block.open)?.trim_end().len();
        Some((start..block.close + 1, String::new()))
    }

    /// Moves the item that starts at a byte into the braces under `names`, which are made where
    /// they are not there.
    pub fn moved(&self, text: &str, start: usize, names: &[&str]) -> Option<Change> {
        let (mut into, mut names) = (self, names);
        while let Some((first, rest)) = names.split_first() {
            let found = into.items.iter().find(|item| item.name == *first);
            let Some(found) = found else { break };
            (into, names) = (found.inner.as_ref()?, rest);
        }
        let path = self.path(start)?;
        let (from, place) = self.going(&path, Some(into))?;
        let mut new = text.get(self.at(&path)?)?.to_string();
        for name in names.iter().rev() {
            new = format!("{name}: {{ {new} }}");
        }
        if std::ptr::eq(from, into) {
            return Some((from.items.get(place)?.at.clone(), new));
        }
        let (at, new) = into.insertion(text, new)?;
        let gone = removal(text, &from.ranges(), place);
        // One stretch that holds both changes.
        if gone.end <= at {
            Some((gone.start..at, format!("{}{new}", text.get(gone.end..at)?)))
        } else if at <= gone.start {
            Some((at..gone.end, format!("{new}{}", text.get(at..gone.start)?)))
        } else {
            None
        }
    }

    /// Where one more item goes, and how it is written there.
    fn insertion(&self, text: &str, new: String) -> Option<(usize, String)> {
        let (Some(first), Some(last)) = (self.items.first(), self.items.last()) else {
            return Some((self.open + 1, format!(" {new} ")));
        };
        let apart = text.get(self.open..first.at.start)?.contains('\n');
        match line_end(text, last.at.end) {
            Some(end) if apart && end <= self.close => {
                let line = text.get(..first.at.start)?.rfind('\n').map_or(0, |at| at + 1);
                let indent = text.get(line..first.at.start)?;
                let indent = &indent[..indent.len() - indent.trim_start().len()];
                Some((end, format!("{indent}{new}\n")))
            }
            _ => Some((last.at.end, format!(", {new}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str, names: &[&str]) -> Vec<Range<usize>> {
        let found = names.iter().map(|name| {
            let start = text.find(name).unwrap();
            start..start + name.len()
        });
        found.collect()
    }

    fn without(text: &str, names: &[&str], place: usize) -> String {
        let mut out = text.to_string();
        out.replace_range(removal(text, &list(text, names), place), "");
        out
    }

    #[test]
    fn items_go_with_what_separates_them() {
        let text = "use x { aa, bb as b, cc }";
        let names = ["aa", "bb as b", "cc"];
        assert_eq!(without(text, &names, 0), "use x { bb as b, cc }");
        assert_eq!(without(text, &names, 1), "use x { aa, cc }");
        assert_eq!(without(text, &names, 2), "use x { aa, bb as b }");
        assert_eq!(without("use x { aa, bb, }", &["aa", "bb"], 1), "use x { aa, }");
        let lines = "use x {\n  aa, // one\n  // of two\n  bb,\n}";
        assert_eq!(without(lines, &["aa", "bb"], 0), "use x {\n  // of two\n  bb,\n}");
        assert_eq!(without(lines, &["aa", "bb"], 1), "use x {\n  aa, // one\n  // of two\n}");
        assert_eq!(without("use x { aa,\n  bb }", &["aa", "bb"], 0), "use x { \n  bb }");
    }

    #[test]
    fn declarations_go_with_one_empty_line() {
        let gone = |text: &str, name: &str| {
            let start = text.find(name).unwrap();
            let mut out = text.to_string();
            out.replace_range(declaration(text, &(start..start + name.len())), "");
            out
        };
        assert_eq!(gone("use a // why\n\nconst A = 1\n", "use a"), "const A = 1\n");
        assert_eq!(gone("use a\nuse b\n\nconst A = 1\n", "use a"), "use b\n\nconst A = 1\n");
        assert_eq!(gone("use a\nuse b\n\nconst A = 1\n", "use b"), "use a\n\nconst A = 1\n");
        assert_eq!(gone("// x\n\nuse a\n\nconst A = 1\n", "use a"), "// x\n\nconst A = 1\n");
        assert_eq!(gone("use a", "use a"), "");
    }

    #[test]
    fn braces_are_found_behind_comments() {
        let text = "x: // {\n { // }\n }";
        let open = open_after(text, 1).unwrap();
        assert_eq!(open, 9);
        assert_eq!(close_after(text, open + 1), Some(17));
        assert_eq!(open_before("{ // {\n a", 8), Some(0));
        assert_eq!(open_before("a", 0), None);
    }
}

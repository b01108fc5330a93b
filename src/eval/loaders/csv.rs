//! Comma-separated values as RFC 4180 describes them: fields may be quoted, quoted fields may hold
//! commas, line ends and doubled quotes.

/// The fields of a record, with the line it begins in.
pub type Record = (usize, Vec<String>);

/// Records with the line each begins in; the reason where a text is not well formed.
pub fn parse(text: &str) -> Result<Vec<Record>, (usize, &'static str)> {
    let mut records = Vec::new();
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    let mut line = 1;
    while chars.peek().is_some() {
        let begins = line;
        let mut record = Vec::new();
        loop {
            let mut field = String::new();
            if chars.next_if_eq(&'"').is_some() {
                loop {
                    match chars.next() {
                        None => return Err((begins, "a quoted field has no end")),
                        Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                        Some('"') => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            field.push(c);
                        }
                    }
                }
            } else {
                while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\n' | '\r')) {
                    field.push(c);
                }
            }
            record.push(field);
            chars.next_if_eq(&'\r');
            match chars.next() {
                Some(',') => {}
                Some('\n') | None => break,
                Some(_) => return Err((line, "something stands behind a quoted field")),
            }
        }
        line += 1;
        // A line without anything is no record.
        if record.len() > 1 || record.first().is_some_and(|field| !field.is_empty()) {
            records.push((begins, record));
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_hold_anything() {
        let records = parse("a,b\r\n\"x,\"\"y\"\"\nz\",2\n\n,\n").unwrap();
        let expected: Vec<Record> = vec![
            (1, vec!["a".into(), "b".into()]),
            (2, vec!["x,\"y\"\nz".into(), "2".into()]),
            (5, vec![String::new(), String::new()]),
        ];
        assert_eq!(records, expected);
        assert_eq!(parse("a\n\"b").unwrap_err().0, 2);
        assert_eq!(parse("\"a\"b").unwrap_err().0, 1);
        assert!(parse("").unwrap().is_empty());
    }
}

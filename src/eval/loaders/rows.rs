//! Rows of one's own: JSON Lines or CSV whose columns are the parameters of the evaluation. Files
//! are named relative to the file of rows.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::base::Medium;
use crate::bundle::embedded;
use crate::lang::types::Type;

use super::super::error::EvalError;
use super::super::row::{Cell, Location, Row};
use super::{RowsFile, csv};

/// Reads the columns that the parameters name; others may be there, `id` names the row.
pub fn rows(file: &RowsFile<'_>) -> Result<Vec<Row>, EvalError> {
    let name = file.location.name().into_owned();
    let path = PathBuf::from(&name);
    let bytes = file.location.bytes().map_err(|error| match error {
        crate::runtime::error::Failure::TextFile { path, reason } => {
            EvalError::Unreadable { path, reason }
        }
        other => EvalError::Unreadable { path: path.clone(), reason: other.to_string() },
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| EvalError::Unreadable {
        path: path.clone(),
        reason: "it is not a UTF-8 text".to_string(),
    })?;
    let records = match name.ends_with(".csv") {
        true => from_csv(&path, text)?,
        false => from_jsonl(&path, text)?,
    };
    if records.is_empty() {
        return Err(EvalError::Empty(name));
    }
    let mut rows: Vec<Row> = Vec::with_capacity(records.len());
    for (line, record) in records {
        let malformed = |reason: String| EvalError::Malformed {
            path: path.clone(),
            place: format!("line {line}"),
            reason,
        };
        let mut columns = Vec::new();
        for param in file.params {
            let value = record.get(&param.name).unwrap_or(&Json::Null);
            if value.is_null() && !matches!(param.ty, Type::Option(_)) {
                return Err(EvalError::NoColumn {
                    path,
                    column: param.name.clone(),
                    known: record.keys().cloned().collect(),
                });
            }
            let cell = cell(&file.location, value, &param.ty)
                .map_err(|reason| malformed(format!("column `{}` {reason}", param.name)))?;
            columns.push((param.name.clone(), cell));
        }
        let id = match record.get("id") {
            Some(Json::String(id)) => id.clone(),
            Some(Json::Number(id)) => id.to_string(),
            _ => line.to_string(),
        };
        if rows.iter().any(|row| row.id == id) {
            return Err(malformed(format!("a row before it has the id {id:?} too")));
        }
        rows.push(Row { id, columns });
    }
    Ok(rows)
}

type Record = serde_json::Map<String, Json>;

fn from_jsonl(path: &std::path::Path, text: &str) -> Result<Vec<(usize, Record)>, EvalError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let records = lines.map(|(number, line)| {
        let bad = |reason: String| EvalError::Malformed {
            path: path.to_path_buf(),
            place: format!("line {}", number + 1),
            reason,
        };
        match serde_json::from_str(line) {
            Ok(Json::Object(record)) => Ok((number + 1, record)),
            Ok(_) => Err(bad("it is not an object such as {\"words\": \"…\"}".to_string())),
            Err(error) => Err(bad(error.to_string())),
        }
    });
    records.collect()
}

fn from_csv(path: &std::path::Path, text: &str) -> Result<Vec<(usize, Record)>, EvalError> {
    let bad = |line: usize, reason: &str| EvalError::Malformed {
        path: path.to_path_buf(),
        place: format!("line {line}"),
        reason: reason.to_string(),
    };
    let mut records = csv::parse(text).map_err(|(line, reason)| bad(line, reason))?.into_iter();
    let Some((_, head)) = records.next() else { return Ok(Vec::new()) };
    let rows = records.map(|(line, fields)| {
        if fields.len() != head.len() {
            return Err(bad(line, "it has not as many columns as the first line"));
        }
        let named = head.iter().cloned().zip(fields);
        let record = named.map(|(name, field)| match field.is_empty() {
            true => (name, Json::Null),
            false => (name, Json::String(field)),
        });
        Ok((line, record.collect()))
    });
    rows.collect()
}

/// A column by the type of its parameter; in CSV everything is written as text.
fn cell(rows: &Location, value: &Json, ty: &Type) -> Result<Cell, String> {
    let wanted = || format!("must be {ty}, but is {value}");
    Ok(match (ty, value) {
        (_, Json::Null) => Cell::Absent,
        (Type::Option(inner), value) => cell(rows, value, inner)?,
        (Type::Medium(Medium::Text) | Type::Matching(_) | Type::Union(_), Json::String(text)) => {
            Cell::Text(text.clone())
        }
        (Type::Medium(_) | Type::Lasting(..), Json::String(path)) => {
            Cell::File(beside(rows, path)?)
        }
        (Type::List(_), Json::String(text)) => match serde_json::from_str(text) {
            Ok(Json::Array(items)) => texts(&items).ok_or_else(wanted)?,
            _ => Cell::Texts(vec![text.clone()]),
        },
        (Type::List(_), Json::Array(items)) => texts(items).ok_or_else(wanted)?,
        (Type::Int | Type::Float, Json::Number(number)) => {
            Cell::Number(number.as_f64().ok_or_else(wanted)?)
        }
        (Type::Int | Type::Float, Json::String(text)) => Cell::Number(
            text.trim().parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(wanted)?,
        ),
        (Type::Bool, Json::Bool(value)) => Cell::Bool(*value),
        (Type::Bool, Json::String(text)) => Cell::Bool(text.trim().parse().map_err(|_| wanted())?),
        _ => return Err(wanted()),
    })
}

fn texts(items: &[Json]) -> Option<Cell> {
    let items = items.iter().map(|item| item.as_str().map(str::to_string));
    items.collect::<Option<Vec<_>>>().map(Cell::Texts)
}

/// A file that a row names.
fn beside(rows: &Location, path: &str) -> Result<Location, String> {
    match rows {
        Location::Disk(file) => {
            let folder = file.parent().unwrap_or(std::path::Path::new(""));
            Ok(Location::Disk(folder.join(path)))
        }
        Location::Embedded(file, _) => {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            embedded::entry(&format!("{folder}/{path}"))
                .map(|(name, bytes)| Location::Embedded(name, bytes))
                .ok_or_else(|| format!("names {path:?}, which is not in this program"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SourceId, Span};
    use crate::lang::ir::{LocalId, Param};
    use std::fs;

    fn params(types: &[(&str, Type)]) -> Vec<Param> {
        let param = |(name, ty): &(&str, Type)| Param {
            local: LocalId(0),
            name: (*name).to_string(),
            doc: None,
            ty: ty.clone(),
            default: None,
            span: Span::new(SourceId(0), 0, 0),
        };
        types.iter().map(param).collect()
    }

    fn load(name: &str, text: &str, params: &[Param]) -> Result<Vec<Row>, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        rows(&RowsFile { location: Location::Disk(path), params })
    }

    #[test]
    fn both_formats_give_the_same_rows() {
        let list = Type::List(Box::new(Type::TEXT));
        let wanted = [
            ("picture", Type::Medium(Medium::Image)),
            ("references", list),
            ("weight", Type::Option(Box::new(Type::Float))),
        ];
        let params = params(&wanted);
        let json = "{\"id\": \"x\", \"picture\": \"a.png\", \"references\": [\"b\", \"c\"], \"weight\": 2}\n\n{\"picture\": \"d.png\", \"references\": \"e\"}\n";
        let csv = "id,picture,references,weight\nx,a.png,\"[\"\"b\"\",\"\"c\"\"]\",2\n3,d.png,e,\n";
        let (json, csv) =
            (load("r.jsonl", json, &params).unwrap(), load("r.csv", csv, &params).unwrap());
        let plain = |rows: &[Row]| -> Vec<(String, Vec<Cell>)> {
            let cells = |row: &Row| row.columns.iter().skip(1).map(|c| c.1.clone()).collect();
            rows.iter().map(|row| (row.id.clone(), cells(row))).collect()
        };
        assert_eq!(plain(&json), plain(&csv));
        assert_eq!(json[0].cell("weight"), Some(&Cell::Number(2.0)));
        assert_eq!(json[1].cell("weight"), Some(&Cell::Absent));
        assert!(
            matches!(json[0].cell("picture"), Some(Cell::File(Location::Disk(p))) if p.ends_with("a.png"))
        );
    }

    #[test]
    fn mistakes_are_named_by_line() {
        let params = params(&[("words", Type::TEXT)]);
        let told = |text: &str| load("r.jsonl", text, &params).unwrap_err().to_string();
        assert!(told("{\"words\": \"a\"}\n{\"words\": 3}").contains("line 2"));
        assert!(told("{\"word\": \"a\"}").contains("no column `words`"));
        assert!(told("[1]").contains("line 1"));
        assert!(told("\n").contains("no rows"));
        let twice = "{\"id\": 1, \"words\": \"a\"}\n{\"id\": 1, \"words\": \"b\"}";
        assert!(told(twice).contains("the id \"1\" too"));
    }
}

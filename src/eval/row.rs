//! Rows of a data set, before anything of them is decoded.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::base::hash::Digest;
use crate::base::{Literal, Medium};
use crate::lang::types::Type;
use crate::media::{RgbImage, Sound};
use crate::runtime::error::Failure;
use crate::runtime::value::{Media, Value};

/// Where a file of a row lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Disk(PathBuf),
    /// Inside of the binary, under this path below `stdlib/`.
    Embedded(&'static str, &'static [u8]),
}

impl Location {
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Location::Disk(path) => path.to_string_lossy(),
            Location::Embedded(path, _) => Cow::Borrowed(path),
        }
    }

    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, Failure> {
        match self {
            Location::Embedded(_, bytes) => Ok(Cow::Borrowed(bytes)),
            Location::Disk(path) => match std::fs::read(path) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) => Err(Failure::TextFile {
                    path: path.clone(),
                    reason: match error.kind() {
                        std::io::ErrorKind::NotFound => "there is no such file".to_string(),
                        _ => error.to_string(),
                    },
                }),
            },
        }
    }
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Texts(Vec<String>),
    Number(f64),
    Bool(bool),
    /// A picture or a sound.
    File(Location),
    /// A sound of which only the first seconds count.
    Beginning(Location, f64),
    Absent,
}

/// One item of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As the set names it; shown, and unique within the set.
    pub id: String,
    pub columns: Vec<(String, Cell)>,
}

impl Row {
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, cell)| cell)
    }

    /// Of the id and the content of the columns that are used, so that a result is found again
    /// exactly when the same row is asked for. A file that cannot be read counts as its name: the
    /// row is run again when the file is there.
    pub fn key(&self, used: &[&str]) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("agpt evaluation row 1");
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(self.id.as_bytes());
        for name in used {
            part(name.as_bytes());
            match self.cell(name) {
                None | Some(Cell::Absent) => part(b"-"),
                Some(Cell::Text(text)) => part(text.as_bytes()),
                Some(Cell::Texts(texts)) => {
                    part(&(texts.len() as u64).to_le_bytes());
                    for text in texts {
                        part(text.as_bytes());
                    }
                }
                Some(Cell::Number(value)) => part(&value.to_le_bytes()),
                Some(Cell::Bool(value)) => part(&[u8::from(*value)]),
                Some(Cell::File(file)) => part(&content(file)),
                Some(Cell::Beginning(file, seconds)) => {
                    part(&content(file));
                    part(&seconds.to_le_bytes());
                }
            }
        }
        Digest(*hasher.finalize().as_bytes()).hex()
    }
}

fn content(file: &Location) -> Vec<u8> {
    match file.bytes() {
        Ok(bytes) => Digest::of(&bytes).0.to_vec(),
        Err(_) => format!("unreadable {}", file.name()).into_bytes(),
    }
}

/// The value of a column for a parameter of type `ty`.
pub fn value(cell: &Cell, ty: &Type) -> Result<Value, Failure> {
    match (cell, ty) {
        (Cell::Absent, Type::Option(_)) => Ok(Value::None),
        (cell, Type::Option(inner)) => value(cell, inner),
        (Cell::Text(text), Type::Medium(Medium::Text)) => Ok(Value::text(text.as_str())),
        (Cell::Text(text), Type::Matching(pattern)) if pattern.matches(text) => {
            Ok(Value::text(text.as_str()))
        }
        (Cell::Text(text), Type::Union(cases)) if cases.contains(&Literal::Text(text.clone())) => {
            Ok(Value::text(text.as_str()))
        }
        (Cell::Text(text), Type::List(inner)) => {
            Ok(Value::List(vec![value(&Cell::Text(text.clone()), inner)?].into()))
        }
        (Cell::Texts(texts), Type::List(inner)) => {
            let items = texts.iter().map(|text| value(&Cell::Text(text.clone()), inner));
            Ok(Value::List(items.collect::<Result<Vec<_>, _>>()?.into()))
        }
        (Cell::Number(number), Type::Float) => Ok(Value::Float(*number)),
        (Cell::Number(number), Type::Int)
            if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 =>
        {
            Ok(Value::Int(*number as i64))
        }
        (Cell::Bool(value), Type::Bool) => Ok(Value::Bool(*value)),
        (Cell::File(file), Type::Medium(medium)) => media(file, *medium, None),
        (Cell::Beginning(file, seconds), Type::Medium(medium)) => {
            media(file, *medium, Some(*seconds))
        }
        (Cell::File(_) | Cell::Beginning(..), Type::Lasting(medium, wanted)) => {
            let found = value(cell, &Type::Medium(*medium))?;
            if let Value::Media(made) = &found
                && let Media::Speech(sound) | Media::Music(sound) = &***made
                && !wanted.contains(sound.seconds())
            {
                let seconds = sound.seconds();
                return Err(Failure::Lasts { medium: *medium, seconds, wanted: *wanted });
            }
            Ok(found)
        }
        (cell, ty) => Err(Failure::Argument {
            value: shown(cell),
            expected: ty.to_string(),
            hint: "correct the row".to_string(),
        }),
    }
}

/// A medium of a row; of a sound perhaps only its first seconds.
pub fn media(file: &Location, medium: Medium, most: Option<f64>) -> Result<Value, Failure> {
    let bytes = file.bytes()?;
    let name = file.name();
    if medium == Medium::Image {
        return Ok(Value::media(Media::Image(RgbImage::decode(&bytes, &name)?)));
    }
    let mut sound = Sound::decode(&bytes, &name)?;
    if let Some(most) = most {
        let samples = (most * f64::from(sound.rate())).round() as usize;
        if let Some(first) = sound.samples().get(..samples) {
            sound = Sound::new(sound.rate(), first.to_vec())?;
        }
    }
    Ok(Value::media(match medium {
        Medium::Speech => Media::Speech(sound),
        _ => Media::Music(sound),
    }))
}

/// A column in a line, for messages and reports.
pub fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Texts(texts) => texts.join(" / "),
        Cell::Number(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
        Cell::File(file) | Cell::Beginning(file, _) => file.name().into_owned(),
        Cell::Absent => "nothing".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(words: &str) -> Row {
        let columns = vec![
            ("words".to_string(), Cell::Text(words.to_string())),
            ("other".to_string(), Cell::Number(1.0)),
        ];
        Row { id: "1".to_string(), columns }
    }

    #[test]
    fn keys_are_of_what_is_used() {
        let key = row("a").key(&["words"]);
        assert_eq!(key, row("a").key(&["words"]));
        assert_ne!(key, row("b").key(&["words"]));
        assert_ne!(key, row("a").key(&["words", "other"]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let mut row = row("a");
        row.columns.push(("file".to_string(), Cell::File(Location::Disk(path.clone()))));
        let missing = row.key(&["file"]);
        std::fs::write(&path, "x").unwrap();
        assert_ne!(missing, row.key(&["file"]));
    }

    #[test]
    fn columns_fit_their_types() {
        let text = Cell::Text("a".to_string());
        let list = Type::List(Box::new(Type::TEXT));
        assert_eq!(value(&text, &list).unwrap(), Value::List(vec![Value::text("a")].into()));
        assert_eq!(value(&Cell::Number(2.0), &Type::Int).unwrap(), Value::Int(2));
        assert!(value(&Cell::Number(2.5), &Type::Int).is_err());
        assert!(value(&text, &Type::Int).is_err());
        assert!(value(&Cell::Absent, &Type::TEXT).is_err());
        assert_eq!(value(&Cell::Absent, &Type::Option(Box::new(list))).unwrap(), Value::None);
    }
}

//! Pairs in Parquet files, as HuggingFace's `datasets` publishes them: a column of texts, and one of
//! media, each with its bytes in the file (`{bytes, path}` or bytes alone) or as a path.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::record::{Field, Row};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use serde_json::Value as Json;

/// Rows that are decoded together: they may have pictures of megabytes.
const TOGETHER: usize = 16;

/// What a column is read as, by the key that it has in rows of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub key: String,
    pub name: String,
}

/// The cells of one row: of `id` and `text`, and of the media with their keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cells {
    pub id: Option<Json>,
    pub text: Option<String>,
    pub media: Vec<(String, Cell)>,
}

/// A medium: its bytes, or a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Bytes { bytes: Vec<u8>, name: Option<String> },
    Path(String),
}

/// A file of rows, read from front to back; going back costs reading a row group again.
pub struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    descriptor: Arc<SchemaDescriptor>,
    /// The chosen columns in the order of the projection.
    columns: Vec<Column>,
    /// The first row of each row group, and behind the last the number of all.
    starts: Vec<usize>,
    at: Option<Position>,
}

struct Position {
    group: usize,
    row: usize,
    rows: ReaderIter,
}

/// Why a file is not readable, or not as pairs.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {reason}", path.display())]
pub struct Unreadable {
    pub path: PathBuf,
    pub reason: String,
}

impl Table {
    /// Opens a file. Of `keys`, each that is a column's name, or is named by `renamed`, is read.
    pub fn open(path: &Path, keys: &[&str], renamed: &[Column]) -> Result<Self, Unreadable> {
        let fail = |reason: String| Unreadable { path: path.to_path_buf(), reason };
        let file = File::open(path).map_err(|error| fail(error.to_string()))?;
        let reader = SerializedFileReader::new(file)
            .map_err(|error| fail(format!("it is no readable Parquet file: {error}")))?;
        let root = reader.metadata().file_metadata().schema_descr().root_schema();
        let names: Vec<&str> = root.get_fields().iter().map(|field| field.name()).collect();
        let mut columns: Vec<Column> = Vec::new();
        let mut fields: Vec<TypePtr> = Vec::new();
        for key in keys {
            let said = renamed.iter().find(|column| column.key == *key);
            let name = said.map_or(*key, |column| column.name.as_str());
            match root.get_fields().iter().find(|field| field.name() == name) {
                Some(field) => {
                    fields.push(field.clone());
                    columns.push(Column { key: key.to_string(), name: name.to_string() });
                }
                None if said.is_some() => {
                    let names = names.join("`, `");
                    return Err(fail(format!("it has no column `{name}`; it has `{names}`")));
                }
                None => {}
            }
        }
        if !columns.iter().any(|column| column.key == "text") || columns.len() < 2 {
            let names = names.join("`, `");
            return Err(fail(format!(
                "it has the columns `{names}`; say which is the text and which the medium, as in \
                 --column text=caption --column image=jpg"
            )));
        }
        let projection = Type::group_type_builder(root.name()).with_fields(fields).build();
        let projection = projection.map_err(|error| fail(error.to_string()))?;
        let mut starts = vec![0];
        for group in reader.metadata().row_groups() {
            let unknown = group.columns().iter().map(|column| column.compression()).find(|used| {
                !matches!(
                    used,
                    Compression::UNCOMPRESSED
                        | Compression::SNAPPY
                        | Compression::ZSTD(_)
                        | Compression::GZIP(_)
                )
            });
            if let Some(unknown) = unknown {
                return Err(fail(format!(
                    "it is compressed with {unknown}; Snappy, Zstandard and gzip are read: write it \
                     anew, as with pyarrow.parquet.write_table(pyarrow.parquet.read_table(A), B)"
                )));
            }
            let rows = usize::try_from(group.num_rows());
            let rows = rows.map_err(|_| fail("a row group has less than no rows".into()))?;
            starts.push(starts.last().copied().unwrap_or(0) + rows);
        }
        let descriptor = Arc::new(SchemaDescriptor::new(Arc::new(projection)));
        Ok(Table { path: path.to_path_buf(), reader, descriptor, columns, starts, at: None })
    }

    pub fn row_count(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The cells of row `row`, or why they are none. A damaged file is an error.
    pub fn row(&mut self, row: usize) -> Result<Result<Cells, String>, Unreadable> {
        let path = self.path.clone();
        let fail = |reason: String| Unreadable { path: path.clone(), reason };
        let damaged = |reason: String| fail(format!("it is damaged: {reason}"));
        // The last group that begins at or before the row; empty groups have no row.
        let group = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
        if row >= self.row_count() {
            return Err(fail(format!("it has {} rows", self.row_count())));
        }
        let here = self.at.take().filter(|at| at.group == group && at.row <= row);
        let mut at = match here {
            Some(at) => at,
            None => {
                let reader = self.reader.get_row_group(group);
                let reader = reader.map_err(|error| damaged(error.to_string()))?;
                let rows = TreeBuilder::new()
                    .with_batch_size(TOGETHER)
                    .as_iter(self.descriptor.clone(), &*reader)
                    .map_err(|error| damaged(error.to_string()))?;
                Position { group, row: self.starts[group], rows }
            }
        };
        loop {
            let Some(read) = at.rows.next() else {
                return Err(damaged("a row group ends early".into()));
            };
            let read = read.map_err(|error| damaged(error.to_string()))?;
            at.row += 1;
            if at.row > row {
                self.at = Some(at);
                return Ok(self.cells(read));
            }
        }
    }

    fn cells(&self, row: Row) -> Result<Cells, String> {
        let mut cells = Cells::default();
        for (column, (_, field)) in self.columns.iter().zip(row.into_columns()) {
            let name = &column.name;
            match column.key.as_str() {
                "text" => cells.text = text(field).map_err(|kind| format!("`{name}` is {kind}"))?,
                "id" => cells.id = id(field),
                key => {
                    let cell = medium(field).map_err(|kind| format!("`{name}` is {kind}"))?;
                    cells.media.extend(cell.map(|cell| (key.to_string(), cell)));
                }
            }
        }
        Ok(cells)
    }
}

fn text(field: Field) -> Result<Option<String>, &'static str> {
    match field {
        Field::Null => Ok(None),
        Field::Str(text) => Ok(Some(text)),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(Some(text.to_string())),
            Err(_) => Err("no UTF-8 text"),
        },
        Field::ListInternal(_) => Err("a list; make a row of each of its texts"),
        _ => Err("no text"),
    }
}

/// Texts and whole numbers; others are no ids, as if there was none.
fn id(field: Field) -> Option<Json> {
    match field {
        Field::Str(text) => Some(Json::from(text)),
        Field::Byte(number) => Some(Json::from(number)),
        Field::Short(number) => Some(Json::from(number)),
        Field::Int(number) => Some(Json::from(number)),
        Field::Long(number) => Some(Json::from(number)),
        Field::UByte(number) => Some(Json::from(number)),
        Field::UShort(number) => Some(Json::from(number)),
        Field::UInt(number) => Some(Json::from(number)),
        Field::ULong(number) => Some(Json::from(number)),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).ok().map(Json::from),
        _ => None,
    }
}

fn medium(field: Field) -> Result<Option<Cell>, &'static str> {
    match field {
        Field::Null => Ok(None),
        Field::Str(path) => Ok(Some(Cell::Path(path))),
        Field::Bytes(bytes) => Ok(Some(Cell::Bytes { bytes: bytes.data().to_vec(), name: None })),
        Field::Group(row) => {
            let (mut bytes, mut path) = (None, None);
            for (name, field) in row.into_columns() {
                match (name.as_str(), field) {
                    ("bytes", Field::Bytes(found)) => bytes = Some(found.data().to_vec()),
                    ("path", Field::Str(found)) => path = Some(found),
                    _ => {}
                }
            }
            match (bytes, path) {
                (Some(bytes), name) => Ok(Some(Cell::Bytes { bytes, name })),
                (None, Some(path)) => Ok(Some(Cell::Path(path))),
                (None, None) => Ok(None),
            }
        }
        Field::ListInternal(_) => Err("a list; make a row of each of its media"),
        _ => Err("neither bytes nor a path"),
    }
}

/// Rows of texts as a file of `columns`, Snappy-compressed. The same rows are the same bytes.
pub fn write(
    out: &mut (dyn std::io::Write + Send),
    columns: &[&str],
    rows: &[Vec<Option<String>>],
) -> Result<(), parquet::errors::ParquetError> {
    let field = |name: &&str| {
        let text = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(ConvertedType::UTF8)
            .with_logical_type(Some(LogicalType::String))
            .build();
        text.map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let mut number = 0;
    while let Some(mut column) = group.next_column()? {
        let cell = |row: &Vec<Option<String>>| row.get(number).cloned().flatten();
        let cells: Vec<Option<String>> = rows.iter().map(cell).collect();
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
        let values = cells.into_iter().flatten().map(|cell| ByteArray::from(cell.into_bytes()));
        let values: Vec<ByteArray> = values.collect();
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
        column.close()?;
        number += 1;
    }
    group.close()?;
    writer.close()?;
    Ok(())
}

//! WIT types as types of the language.

use wit_parser::{Function, InterfaceId, Record, Resolve, Type as Wit, TypeDefKind, TypeOwner};

use crate::base::{Literal, Medium};
use crate::lang::plugin::snake;
use crate::lang::syntax;
use crate::lang::types::Type;

/// Deeper types are no signature that someone wrote.
const MAX_DEPTH: usize = 32;

/// Refuses what cannot be written in the language.
pub fn name(name: &str, what: &str) -> Result<(), String> {
    match syntax::is_reserved(name) {
        true => Err(format!("{what}, `{name}`, is a word of the language")),
        false => Ok(()),
    }
}

/// The name of an interface of `agpt:plugin`, in a version that this agpt knows.
pub fn of_agpt(resolve: &Resolve, id: InterfaceId) -> Option<&str> {
    let interface = &resolve.interfaces[id];
    let package = &resolve.packages[interface.package?].name;
    let ours = package.namespace == "agpt" && package.name == "plugin";
    let version = package.version.as_ref().is_some_and(|v| v.major == 0 && v.minor == 1);
    if ours && version { interface.name.as_deref() } else { None }
}

/// What a function gives: a `result` gives its value, and its error ends the run.
pub fn of_result(resolve: &Resolve, ty: &Wit) -> Result<Type, String> {
    if let Some(TypeDefKind::Result(result)) = kind(resolve, ty) {
        match result.err.map(|err| plain(resolve, err)) {
            None | Some(Wit::String) => {}
            Some(_) => return Err("a result whose error is not a string".to_string()),
        }
        let ok = result.ok.as_ref().ok_or("a result without a value")?;
        return of(resolve, ok);
    }
    of(resolve, ty)
}

/// The language's type for a WIT type, or what kind of type it is that the language lacks.
pub fn of(resolve: &Resolve, ty: &Wit) -> Result<Type, String> {
    convert(resolve, ty, 0)
}

fn convert(resolve: &Resolve, ty: &Wit, depth: usize) -> Result<Type, String> {
    if depth > MAX_DEPTH {
        return Err(format!("a type of more than {MAX_DEPTH} levels"));
    }
    let inner = |ty: &Wit| convert(resolve, ty, depth + 1);
    Ok(match ty {
        Wit::Bool => Type::Bool,
        Wit::U8 | Wit::U16 | Wit::U32 | Wit::U64 => Type::Int,
        Wit::S8 | Wit::S16 | Wit::S32 | Wit::S64 => Type::Int,
        Wit::F32 | Wit::F64 => Type::Float,
        Wit::String => Type::TEXT,
        Wit::Char => return Err("a char".to_string()),
        Wit::ErrorContext => return Err("an error-context".to_string()),
        Wit::Id(id) => {
            let def = &resolve.types[*id];
            if let (TypeOwner::Interface(owner), Some(name)) = (def.owner, &def.name)
                && of_agpt(resolve, owner) == Some("types")
            {
                return shared(resolve, name, &def.kind);
            }
            match &def.kind {
                TypeDefKind::Type(other) => inner(other)?,
                TypeDefKind::List(item) => Type::List(Box::new(inner(item)?)),
                TypeDefKind::Option(item) => match inner(item)? {
                    Type::Option(_) => return Err("an option of an option".to_string()),
                    item => Type::Option(Box::new(item)),
                },
                TypeDefKind::Record(record) => {
                    let mut fields = Vec::new();
                    for field in &record.fields {
                        let written = snake(&field.name);
                        name(&written, "the name of a field")?;
                        fields.push((written, inner(&field.ty)?));
                    }
                    Type::Record(fields)
                }
                TypeDefKind::Enum(cases) => Type::Union(
                    cases.cases.iter().map(|case| Literal::Text(case.name.clone())).collect(),
                ),
                TypeDefKind::Resource | TypeDefKind::Handle(_) => {
                    return Err("a resource".to_string());
                }
                other => {
                    let word = other.as_str();
                    let article =
                        if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                    return Err(format!("{article} {word}"));
                }
            }
        }
    })
}

/// The types of `agpt:plugin/types`, if they have the shape that this agpt knows.
fn shared(resolve: &Resolve, name: &str, kind: &TypeDefKind) -> Result<Type, String> {
    let is = |fields: &[(&str, &str)]| matches!(kind, TypeDefKind::Record(record) if has_fields(resolve, record, fields));
    let sound = [("sample-rate", "u32"), ("samples", "list<f32>")];
    let ids = [("ids", "list<u32>")];
    let image = [("width", "u32"), ("height", "u32"), ("pixels", "list<u8>")];
    let known = match name {
        "image" => is(&image).then_some(Type::Medium(Medium::Image)),
        "speech" => is(&sound).then_some(Type::Medium(Medium::Speech)),
        "music" => is(&sound).then_some(Type::Medium(Medium::Music)),
        "duration" => is(&[("seconds", "f64")]).then_some(Type::Duration),
        "image-tokens" => is(&ids).then_some(Type::Tokens(Medium::Image)),
        "speech-tokens" => is(&ids).then_some(Type::Tokens(Medium::Speech)),
        "music-tokens" => is(&ids).then_some(Type::Tokens(Medium::Music)),
        "text-tokens" => is(&ids).then_some(Type::Tokens(Medium::Text)),
        _ => None,
    };
    known.ok_or_else(|| format!("a `{name}` that agpt:plugin/types@0.1 does not have"))
}

fn has_fields(resolve: &Resolve, record: &Record, wanted: &[(&str, &str)]) -> bool {
    record.fields.len() == wanted.len()
        && record
            .fields
            .iter()
            .zip(wanted)
            .all(|(field, (name, ty))| field.name == *name && text(resolve, &field.ty) == *ty)
}

/// `write(string)`, for the interfaces that agpt gives.
pub fn shape(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> =
        function.params.iter().map(|param| text(resolve, &param.ty)).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", text(resolve, ty)));
    format!("{}({}){}", function.name, params.join(", "), result.unwrap_or_default())
}

/// A type without names of its own, as WIT writes it.
fn text(resolve: &Resolve, ty: &Wit) -> String {
    match plain(resolve, *ty) {
        Wit::Bool => "bool".to_string(),
        Wit::U8 => "u8".to_string(),
        Wit::U32 => "u32".to_string(),
        Wit::U64 => "u64".to_string(),
        Wit::F32 => "f32".to_string(),
        Wit::F64 => "f64".to_string(),
        Wit::String => "string".to_string(),
        Wit::Id(id) => match &resolve.types[id].kind {
            TypeDefKind::List(item) => match plain(resolve, *item) {
                // One level is all that the shared types have.
                Wit::Id(_) => "list".to_string(),
                item => format!("list<{}>", text(resolve, &item)),
            },
            other => other.as_str().to_string(),
        },
        _ => "another type".to_string(),
    }
}

/// Behind aliases.
fn plain(resolve: &Resolve, mut ty: Wit) -> Wit {
    while let Wit::Id(id) = ty {
        match &resolve.types[id].kind {
            TypeDefKind::Type(other) => ty = *other,
            _ => break,
        }
    }
    ty
}

fn kind<'r>(resolve: &'r Resolve, ty: &Wit) -> Option<&'r TypeDefKind> {
    match plain(resolve, *ty) {
        Wit::Id(id) => Some(&resolve.types[id].kind),
        _ => None,
    }
}

//! Values of the language ↔ values of components.

use wasmtime::component::{Type as Wit, Val};

use crate::base::Medium;
use crate::lang::plugin::snake;
use crate::lang::types::Type;
use crate::media::{RgbImage, Sound};
use crate::runtime::value::{Media, Value};

/// The most single values in one argument: each byte of a picture is one here.
const MAX_VALUES: usize = 32 << 20;

/// A value for a parameter.
pub fn lower(value: &Value, ty: &Wit) -> Result<Val, String> {
    Ok(match (value, ty) {
        (value, Wit::Option(option)) => Val::Option(match value {
            Value::None => None,
            value => Some(Box::new(lower(value, &option.ty())?)),
        }),
        (Value::Bool(value), Wit::Bool) => Val::Bool(*value),
        (Value::Int(value), ty) => int(*value, ty)?,
        (Value::Float(value), Wit::Float64) => Val::Float64(*value),
        (Value::Float(value), Wit::Float32) => Val::Float32(*value as f32),
        (Value::Text(text), Wit::String) => Val::String(text.to_string()),
        (Value::Text(text), Wit::Enum(_)) => Val::Enum(text.to_string()),
        (Value::Duration(seconds), Wit::Record(_)) => {
            Val::Record(vec![field("seconds", Val::Float64(*seconds))])
        }
        (Value::Tokens(_, ids), Wit::Record(_)) => {
            Val::Record(vec![field("ids", Val::List(ids.iter().map(|id| Val::U32(*id)).collect()))])
        }
        (Value::Media(made), Wit::Record(_)) => match &***made {
            Media::Image(image) => {
                small(image.data().len(), "picture")?;
                Val::Record(vec![
                    field("width", Val::U32(image.width())),
                    field("height", Val::U32(image.height())),
                    field("pixels", Val::List(image.data().iter().map(|b| Val::U8(*b)).collect())),
                ])
            }
            Media::Speech(sound) | Media::Music(sound) => {
                small(sound.samples().len(), "sound")?;
                let samples = sound.samples().iter().map(|sample| Val::Float32(*sample));
                Val::Record(vec![
                    field("sample-rate", Val::U32(sound.rate())),
                    field("samples", Val::List(samples.collect())),
                ])
            }
        },
        (Value::List(items), Wit::List(list)) => {
            let ty = list.ty();
            let items = items.iter().map(|item| lower(item, &ty));
            Val::List(items.collect::<Result<_, _>>()?)
        }
        (Value::Record(fields), Wit::Record(record)) => {
            let mut out = Vec::new();
            for wanted in record.fields() {
                let written = snake(wanted.name);
                let (_, value) = fields
                    .iter()
                    .find(|(name, _)| *name == written)
                    .ok_or_else(|| format!("it lacks the field `{written}`"))?;
                out.push(field(wanted.name, lower(value, &wanted.ty)?));
            }
            Val::Record(out)
        }
        (value, _) => return Err(format!("it is {}", value.kind())),
    })
}

fn field(name: &str, value: Val) -> (String, Val) {
    (name.to_string(), value)
}

fn small(count: usize, what: &str) -> Result<(), String> {
    if count > MAX_VALUES {
        return Err(format!("the {what} has {count} values, more than {MAX_VALUES}"));
    }
    Ok(())
}

fn int(value: i64, ty: &Wit) -> Result<Val, String> {
    fn fits<T: TryFrom<i64>>(value: i64, wrap: fn(T) -> Val, name: &str) -> Result<Val, String> {
        T::try_from(value).map(wrap).map_err(|_| format!("{value} does not fit into {name}"))
    }
    match ty {
        Wit::U8 => fits(value, Val::U8, "8 bits without a sign"),
        Wit::U16 => fits(value, Val::U16, "16 bits without a sign"),
        Wit::U32 => fits(value, Val::U32, "32 bits without a sign"),
        Wit::U64 => fits(value, Val::U64, "a number without a sign"),
        Wit::S8 => fits(value, Val::S8, "8 bits"),
        Wit::S16 => fits(value, Val::S16, "16 bits"),
        Wit::S32 => fits(value, Val::S32, "32 bits"),
        Wit::S64 => Ok(Val::S64(value)),
        _ => Err("it is int".to_string()),
    }
}

/// What a function gave, as a value of its type; the error of a `result` was taken off before.
pub fn lift(val: Val, ty: &Type) -> Result<Value, String> {
    Ok(match (val, ty) {
        (Val::Option(None), Type::Option(_)) => Value::None,
        (Val::Option(Some(val)), Type::Option(ty)) => lift(*val, ty)?,
        (Val::Bool(value), Type::Bool) => Value::Bool(value),
        (Val::Float64(value), Type::Float) => Value::Float(finite(value)?),
        (Val::Float32(value), Type::Float) => Value::Float(finite(f64::from(value))?),
        (Val::String(text), Type::Medium(Medium::Text)) => Value::text(text),
        (Val::Enum(case), Type::Union(_)) => Value::text(case),
        (val, Type::Int) => Value::Int(lift_int(&val)?),
        (Val::List(items), Type::List(ty)) => {
            let items = items.into_iter().map(|item| lift(item, ty));
            Value::List(items.collect::<Result<Vec<_>, _>>()?.into())
        }
        (Val::Record(mut fields), Type::Duration) => {
            let seconds = match take(&mut fields, "seconds") {
                Some(Val::Float64(seconds)) => seconds,
                _ => return Err("it is no duration".to_string()),
            };
            if !(seconds.is_finite() && seconds >= 0.0) {
                return Err(format!("a duration of {seconds} s"));
            }
            Value::Duration(seconds)
        }
        (Val::Record(mut fields), Type::Tokens(medium)) => {
            Value::Tokens(*medium, numbers(take(&mut fields, "ids"))?.into())
        }
        (Val::Record(fields), Type::Medium(medium)) => Value::media(media(fields, *medium)?),
        (Val::Record(fields), Type::Record(wanted)) => {
            let fields = fields.into_iter().zip(wanted);
            let fields = fields
                .map(|((_, val), (name, ty))| lift(val, ty).map(|value| (name.clone(), value)));
            Value::Record(fields.collect::<Result<Vec<_>, _>>()?.into())
        }
        (_, ty) => return Err(format!("it is not {ty}")),
    })
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("{value} is no number")) }
}

fn lift_int(val: &Val) -> Result<i64, String> {
    Ok(match val {
        Val::U8(value) => i64::from(*value),
        Val::U16(value) => i64::from(*value),
        Val::U32(value) => i64::from(*value),
        Val::S8(value) => i64::from(*value),
        Val::S16(value) => i64::from(*value),
        Val::S32(value) => i64::from(*value),
        Val::S64(value) => *value,
        Val::U64(value) => {
            i64::try_from(*value).map_err(|_| format!("{value} is larger than an int"))?
        }
        _ => return Err("it is not int".to_string()),
    })
}

fn take(fields: &mut Vec<(String, Val)>, name: &str) -> Option<Val> {
    let place = fields.iter().position(|(known, _)| known == name)?;
    Some(fields.swap_remove(place).1)
}

fn numbers(val: Option<Val>) -> Result<Vec<u32>, String> {
    let Some(Val::List(items)) = val else { return Err("it has no ids".to_string()) };
    let ids = items.into_iter().map(|item| match item {
        Val::U32(id) => Ok(id),
        _ => Err("its ids are no numbers".to_string()),
    });
    ids.collect()
}

fn media(mut fields: Vec<(String, Val)>, medium: Medium) -> Result<Media, String> {
    let mut number = |name: &str| match take(&mut fields, name) {
        Some(Val::U32(value)) => Ok(value),
        _ => Err(format!("it has no {name}")),
    };
    if medium == Medium::Image {
        let (width, height) = (number("width")?, number("height")?);
        let Some(Val::List(pixels)) = take(&mut fields, "pixels") else {
            return Err("it has no pixels".to_string());
        };
        let bytes = pixels.into_iter().map(|pixel| match pixel {
            Val::U8(byte) => Ok(byte),
            _ => Err("its pixels are no bytes".to_string()),
        });
        let image = RgbImage::new(width, height, bytes.collect::<Result<_, _>>()?);
        return image.map(Media::Image).map_err(|error| error.to_string());
    }
    let rate = number("sample-rate")?;
    let Some(Val::List(samples)) = take(&mut fields, "samples") else {
        return Err("it has no samples".to_string());
    };
    let samples = samples.into_iter().map(|sample| match sample {
        Val::Float32(sample) => Ok(sample),
        _ => Err("its samples are no numbers".to_string()),
    });
    let sound = Sound::new(rate, samples.collect::<Result<_, _>>()?);
    let sound = sound.map_err(|error| error.to_string())?;
    match medium {
        Medium::Speech => Ok(Media::Speech(sound)),
        Medium::Music => Ok(Media::Music(sound)),
        other => Err(format!("it is not {other}")),
    }
}

//! These are component values as JSON.
//!
//! | type | JSON |
//! | --- | --- |
//! | numbers | number, exact to 64 bits; `"nan"`, `"inf"` and `"-inf"` for what JSON has no number for |
//! | record | object with the names of the fields; an option that is missing is none |
//! | variant | `"case"`, or `{"case": payload}` |
//! | option | `null` or the value; where the value is an option itself, `{"some": value}` |
//! | result | `{"ok": value}` or `{"err": value}`, with `null` for no value |
//! | enum, char | string |
//! | flags | array of the names that are set, in the order of the type |
//! | list, tuple | array |

use serde_json::{Map, Number, Value as Json, json};
use wasmtime::component::{Type, Val};

use super::ValueError;
use super::wave::cut;

type Read = Result<Val, ValueError>;

/// A value as JSON.
///
/// Of a type without handles: see [`super::handle_in`].
pub(crate) fn to_json(value: &Val) -> Json {
    match value {
        Val::Bool(value) => json!(value),
        Val::S8(value) => json!(value),
        Val::U8(value) => json!(value),
        Val::S16(value) => json!(value),
        Val::U16(value) => json!(value),
        Val::S32(value) => json!(value),
        Val::U32(value) => json!(value),
        Val::S64(value) => json!(value),
        Val::U64(value) => json!(value),
        Val::Float32(value) => float_to_json(shortest(*value)),
        Val::Float64(value) => float_to_json(*value),
        Val::Char(value) => json!(value),
        Val::String(value) | Val::Enum(value) => json!(value),
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => values.iter().map(to_json).collect(),
        Val::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), to_json(value)));
            Json::Object(fields.collect())
        }
        Val::Variant(case, None) => json!(case),
        Val::Variant(case, Some(value)) => one(case, to_json(value)),
        Val::Option(None) => Json::Null,
        Val::Option(Some(value)) => match &**value {
            inner @ Val::Option(_) => one("some", to_json(inner)),
            inner => to_json(inner),
        },
        Val::Result(Ok(value)) => one("ok", value.as_deref().map_or(Json::Null, to_json)),
        Val::Result(Err(value)) => one("err", value.as_deref().map_or(Json::Null, to_json)),
        Val::Flags(names) => json!(names),
        Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) | Val::Map(_) => {
            unreachable!("a function with handles in its type is not called, see Function::refusal")
        }
    }
}

fn one(name: &str, value: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// The double that prints with as few digits as the single does: 0.1 and not 0.10000000149011612.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn float_to_json(value: f64) -> Json {
    match Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => json!("nan"),
        None if value > 0.0 => json!("inf"),
        None => json!("-inf"),
    }
}

/// Reads a value of this type from JSON.
pub(crate) fn from_json(ty: &Type, json: &Json) -> Read {
    let wrong = || ValueError::new(ty, found(json));
    match ty {
        Type::Bool => json.as_bool().map(Val::Bool).ok_or_else(wrong),
        Type::S8 => integer(json).map(Val::S8).ok_or_else(wrong),
        Type::U8 => integer(json).map(Val::U8).ok_or_else(wrong),
        Type::S16 => integer(json).map(Val::S16).ok_or_else(wrong),
        Type::U16 => integer(json).map(Val::U16).ok_or_else(wrong),
        Type::S32 => integer(json).map(Val::S32).ok_or_else(wrong),
        Type::U32 => integer(json).map(Val::U32).ok_or_else(wrong),
        Type::S64 => integer(json).map(Val::S64).ok_or_else(wrong),
        Type::U64 => integer(json).map(Val::U64).ok_or_else(wrong),
        Type::Float32 => single(json).map(Val::Float32).ok_or_else(wrong),
        Type::Float64 => float(json).map(Val::Float64).ok_or_else(wrong),
        Type::Char => character(json).map(Val::Char).ok_or_else(wrong),
        Type::String => json.as_str().map(|text| Val::String(text.into())).ok_or_else(wrong),
        Type::Enum(names) => {
            let known = json.as_str().filter(|case| names.names().any(|name| name == *case));
            known.map(|case| Val::Enum(case.into())).ok_or_else(wrong)
        }
        Type::List(list) => {
            let (items, ty) = (json.as_array().ok_or_else(wrong)?, list.ty());
            let values = items.iter().enumerate().map(|(at, item)| item_from_json(&ty, at, item));
            values.collect::<Result<_, _>>().map(Val::List)
        }
        Type::Tuple(tuple) => {
            let items = json.as_array().filter(|items| items.len() == tuple.types().len()).ok_or_else(wrong)?;
            let values = tuple.types().zip(items).enumerate().map(|(at, (ty, item))| item_from_json(&ty, at, item));
            values.collect::<Result<_, _>>().map(Val::Tuple)
        }
        Type::Record(_) => record_from_json(ty, json),
        Type::Variant(_) => variant_from_json(ty, json),
        Type::Flags(_) => flags_from_json(ty, json),
        Type::Option(option) => option_from_json(&option.ty(), json).ok_or_else(wrong)?,
        Type::Result(result) => {
            let (case, payload) = case_of(json).ok_or_else(wrong)?;
            match case {
                "ok" => Ok(Val::Result(Ok(payload_from_json(ty, (case, result.ok()), payload)?))),
                "err" => Ok(Val::Result(Err(payload_from_json(ty, (case, result.err()), payload)?))),
                _ => Err(wrong()),
            }
        }
        Type::Map(_)
        | Type::FixedLengthList(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Stream(_)
        | Type::Future(_)
        | Type::ErrorContext => Err(wrong()),
    }
}

fn item_from_json(ty: &Type, at: usize, json: &Json) -> Read {
    from_json(ty, json).map_err(|error| error.below(&format!("[{at}]")))
}

/// Nothing where an option of an option is not written as one.
fn option_from_json(ty: &Type, json: &Json) -> Option<Read> {
    let some = |value: Read| value.map(|value| Val::Option(Some(Box::new(value))));
    match (json, ty) {
        (Json::Null, _) => Some(Ok(Val::Option(None))),
        (Json::Object(object), Type::Option(_)) if object.len() == 1 => {
            object.get("some").map(|inner| some(from_json(ty, inner)))
        }
        (_, Type::Option(_)) => None,
        _ => Some(some(from_json(ty, json))),
    }
}

fn record_from_json(ty: &Type, json: &Json) -> Read {
    let object = json.as_object().ok_or_else(|| ValueError::new(ty, found(json)))?;
    let record = ty.unwrap_record();
    let mut fields = Vec::new();
    let mut used = 0;
    for field in record.fields() {
        let value = match (object.get(field.name), &field.ty) {
            (Some(json), ty) => {
                used += 1;
                from_json(ty, json).map_err(|error| error.below(&format!(".{}", field.name)))?
            }
            (None, Type::Option(_)) => Val::Option(None),
            (None, _) => return Err(ValueError::new(ty, format!("no field {}", field.name))),
        };
        fields.push((field.name.to_owned(), value));
    }
    if used < object.len() {
        let unknown = object.keys().find(|key| record.fields().all(|field| field.name != **key));
        let unknown = unknown.map_or("", String::as_str);
        return Err(ValueError::new(ty, format!("a field {} that there is not", cut(unknown))));
    }
    Ok(Val::Record(fields))
}

fn variant_from_json(ty: &Type, json: &Json) -> Read {
    let wrong = || ValueError::new(ty, found(json));
    let (name, payload) = case_of(json).ok_or_else(wrong)?;
    let case = ty.unwrap_variant().cases().find(|case| case.name == name).ok_or_else(wrong)?.ty;
    Ok(Val::Variant(name.into(), payload_from_json(ty, (name, case), payload)?))
}

/// `"case"` or `{"case": payload}`.
fn case_of(json: &Json) -> Option<(&str, Option<&Json>)> {
    match json {
        Json::String(case) => Some((case, None)),
        Json::Object(object) if object.len() == 1 => {
            object.iter().next().map(|(case, payload)| (case.as_str(), Some(payload)))
        }
        _ => None,
    }
}

/// The payload of a case of `whole`, for a case that has one and for one that has none.
fn payload_from_json(
    whole: &Type,
    (case, ty): (&str, Option<Type>),
    json: Option<&Json>,
) -> Result<Option<Box<Val>>, ValueError> {
    match (ty, json) {
        (None, None | Some(Json::Null)) => Ok(None),
        (Some(ty), Some(json)) => {
            let value = from_json(&ty, json).map_err(|error| error.below(&format!(".{case}")))?;
            Ok(Some(Box::new(value)))
        }
        (Some(_), None) => Err(ValueError::new(whole, format!("{case} without a value"))),
        (None, Some(_)) => Err(ValueError::new(whole, format!("{case} with a value"))),
    }
}

/// The names in the order of the type, so that one set has one form.
fn flags_from_json(ty: &Type, json: &Json) -> Read {
    let wrong = |found: String| ValueError::new(ty, found);
    let items = json.as_array().ok_or_else(|| wrong(found(json)))?;
    let known: Vec<&str> = ty.unwrap_flags().names().collect();
    let mut is_set = vec![false; known.len()];
    for item in items {
        let position = item.as_str().and_then(|name| known.iter().position(|known| *known == name));
        is_set[position.ok_or_else(|| wrong(format!("{} in it", found(item))))?] = true;
    }
    let names = known.iter().zip(is_set).filter(|(_, is_set)| *is_set);
    Ok(Val::Flags(names.map(|(name, _)| (*name).to_owned()).collect()))
}

fn integer<T: TryFrom<i64> + TryFrom<u64>>(json: &Json) -> Option<T> {
    match json.as_i64() {
        Some(number) => T::try_from(number).ok(),
        None => json.as_u64().and_then(|number| T::try_from(number).ok()),
    }
}

fn float(json: &Json) -> Option<f64> {
    match json.as_str() {
        None => json.as_f64(),
        Some("nan") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    }
}

/// What is finite stays so: a number beyond the single's range is refused.
fn single(json: &Json) -> Option<f32> {
    let double = float(json)?;
    let single = double as f32;
    (single.is_finite() || !double.is_finite()).then_some(single)
}

fn character(json: &Json) -> Option<char> {
    let mut characters = json.as_str()?.chars();
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

fn found(json: &Json) -> String {
    match json {
        Json::Array(items) => format!("an array of {}", items.len()),
        Json::Object(object) => match object.keys().next() {
            Some(key) => format!("an object with {}", cut(key)),
            None => "an empty object".into(),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => cut(&json.to_string()),
    }
}

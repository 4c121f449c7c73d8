//! Lays out values as bytes.

use bytes::Bytes;
use stdx::{Code, Explain};
use wasmtime::component::Val;

use super::{Shape, Shapes};

/// Most values take no more bytes than this: then they are laid out without moving.
pub(crate) const ROOM: usize = 128;

/// A value is not of the shape that it was to be laid out by: a defect of who called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("value {number} is not of the type of the function")]
pub struct EncodeError {
    /// Which value, counted from 0.
    pub number: usize,
}

/// Lays out `values`, which must be as many as there are shapes.
pub(super) fn encode(shapes: &Shapes, values: &[Val]) -> Result<Bytes, EncodeError> {
    if shapes.0.len() != values.len() {
        return Err(EncodeError { number: shapes.0.len().min(values.len()) });
    }
    let mut out = Vec::with_capacity(ROOM);
    for (number, (shape, value)) in shapes.iter().zip(values).enumerate() {
        write(&mut out, shape, value).ok_or(EncodeError { number })?;
    }
    Ok(out.into())
}

/// Lays out one value, where it is of this shape.
fn write(out: &mut Vec<u8>, shape: &Shape, value: &Val) -> Option<()> {
    match (shape, value) {
        (Shape::Bool, Val::Bool(value)) => out.push(u8::from(*value)),
        (Shape::S8, Val::S8(value)) => out.extend(value.to_le_bytes()),
        (Shape::U8, Val::U8(value)) => out.push(*value),
        (Shape::S16, Val::S16(value)) => write_signed(out, (*value).into()),
        (Shape::U16, Val::U16(value)) => write_leb(out, (*value).into()),
        (Shape::S32, Val::S32(value)) => write_signed(out, (*value).into()),
        (Shape::U32, Val::U32(value)) => write_leb(out, (*value).into()),
        (Shape::S64, Val::S64(value)) => write_signed(out, *value),
        (Shape::U64, Val::U64(value)) => write_leb(out, *value),
        (Shape::F32, Val::Float32(value)) => out.extend(value.to_le_bytes()),
        (Shape::F64, Val::Float64(value)) => out.extend(value.to_le_bytes()),
        (Shape::Char, Val::Char(value)) => out.extend(value.encode_utf8(&mut [0; 4]).as_bytes()),
        (Shape::String, Val::String(value)) => write_bytes(out, value.as_bytes())?,
        (Shape::List(inner), Val::List(values)) => {
            write_count(out, values.len())?;
            values.iter().try_for_each(|value| write(out, inner, value))?;
        }
        (Shape::Record(fields), Val::Record(values)) if fields.len() == values.len() => {
            let mut both = fields.iter().zip(values);
            both.try_for_each(|((name, inner), (given, value))| (name == given).then(|| write(out, inner, value))?)?;
        }
        (Shape::Tuple(inner), Val::Tuple(values)) if inner.len() == values.len() => {
            inner.iter().zip(values).try_for_each(|(inner, value)| write(out, inner, value))?;
        }
        (Shape::Variant(cases), Val::Variant(name, payload)) => {
            let case = cases.iter().position(|(case, _)| case == name)?;
            write_count(out, case)?;
            write_payload(out, cases[case].1.as_ref(), payload.as_deref())?;
        }
        (Shape::Enum(names), Val::Enum(name)) => write_count(out, names.iter().position(|case| case == name)?)?,
        (Shape::Option(inner), Val::Option(value)) => {
            out.push(u8::from(value.is_some()));
            value.as_deref().map_or(Some(()), |value| write(out, inner, value))?;
        }
        (Shape::Result { ok, err }, Val::Result(value)) => {
            out.push(u8::from(value.is_err()));
            match value {
                Ok(value) => write_payload(out, ok.as_deref(), value.as_deref())?,
                Err(value) => write_payload(out, err.as_deref(), value.as_deref())?,
            }
        }
        (Shape::Flags(names), Val::Flags(set)) => write_flags(out, names, set)?,
        _ => return None,
    }
    Some(())
}

fn write_payload(out: &mut Vec<u8>, shape: Option<&Shape>, value: Option<&Val>) -> Option<()> {
    match (shape, value) {
        (Some(shape), Some(value)) => write(out, shape, value),
        (None, None) => Some(()),
        _ => None,
    }
}

/// The first name is the lowest bit of the first byte.
fn write_flags(out: &mut Vec<u8>, names: &[String], set: &[String]) -> Option<()> {
    let start = out.len();
    out.resize(start + names.len().div_ceil(8), 0);
    set.iter().try_for_each(|name| {
        let bit = names.iter().position(|other| other == name)?;
        out[start + bit / 8] |= 1 << (bit % 8);
        Some(())
    })
}

/// So many bytes, and how many they are before them. Nothing where a count cannot be as large.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    write_count(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Some(())
}

/// How many there are of what follows, or which case of several it is.
pub(crate) fn write_count(out: &mut Vec<u8>, count: usize) -> Option<()> {
    write_leb(out, u32::try_from(count).ok()?.into());
    Some(())
}

/// A number of any size, seven bits a byte, the lowest first.
pub(crate) fn write_leb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The same with a sign, which is the last bit.
fn write_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let low = value as u8 & 0x7f;
        value >>= 7;
        let is_last = (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0);
        out.push(if is_last { low } else { low | 0x80 });
        if is_last {
            return;
        }
    }
}

// === impl EncodeError ===

impl Explain for EncodeError {
    fn code(&self) -> Code {
        Code::E1106
    }
}

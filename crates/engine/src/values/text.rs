//! This is how types look to people, and one example of each.

use std::fmt::{self, Write};

use wasmtime::component::Type;

/// Longer types are cut here: a type can be as large as the file that it comes from.
const TEXT_MAX: usize = 400;

/// A type as WIT writes it. Records and variants are written out: their names are not in a compiled component.
pub(crate) struct TypeText<'a>(pub(crate) &'a Type);

impl fmt::Display for TypeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Short { text: String::new() };
        match write_type(&mut text, self.0) {
            Ok(()) => f.write_str(&text.text),
            Err(fmt::Error) => write!(f, "{}…", text.text),
        }
    }
}

/// Text that refuses to grow beyond [`TEXT_MAX`], which also ends the walk through a large type.
struct Short {
    text: String,
}

impl Write for Short {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len() + part.len() > TEXT_MAX {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

fn write_type(out: &mut Short, ty: &Type) -> fmt::Result {
    match ty {
        Type::Bool => out.write_str("bool"),
        Type::S8 => out.write_str("s8"),
        Type::U8 => out.write_str("u8"),
        Type::S16 => out.write_str("s16"),
        Type::U16 => out.write_str("u16"),
        Type::S32 => out.write_str("s32"),
        Type::U32 => out.write_str("u32"),
        Type::S64 => out.write_str("s64"),
        Type::U64 => out.write_str("u64"),
        Type::Float32 => out.write_str("f32"),
        Type::Float64 => out.write_str("f64"),
        Type::Char => out.write_str("char"),
        Type::String => out.write_str("string"),
        Type::ErrorContext => out.write_str("error-context"),
        Type::Own(_) => out.write_str("resource"),
        Type::Borrow(_) => out.write_str("borrow<resource>"),
        Type::List(list) => write_generic(out, "list", &[Some(list.ty())]),
        Type::FixedLengthList(list) => write_generic(out, "list", &[Some(list.ty())]),
        Type::Map(map) => write_generic(out, "map", &[Some(map.key()), Some(map.value())]),
        Type::Option(option) => write_generic(out, "option", &[Some(option.ty())]),
        Type::Stream(stream) => write_generic(out, "stream", &[stream.ty()]),
        Type::Future(future) => write_generic(out, "future", &[future.ty()]),
        Type::Result(result) => write_generic(out, "result", &[result.ok(), result.err()]),
        Type::Tuple(tuple) => {
            out.write_str("tuple<")?;
            write_separated(out, tuple.types(), write_type_of)?;
            out.write_str(">")
        }
        Type::Record(record) => {
            out.write_str("record { ")?;
            write_separated(out, record.fields(), |out, field| {
                write!(out, "{}: ", field.name)?;
                write_type(out, &field.ty)
            })?;
            out.write_str(" }")
        }
        Type::Variant(variant) => {
            out.write_str("variant { ")?;
            write_separated(out, variant.cases(), |out, case| {
                out.write_str(case.name)?;
                case.ty.iter().try_for_each(|ty| write_generic_with(out, ('(', ')'), &[Some(ty.clone())]))
            })?;
            out.write_str(" }")
        }
        Type::Enum(names) => write_names(out, "enum", names.names()),
        Type::Flags(names) => write_names(out, "flags", names.names()),
    }
}

fn write_type_of(out: &mut Short, ty: Type) -> fmt::Result {
    write_type(out, &ty)
}

/// `name<a, b>`, with `_` for what is missing before something, and without brackets where nothing is there.
fn write_generic(out: &mut Short, name: &str, arguments: &[Option<Type>]) -> fmt::Result {
    out.write_str(name)?;
    let end = arguments.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    if end == 0 { Ok(()) } else { write_generic_with(out, ('<', '>'), &arguments[..end]) }
}

fn write_generic_with(out: &mut Short, (open, close): (char, char), arguments: &[Option<Type>]) -> fmt::Result {
    out.write_char(open)?;
    write_separated(out, arguments.iter(), |out, argument| match argument {
        Some(ty) => write_type(out, ty),
        None => out.write_str("_"),
    })?;
    out.write_char(close)
}

fn write_names<'a>(out: &mut Short, what: &str, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    write!(out, "{what} {{ ")?;
    write_separated(out, names, |out, name| out.write_str(name))?;
    out.write_str(" }")
}

fn write_separated<T>(
    out: &mut Short,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Short, T) -> fmt::Result,
) -> fmt::Result {
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.write_str(", ")?;
        }
        write(out, item)?;
    }
    Ok(())
}

/// A value of this type in WAVE, to show how one is written. Nothing where it would be too long to help.
pub(crate) fn example(ty: &Type) -> Option<String> {
    let mut out = Short { text: String::new() };
    write_example(&mut out, ty).ok().map(|()| out.text)
}

fn write_example(out: &mut Short, ty: &Type) -> fmt::Result {
    match ty {
        Type::Bool => out.write_str("true"),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => {
            out.write_str("1")
        }
        Type::Float32 | Type::Float64 => out.write_str("1.5"),
        Type::Char => out.write_str("'x'"),
        Type::String => out.write_str("\"text\""),
        Type::List(list) => write_held(out, ("[", "]"), &list.ty()),
        Type::Option(option) => write_held(out, ("some(", ")"), &option.ty()),
        Type::Tuple(tuple) => {
            out.write_str("(")?;
            write_separated(out, tuple.types(), |out, ty| write_example(out, &ty))?;
            out.write_str(")")
        }
        Type::Record(record) => {
            out.write_str("{")?;
            write_separated(out, record.fields(), |out, field| {
                write!(out, "{}: ", field.name)?;
                write_example(out, &field.ty)
            })?;
            out.write_str("}")
        }
        Type::Variant(variant) => {
            let Some(case) = variant.cases().next() else { return Err(fmt::Error) };
            out.write_str(case.name)?;
            case.ty.iter().try_for_each(|ty| write_held(out, ("(", ")"), ty))
        }
        Type::Enum(names) => names.names().take(1).try_for_each(|name| out.write_str(name)),
        Type::Flags(names) => {
            out.write_str("{")?;
            names.names().take(1).try_for_each(|name| out.write_str(name))?;
            out.write_str("}")
        }
        Type::Result(result) => {
            out.write_str("ok")?;
            result.ok().iter().try_for_each(|ty| write_held(out, ("(", ")"), ty))
        }
        Type::Map(_)
        | Type::FixedLengthList(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Stream(_)
        | Type::Future(_)
        | Type::ErrorContext => Err(fmt::Error),
    }
}

fn write_held(out: &mut Short, (open, close): (&str, &str), ty: &Type) -> fmt::Result {
    out.write_str(open)?;
    write_example(out, ty)?;
    out.write_str(close)
}

//! Values whose types are known when the program is built: they are laid out as they are, and read as what they become.
//!
//! A list of bytes costs its bytes here. As a value that is only known by its shape ([`Shapes`](crate::Shapes)) each of them is a
//! value of its own, of some forty bytes.
//!
//! A record is laid out as a tuple of its fields, and a function's parameters as a tuple of them.
//!
//! # Invariants
//!
//! 1. A type is laid out as [`Shapes`](crate::Shapes) lay out the type of WIT that it stands for.

use bytes::Bytes;
use stdx::ByteSize;

use crate::shapes::{DecodeError, EncodeError, ROOM, Reader, write_bytes, write_count, write_leb};

/// What can be laid out as a value.
pub trait Encode {
    /// Lays it out. Nothing where something in it is longer than can be said.
    fn write(&self, out: &mut Vec<u8>) -> Option<()>;
}

/// What can be read from a value that was laid out.
pub trait Decode: Sized {
    /// Reads it, as far as it may cost.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Lays out a value, or a tuple of several.
pub fn encode(values: &impl Encode) -> Result<Bytes, EncodeError> {
    let mut out = Vec::with_capacity(ROOM);
    values.write(&mut out).ok_or(EncodeError { number: 0 })?;
    Ok(out.into())
}

/// Reads a value, or a tuple of several, that is all of these bytes and takes at most `memory_max`.
pub fn decode<T: Decode>(bytes: &[u8], memory_max: ByteSize) -> Result<T, DecodeError> {
    Reader::all(bytes, memory_max, T::read)
}

macro_rules! numbers {
    ($($type:ty: $bits:literal),*) => { $(
        impl Encode for $type {
            fn write(&self, out: &mut Vec<u8>) -> Option<()> {
                write_leb(out, (*self).into());
                Some(())
            }
        }

        impl Decode for $type {
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(reader.leb($bits)? as $type)
            }
        }
    )* };
}

numbers! { u16: 16, u32: 32, u64: 64 }

macro_rules! tuples {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "a value is called as its type is")]
        impl<$($name: Encode),*> Encode for ($($name,)*) {
            fn write(&self, _out: &mut Vec<u8>) -> Option<()> {
                let ($($name,)*) = self;
                $($name.write(_out)?;)*
                Some(())
            }
        }

        impl<$($name: Decode),*> Decode for ($($name,)*) {
            fn read(_reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($($name::read(_reader)?,)*))
            }
        }
    };
}

tuples! {}
tuples! { A }
tuples! { A B }
tuples! { A B C }
tuples! { A B C D }

// === impl Encode ===

impl<T: Encode + ?Sized> Encode for &T {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        (**self).write(out)
    }
}

impl Encode for bool {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        out.push(u8::from(*self));
        Some(())
    }
}

impl Encode for str {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_bytes(out, self.as_bytes())
    }
}

impl Encode for String {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        self.as_str().write(out)
    }
}

impl Encode for [u8] {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_bytes(out, self)
    }
}

impl Encode for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_bytes(out, self)
    }
}

impl Encode for Bytes {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_bytes(out, self)
    }
}

impl<T: Encode> Encode for [T] {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_count(out, self.len())?;
        self.iter().try_for_each(|item| item.write(out))
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        self.as_slice().write(out)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        self.is_some().write(out)?;
        self.as_ref().map_or(Some(()), |value| value.write(out))
    }
}

impl<T: Encode, E: Encode> Encode for Result<T, E> {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        self.is_err().write(out)?;
        match self {
            Ok(value) => value.write(out),
            Err(error) => error.write(out),
        }
    }
}

// === impl Decode ===

impl Decode for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.flag()
    }
}

impl Decode for String {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.text().map(ToOwned::to_owned)
    }
}

impl Decode for Vec<u8> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bytes().map(ToOwned::to_owned)
    }
}

impl Decode for Bytes {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bytes().map(Self::copy_from_slice)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.list(|reader| {
            reader.pay(size_of::<T>())?;
            T::read(reader)
        })
    }
}

impl<T: Decode> Decode for Option<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if reader.flag()? { Some(T::read(reader)?) } else { None })
    }
}

impl<T: Decode, E: Decode> Decode for Result<T, E> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if reader.flag()? { Err(E::read(reader)?) } else { Ok(T::read(reader)?) })
    }
}

#[cfg(test)]
mod tests;

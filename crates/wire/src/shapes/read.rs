//! Reads values from bytes that anybody may have sent.
//!
//! # Invariants
//!
//! 1. Every value is paid for before it is made, from what the reader was allowed at the start.
//! 2. A count makes room for what may come, never for what it says.

use stdx::ByteSize;
use wasmtime::component::Val;

use super::Shape;

/// Items for which room is made before they are read.
const ROOM_MAX: usize = 1_024;

/// Bytes, and what values of them may still cost.
pub struct Reader<'a> {
    rest: &'a [u8],
    memory: usize,
}

/// Bytes are not the values that they were to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There may be more to come.
    #[error("the bytes end within a value")]
    Incomplete,
    /// There is something after the last value.
    #[error("{count} bytes follow the last value")]
    Trailing {
        /// How much.
        count: usize,
    },
    /// A number does not fit its type.
    #[error("a number is larger than its type")]
    Overflow,
    /// A case, a bool or a flag that the type does not have.
    #[error("there is no case {case} in the type")]
    NoSuchCase {
        /// The number that it would have.
        case: u32,
    },
    /// A text or a character is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// Read, the values would take more memory than they may.
    #[error("the values would take more memory than they may")]
    TooLarge,
}

type Result<T> = std::result::Result<T, DecodeError>;

// === impl Reader ===

impl<'a> Reader<'a> {
    /// A reader of `bytes`, whose values may take `memory_max`.
    pub(crate) fn new(bytes: &'a [u8], memory_max: ByteSize) -> Self {
        Self { rest: bytes, memory: memory_max.as_usize() }
    }

    /// What `read` makes of all of `bytes`, which may take `memory_max`.
    pub(crate) fn all<T>(
        bytes: &'a [u8],
        memory_max: ByteSize,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut reader = Self::new(bytes, memory_max);
        let value = read(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// All was read, or it is an error.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { count: self.rest.len() }) }
    }

    /// How many bytes were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next value. Recursion ends with the shape, which [`Shapes::new`](super::Shapes::new) has measured.
    pub(crate) fn value(&mut self, shape: &Shape) -> Result<Val> {
        self.pay(size_of::<Val>())?;
        Ok(match shape {
            Shape::Bool => Val::Bool(self.flag()?),
            Shape::S8 => Val::S8(i8::from_le_bytes(self.array()?)),
            Shape::U8 => Val::U8(self.byte()?),
            Shape::S16 => Val::S16(self.signed(16)? as i16),
            Shape::U16 => Val::U16(self.leb(16)? as u16),
            Shape::S32 => Val::S32(self.signed(32)? as i32),
            Shape::U32 => Val::U32(self.leb(32)? as u32),
            Shape::S64 => Val::S64(self.signed(64)?),
            Shape::U64 => Val::U64(self.leb(64)?),
            Shape::F32 => Val::Float32(f32::from_le_bytes(self.array()?)),
            Shape::F64 => Val::Float64(f64::from_le_bytes(self.array()?)),
            Shape::Char => Val::Char(self.character()?),
            Shape::String => Val::String(self.text()?.to_owned()),
            Shape::List(inner) => Val::List(self.list(|reader| reader.value(inner))?),
            Shape::Record(fields) => {
                let fields = fields.iter().map(|(name, inner)| Ok((self.name(name)?, self.value(inner)?)));
                Val::Record(fields.collect::<Result<_>>()?)
            }
            Shape::Tuple(inner) => Val::Tuple(inner.iter().map(|inner| self.value(inner)).collect::<Result<_>>()?),
            Shape::Variant(cases) => {
                let (name, payload) = &cases[self.case(cases.len())?];
                Val::Variant(self.name(name)?, self.payload(payload.as_ref())?)
            }
            Shape::Enum(names) => {
                let case = self.case(names.len())?;
                Val::Enum(self.name(&names[case])?)
            }
            Shape::Option(inner) => {
                let some = self.flag()?.then_some(&**inner);
                Val::Option(self.payload(some)?)
            }
            Shape::Result { ok, err } => Val::Result(match self.flag()? {
                false => Ok(self.payload(ok.as_deref())?),
                true => Err(self.payload(err.as_deref())?),
            }),
            Shape::Flags(names) => Val::Flags(self.flags(names)?),
        })
    }

    /// As many as the count before them says.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.leb(32)? as usize;
        // Each takes a byte at least.
        if count > self.rest.len() {
            return Err(DecodeError::Incomplete);
        }
        let mut items = Vec::with_capacity(count.min(ROOM_MAX));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A bool, or whether there is something.
    pub fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::NoSuchCase { case: other.into() }),
        }
    }

    /// The number of one of `count` cases.
    pub fn case(&mut self, count: usize) -> Result<usize> {
        let case = self.leb(32)? as u32;
        if (case as usize) < count { Ok(case as usize) } else { Err(DecodeError::NoSuchCase { case }) }
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_invalid| DecodeError::Text)
    }

    /// As many bytes as the count before them says.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let count = self.leb(32)? as usize;
        let bytes = self.take(count)?;
        self.pay(count)?;
        Ok(bytes)
    }

    /// A number of so many bits. More bytes than these bits need are refused.
    pub(crate) fn leb(&mut self, bits: u32) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if bits - shift < 7 && low >> (bits - shift) != 0 {
                return Err(DecodeError::Overflow);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Overflow)
    }

    /// A number of so many bits, the last of which is its sign.
    fn signed(&mut self, bits: u32) -> Result<i64> {
        let mut value = 0i64;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            let low = i64::from(byte & 0x7f);
            let left = bits - shift;
            // The sign is repeated in what is left of the last byte.
            let sign_and_rest = (low << 57 >> 57) >> (left.min(7) - 1);
            if left < 7 && sign_and_rest != 0 && sign_and_rest != -1 {
                return Err(DecodeError::Overflow);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                let unused = 64u32.saturating_sub(shift + 7);
                return Ok(value << unused >> unused);
            }
        }
        Err(DecodeError::Overflow)
    }

    fn payload(&mut self, shape: Option<&Shape>) -> Result<Option<Box<Val>>> {
        shape.map(|shape| self.value(shape).map(Box::new)).transpose()
    }

    fn flags(&mut self, names: &[String]) -> Result<Vec<String>> {
        let bytes = self.take(names.len().div_ceil(8))?;
        let is_set = |bit: usize| bytes[bit / 8] & (1 << (bit % 8)) != 0;
        if let Some(bit) = (names.len()..bytes.len() * 8).find(|bit| is_set(*bit)) {
            return Err(DecodeError::NoSuchCase { case: bit as u32 });
        }
        let set = names.iter().enumerate().filter(|(bit, _)| is_set(*bit));
        set.map(|(_, name)| self.name(name)).collect()
    }

    /// The bytes of one character say how many they are.
    fn character(&mut self) -> Result<char> {
        let first = *self.rest.first().ok_or(DecodeError::Incomplete)?;
        let count = match first.leading_ones() {
            0 => 1,
            count @ 2..=4 => count as usize,
            _ => return Err(DecodeError::Text),
        };
        let text = std::str::from_utf8(self.take(count)?).map_err(|_invalid| DecodeError::Text)?;
        text.chars().next().ok_or(DecodeError::Text)
    }

    fn name(&mut self, name: &str) -> Result<String> {
        self.pay(size_of::<String>() + name.len())?;
        Ok(name.to_owned())
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Incomplete)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes `cost` from what may still be used.
    pub(crate) fn pay(&mut self, cost: usize) -> Result<()> {
        self.memory = self.memory.checked_sub(cost).ok_or(DecodeError::TooLarge)?;
        Ok(())
    }
}

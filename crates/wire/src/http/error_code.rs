//! These are the errors of HTTP as `wasi:http` numbers them.
//!
//! # Invariants
//!
//! 1. A code of ours is laid out with nothing beside it but a text where it takes one; one of a stranger is read in full, and
//!    what it has beside a text is left out.

use std::fmt;

use crate::shapes::{DecodeError, Reader, Shape, write_bytes, write_leb};

/// Why there is no response, as `wasi:http/types.error-code` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode {
    case: usize,
    /// What is said beside it, where that is a text.
    pub text: Option<String>,
}

/// What stands beside a code: options, all of which may be nothing.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    Text,
    /// `{rcode: option<string>, info-code: option<u16>}`
    Dns,
    /// `{alert-id: option<u8>, alert-message: option<string>}`
    Alert,
    Size32,
    Size64,
    /// `{field-name: option<string>, field-size: option<u32>}`
    Field,
    MaybeField,
}

use Beside::{Alert, Dns, Field, MaybeField, Nothing, Size32, Size64, Text};

const CASES: [(&str, Beside); 39] = [
    ("DNS-timeout", Nothing),
    ("DNS-error", Dns),
    ("destination-not-found", Nothing),
    ("destination-unavailable", Nothing),
    ("destination-IP-prohibited", Nothing),
    ("destination-IP-unroutable", Nothing),
    ("connection-refused", Nothing),
    ("connection-terminated", Nothing),
    ("connection-timeout", Nothing),
    ("connection-read-timeout", Nothing),
    ("connection-write-timeout", Nothing),
    ("connection-limit-reached", Nothing),
    ("TLS-protocol-error", Nothing),
    ("TLS-certificate-error", Nothing),
    ("TLS-alert-received", Alert),
    ("HTTP-request-denied", Nothing),
    ("HTTP-request-length-required", Nothing),
    ("HTTP-request-body-size", Size64),
    ("HTTP-request-method-invalid", Nothing),
    ("HTTP-request-URI-invalid", Nothing),
    ("HTTP-request-URI-too-long", Nothing),
    ("HTTP-request-header-section-size", Size32),
    ("HTTP-request-header-size", MaybeField),
    ("HTTP-request-trailer-section-size", Size32),
    ("HTTP-request-trailer-size", Field),
    ("HTTP-response-incomplete", Nothing),
    ("HTTP-response-header-section-size", Size32),
    ("HTTP-response-header-size", Field),
    ("HTTP-response-body-size", Size64),
    ("HTTP-response-trailer-section-size", Size32),
    ("HTTP-response-trailer-size", Field),
    ("HTTP-response-transfer-coding", Text),
    ("HTTP-response-content-coding", Text),
    ("HTTP-response-timeout", Nothing),
    ("HTTP-upgrade-failed", Nothing),
    ("HTTP-protocol-error", Nothing),
    ("loop-detected", Nothing),
    ("configuration-error", Nothing),
    ("internal-error", Text),
];

// === impl ErrorCode ===

impl ErrorCode {
    /// The code that WIT calls so, such as `connection-refused`; none where there is no such code.
    pub fn named(name: &str) -> Option<Self> {
        let case = CASES.iter().position(|(known, _)| *known == name)?;
        Some(Self { case, text: None })
    }

    /// `internal-error` with a text.
    pub fn internal(text: &str) -> Self {
        Self { case: CASES.len() - 1, text: Some(text.to_owned()) }
    }

    /// The name that WIT has for it.
    pub fn name(&self) -> &'static str {
        CASES[self.case].0
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_leb(out, self.case as u64);
        let options = match CASES[self.case].1 {
            Nothing => 0,
            Text => return write_text(out, self.text.as_deref()),
            Size32 | Size64 | MaybeField => 1,
            Dns | Alert | Field => 2,
        };
        out.resize(out.len() + options, 0);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let case = reader.case(CASES.len())?;
        let text = |reader: &mut Reader<'_>| reader.flag()?.then(|| reader.text().map(ToOwned::to_owned)).transpose();
        let number = |reader: &mut Reader<'_>, shape: &Shape| match reader.flag()? {
            true => reader.value(shape).map(drop),
            false => Ok(()),
        };
        let text = match CASES[case].1 {
            Nothing => None,
            Text => text(reader)?,
            Size32 => number(reader, &Shape::U32).map(|()| None)?,
            Size64 => number(reader, &Shape::U64).map(|()| None)?,
            Dns => {
                let text = text(reader)?;
                number(reader, &Shape::U16)?;
                text
            }
            Alert => {
                number(reader, &Shape::U8)?;
                text(reader)?
            }
            MaybeField if !reader.flag()? => None,
            Field | MaybeField => {
                let text = text(reader)?;
                number(reader, &Shape::U32)?;
                text
            }
        };
        Ok(Self { case, text })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            None => f.write_str(self.name()),
            Some(text) => write!(f, "{}: {}", self.name(), stdx::printable(text)),
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: Option<&str>) {
    // A text of more than 4 GiB cannot be said: then none is.
    let text = text.filter(|text| u32::try_from(text.len()).is_ok());
    out.push(u8::from(text.is_some()));
    text.and_then(|text| write_bytes(out, text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use stdx::ByteSize;

    use super::*;

    #[test]
    fn every_code_arrives() {
        for (case, (name, beside)) in CASES.iter().enumerate() {
            let text = matches!(beside, Text).then(|| "why".to_owned());
            let code = ErrorCode { case, text };
            let mut bytes = Vec::new();
            code.write(&mut bytes);
            let mut reader = Reader::new(&bytes, ByteSize::kib(1));
            assert_eq!(ErrorCode::read(&mut reader), Ok(code), "{name}");
            assert_eq!(reader.end(), Ok(()));
            assert_eq!(ErrorCode::named(name).map(|code| code.name()), Some(*name));
        }
    }

    #[test]
    fn what_a_stranger_says_beside_a_code_is_read() {
        for (bytes, shown) in [
            (&b"\x01\x01\x02no\x01\x05"[..], "DNS-error: no"),
            (b"\x0e\x01\x07\x01\x01x", "TLS-alert-received: x"),
            (b"\x16\x01\x01\x01h\x01\x09", "HTTP-request-header-size: h"),
            (b"\x11\x01\xff\x01", "HTTP-request-body-size"),
            (b"\x26\x00", "internal-error"),
        ] {
            let mut reader = Reader::new(bytes, ByteSize::kib(1));
            assert_eq!(ErrorCode::read(&mut reader).map(|code| code.to_string()), Ok(shown.to_owned()));
            assert_eq!(reader.end(), Ok(()));
        }
        assert!(ErrorCode::read(&mut Reader::new(b"\x27", ByteSize::kib(1))).is_err());
    }
}

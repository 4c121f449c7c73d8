//! What the refusals of a provider mean, as they are read and said on the wire. Values, without a provider.

use wire::{Decode, DecodeError, Encode, Reader};

use crate::store::Refusal;

// === impl Refusal ===

impl Decode for Refusal {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.case(3)? {
            0 => Self::NoSuchStore,
            1 => Self::AccessDenied,
            _ => Self::Other(stdx::printable(reader.text()?).to_string()),
        })
    }
}

impl Encode for Refusal {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::NoSuchStore => 0_u32.write(out),
            Self::AccessDenied => 1_u32.write(out),
            Self::Other(words) => (2_u32, words).write(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use stdx::ByteSize;

    use super::*;

    #[test]
    fn a_refusal_is_read_as_it_was_said() {
        for refusal in [Refusal::NoSuchStore, Refusal::AccessDenied, Refusal::Other("boom".into())] {
            let bytes = wire::encode(&refusal).expect("it can be said");
            assert_eq!(wire::decode(&bytes, ByteSize::kib(1)), Ok(refusal));
        }
    }
}

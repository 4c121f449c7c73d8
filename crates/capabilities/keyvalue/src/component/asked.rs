//! What a component that keeps keys is asked by others, as it is read and answered on the wire.

use capability::{Laid, laid};
use wire::{Decode, DecodeError, Function, Reader, Refusal};

use super::Question;
use super::asking::Asking;
use crate::provider;

/// Something that is asked. What is first is always the bucket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Get(String, String),
    Set(String, String, Vec<u8>),
    Delete(String, String),
    Exists(String, String),
    List(String, Option<u64>),
    Increment(String, String, u64),
    GetMany(String, Vec<String>),
    SetMany(String, Vec<(String, Vec<u8>)>),
    DeleteMany(String, Vec<String>),
}

// === impl Question ===

impl Question {
    /// Where it is asked.
    pub(super) fn function(self) -> Function {
        Function::of(&provider::instance(self.interface()), self.name())
    }

    /// Reads what is asked.
    pub(super) fn read(self, reader: &mut Reader<'_>) -> Result<Asked, DecodeError> {
        Ok(match self {
            Self::Get => {
                let (bucket, key) = Decode::read(reader)?;
                Asked::Get(bucket, key)
            }
            Self::Set => {
                let (bucket, key, value) = Decode::read(reader)?;
                Asked::Set(bucket, key, value)
            }
            Self::Delete => {
                let (bucket, key) = Decode::read(reader)?;
                Asked::Delete(bucket, key)
            }
            Self::Exists => {
                let (bucket, key) = Decode::read(reader)?;
                Asked::Exists(bucket, key)
            }
            Self::List => {
                let (bucket, cursor) = Decode::read(reader)?;
                Asked::List(bucket, cursor)
            }
            Self::Increment => {
                let (bucket, key, delta) = Decode::read(reader)?;
                Asked::Increment(bucket, key, delta)
            }
            Self::GetMany => {
                let (bucket, keys) = Decode::read(reader)?;
                Asked::GetMany(bucket, keys)
            }
            Self::SetMany => {
                let (bucket, pairs) = Decode::read(reader)?;
                Asked::SetMany(bucket, pairs)
            }
            Self::DeleteMany => {
                let (bucket, keys) = Decode::read(reader)?;
                Asked::DeleteMany(bucket, keys)
            }
        })
    }
}

// === impl Asked ===

impl Asked {
    /// What the component answers.
    pub(super) async fn answer(self, asking: Asking) -> Result<Laid, Refusal> {
        match self {
            Self::Get(bucket, key) => laid(asking.get(bucket, key).await),
            Self::Set(bucket, key, value) => laid(asking.set(bucket, (key, value)).await),
            Self::Delete(bucket, key) => laid(asking.delete(bucket, key).await),
            Self::Exists(bucket, key) => laid(asking.exists(bucket, key).await),
            Self::List(bucket, cursor) => laid(asking.list(bucket, cursor).await),
            Self::Increment(bucket, key, delta) => laid(asking.increment(bucket, (key, delta)).await),
            Self::GetMany(bucket, keys) => laid(asking.get_many(bucket, keys).await),
            Self::SetMany(bucket, pairs) => laid(asking.set_many(bucket, pairs).await),
            Self::DeleteMany(bucket, keys) => laid(asking.delete_many(bucket, keys).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use stdx::ByteSize;
    use wire::{Encode, encode};

    use super::*;

    /// What is read back of values that were laid out for a function of that name.
    fn read_back(name: &str, values: &impl Encode) -> Asked {
        struct As(Asked);
        impl Decode for As {
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                // Which function it is has to be said beside the bytes.
                let number = reader.case(Question::ALL.len())?;
                Question::ALL[number].read(reader).map(As)
            }
        }
        let number = Question::ALL.iter().position(|question| question.name() == name).expect("it is served");
        let mut bytes = vec![number as u8];
        bytes.extend_from_slice(&encode(values).expect("it can be said"));
        wire::decode::<As>(&bytes, ByteSize::mib(1)).expect("it is whole").0
    }

    #[test]
    fn what_is_asked_is_read_by_the_name_of_its_function() {
        let text = |text: &str| text.to_owned();
        assert_eq!(read_back("get", &("cart", "a")), Asked::Get(text("cart"), text("a")));
        let set = Asked::Set(text("cart"), text("a"), b"\xff".to_vec());
        assert_eq!(read_back("set", &("cart", "a", b"\xff".to_vec())), set);
        assert_eq!(read_back("delete", &("cart", "a")), Asked::Delete(text("cart"), text("a")));
        assert_eq!(read_back("exists", &("cart", "a")), Asked::Exists(text("cart"), text("a")));
        assert_eq!(read_back("list-keys", &("cart", None::<u64>)), Asked::List(text("cart"), None));
        assert_eq!(read_back("list-keys", &("cart", Some(300_u64))), Asked::List(text("cart"), Some(300)));
        assert_eq!(read_back("increment", &("cart", "a", 2_u64)), Asked::Increment(text("cart"), text("a"), 2));
        let keys = || vec![text("a"), text("b")];
        assert_eq!(read_back("get-many", &("cart", keys())), Asked::GetMany(text("cart"), keys()));
        assert_eq!(read_back("delete-many", &("cart", keys())), Asked::DeleteMany(text("cart"), keys()));
        let pairs = || vec![(text("a"), b"1".to_vec())];
        assert_eq!(read_back("set-many", &("cart", pairs())), Asked::SetMany(text("cart"), pairs()));
    }

    #[test]
    fn what_is_served_is_called_as_providers_have_it() {
        let shown: Vec<_> = Question::ALL.iter().map(|question| question.function().to_string()).collect();
        assert_eq!(shown[0], "wrpc:keyvalue/store@0.2.0-draft.get");
        assert_eq!(shown[4], "wrpc:keyvalue/store@0.2.0-draft.list-keys");
        assert_eq!(shown[5], "wrpc:keyvalue/atomics@0.2.0-draft.increment");
        assert_eq!(shown[8], "wrpc:keyvalue/batch@0.2.0-draft.delete-many");
    }
}

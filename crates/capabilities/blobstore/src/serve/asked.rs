//! What a component that keeps objects is asked by others, where the answer comes at once.

use capability::{Laid, laid};
use wire::{Decode, DecodeError, Function, Reader, Refusal};

use crate::component::{Component, Trouble};
use crate::provider::INSTANCES;

/// What is answered, in each version of the contract.
const NAMES: [&str; 11] = [
    "create-container",
    "container-exists",
    "get-container-info",
    "delete-container",
    "clear-container",
    "has-object",
    "get-object-info",
    "delete-object",
    "delete-objects",
    "copy-object",
    "move-object",
];

/// Something that is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Create(String),
    Exists(String),
    Created(String),
    Remove(String),
    Clear(String),
    Has(Id),
    Info(Id),
    Delete(String, Vec<String>),
    Copy(Id, Id),
    Move(Id, Id),
}

/// An object: its container, and its name.
pub(super) type Id = (String, String);

/// The functions of all versions.
pub(super) fn functions() -> Vec<Function> {
    let of = |instance: &'static str| NAMES.map(|name| Function::of(instance, name));
    INSTANCES.into_iter().flat_map(of).collect()
}

/// Reads what the function of that number is asked.
pub(super) fn read(number: usize, reader: &mut Reader<'_>) -> Result<Asked, DecodeError> {
    Ok(match NAMES[number % NAMES.len()] {
        "create-container" => Asked::Create(Decode::read(reader)?),
        "container-exists" => Asked::Exists(Decode::read(reader)?),
        "get-container-info" => Asked::Created(Decode::read(reader)?),
        "delete-container" => Asked::Remove(Decode::read(reader)?),
        "clear-container" => Asked::Clear(Decode::read(reader)?),
        "has-object" => Asked::Has(Decode::read(reader)?),
        "get-object-info" => Asked::Info(Decode::read(reader)?),
        "delete-object" => {
            let (container, object): Id = Decode::read(reader)?;
            Asked::Delete(container, vec![object])
        }
        "delete-objects" => {
            let (container, objects) = Decode::read(reader)?;
            Asked::Delete(container, objects)
        }
        "copy-object" => {
            let (source, target) = Decode::read(reader)?;
            Asked::Copy(source, target)
        }
        _ => {
            let (source, target) = Decode::read(reader)?;
            Asked::Move(source, target)
        }
    })
}

// === impl Asked ===

impl Asked {
    /// What the component answers.
    pub(super) async fn answer(self, component: &Component) -> Result<Laid, Refusal> {
        match self {
            Self::Create(container) => laid(component.create(&container).await),
            Self::Exists(container) => laid(component.exists(&container).await),
            Self::Created(container) => {
                let created = component.created(&container).await;
                laid(created.and_then(|created| created.ok_or_else(|| no_container(&container))))
            }
            Self::Remove(container) => laid(component.remove(&container).await),
            Self::Clear(container) => laid(component.clear(&container).await),
            Self::Has(object) => laid(component.has(id(&object)).await),
            Self::Info(object) => {
                let info = component.info(id(&object)).await;
                let info = info.and_then(|info| info.ok_or_else(|| no_object(&object)));
                laid(info.map(|info| (info.created, info.size)))
            }
            Self::Delete(container, objects) => laid(component.delete(&container, objects).await),
            Self::Copy(source, target) => laid(component.copy(id(&source), id(&target)).await),
            Self::Move(source, target) => laid(component.move_to(id(&source), id(&target)).await),
        }
    }
}

/// An object as the component is told of it.
pub(super) fn id((container, object): &Id) -> (&str, &str) {
    (container.as_str(), object.as_str())
}

pub(super) fn no_container(container: &str) -> Trouble {
    Trouble::Said(format!("there is no container {container:?}"))
}

pub(super) fn no_object((_, object): &Id) -> Trouble {
    Trouble::Said(format!("there is no object {object:?}"))
}

#[cfg(test)]
mod tests {
    use stdx::ByteSize;
    use wire::{Encode, encode};

    use super::*;

    fn read_back(name: &str, values: &impl Encode) -> Asked {
        struct As(Asked);
        impl Decode for As {
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                // Which function it is has to be said beside the bytes.
                let number = reader.case(2 * NAMES.len())?;
                read(number, reader).map(As)
            }
        }
        let older = NAMES.len() + NAMES.iter().position(|known| *known == name).expect("it is served");
        let mut bytes = vec![older as u8];
        bytes.extend_from_slice(&encode(values).expect("it can be said"));
        wire::decode::<As>(&bytes, ByteSize::mib(1)).expect("it is whole").0
    }

    #[test]
    fn what_is_asked_is_read_by_the_name_of_its_function_in_both_versions() {
        let id = |name: &str| ("box".to_owned(), name.to_owned());
        assert_eq!(functions().len(), 2 * NAMES.len());
        assert_eq!(read_back("create-container", &("box",)), Asked::Create("box".into()));
        assert_eq!(read_back("get-object-info", &(("box", "a"),)), Asked::Info(id("a")));
        assert_eq!(read_back("delete-object", &(("box", "a"),)), Asked::Delete("box".into(), vec!["a".into()]));
        let all = Asked::Delete("box".into(), vec!["a".into(), "b".into()]);
        assert_eq!(read_back("delete-objects", &("box", ["a", "b"].as_slice())), all);
        assert_eq!(read_back("copy-object", &(("box", "a"), ("box", "b"))), Asked::Copy(id("a"), id("b")));
        assert_eq!(read_back("move-object", &(("box", "a"), ("box", "b"))), Asked::Move(id("a"), id("b")));
    }
}

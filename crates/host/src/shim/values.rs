//! Compares the types of two components, and passes handles between their stores as parts of values.

use std::collections::BTreeMap;

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{ResourceAny, ResourceType, Val};

/// The resources of an interface, by name: as the one component imports them, and as the other exports them.
#[derive(Debug, Default, Clone)]
pub(super) struct Resources {
    pairs: BTreeMap<String, (ResourceType, ResourceType)>,
}

// === impl Resources ===

impl Resources {
    /// The resources that `wanted` has, each with that of the same name in `given`; the name of one that is not there.
    pub(super) fn of(
        wanted: (&ComponentInstance, &wasmtime::Engine),
        given: (&ComponentInstance, &wasmtime::Engine),
    ) -> Result<Self, String> {
        let mut pairs = BTreeMap::new();
        for (name, item) in wanted.0.exports(wanted.1) {
            let ComponentItem::Resource(import) = item.ty else { continue };
            match given.0.get_export(given.1, name).map(|item| item.ty) {
                Some(ComponentItem::Resource(export)) => drop(pairs.insert(name.to_owned(), (import, export))),
                _ => return Err(format!("it has no resource {name}")),
            }
        }
        Ok(Self { pairs })
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.keys().map(String::as_str)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Nothing, or how the functions differ.
    pub(super) fn fits(&self, name: &str, wanted: &ComponentFunc, given: &ComponentFunc) -> Result<(), String> {
        let all = |types: [Box<dyn Iterator<Item = Type> + '_>; 2]| {
            let [mut wanted, mut given] = types;
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    (Some(wanted), Some(given)) if self.is_same(&wanted, &given) => {}
                    _ => return false,
                }
            }
        };
        let is_same = all([Box::new(wanted.params().map(|(_, ty)| ty)), Box::new(given.params().map(|(_, ty)| ty))])
            && all([Box::new(wanted.results()), Box::new(given.results())])
            && wanted.async_() == given.async_();
        if is_same { Ok(()) } else { Err(format!("{name} has other parameters or results")) }
    }

    /// Whether values of the one type are values of the other. A resource is the one of the same name.
    fn is_same(&self, wanted: &Type, given: &Type) -> bool {
        let option = |wanted: Option<Type>, given: Option<Type>| match (wanted, given) {
            (None, None) => true,
            (Some(wanted), Some(given)) => self.is_same(&wanted, &given),
            _ => false,
        };
        match (wanted, given) {
            (Type::Own(wanted), Type::Own(given)) | (Type::Borrow(wanted), Type::Borrow(given)) => {
                self.pairs.values().any(|pair| pair.0 == *wanted && pair.1 == *given)
            }
            (Type::List(wanted), Type::List(given)) => self.is_same(&wanted.ty(), &given.ty()),
            (Type::Option(wanted), Type::Option(given)) => self.is_same(&wanted.ty(), &given.ty()),
            (Type::Result(wanted), Type::Result(given)) => {
                option(wanted.ok(), given.ok()) && option(wanted.err(), given.err())
            }
            (Type::Tuple(wanted), Type::Tuple(given)) => {
                wanted.types().len() == given.types().len()
                    && wanted.types().zip(given.types()).all(|(wanted, given)| self.is_same(&wanted, &given))
            }
            (Type::Record(wanted), Type::Record(given)) => {
                wanted.fields().len() == given.fields().len()
                    && wanted
                        .fields()
                        .zip(given.fields())
                        .all(|(wanted, given)| wanted.name == given.name && self.is_same(&wanted.ty, &given.ty))
            }
            (Type::Variant(wanted), Type::Variant(given)) => {
                wanted.cases().len() == given.cases().len()
                    && wanted
                        .cases()
                        .zip(given.cases())
                        .all(|(wanted, given)| wanted.name == given.name && option(wanted.ty, given.ty))
            }
            (Type::Future(wanted), Type::Future(given)) => option(wanted.ty(), given.ty()),
            (Type::Stream(wanted), Type::Stream(given)) => option(wanted.ty(), given.ty()),
            (wanted, given) => wanted == given,
        }
    }
}

/// Puts `pass(handle)` in the place of each handle in a value.
pub(crate) fn pass_handles(
    value: &Val,
    pass: &mut impl FnMut(ResourceAny) -> wasmtime::Result<ResourceAny>,
) -> wasmtime::Result<Val> {
    replace(value, &mut |leaf| match leaf {
        Val::Resource(handle) => pass(*handle).map(|handle| Some(Val::Resource(handle))),
        _ => Ok(None),
    })
}

/// Puts what `pass` makes of it in the place of each value that is not composed of others, where it makes anything.
pub(crate) fn replace(
    value: &Val,
    pass: &mut impl FnMut(&Val) -> wasmtime::Result<Option<Val>>,
) -> wasmtime::Result<Val> {
    let mut all = |values: &[Val]| values.iter().map(|value| replace(value, pass)).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        Val::List(values) => Val::List(all(values)?),
        Val::Tuple(values) => Val::Tuple(all(values)?),
        Val::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), replace(value, pass)?)));
            Val::Record(fields.collect::<wasmtime::Result<_>>()?)
        }
        Val::Variant(name, value) => Val::Variant(name.clone(), replace_boxed(value.as_deref(), pass)?),
        Val::Option(value) => Val::Option(replace_boxed(value.as_deref(), pass)?),
        Val::Result(Ok(value)) => Val::Result(Ok(replace_boxed(value.as_deref(), pass)?)),
        Val::Result(Err(value)) => Val::Result(Err(replace_boxed(value.as_deref(), pass)?)),
        leaf => pass(leaf)?.unwrap_or_else(|| leaf.clone()),
    })
}

fn replace_boxed(
    value: Option<&Val>,
    pass: &mut impl FnMut(&Val) -> wasmtime::Result<Option<Val>>,
) -> wasmtime::Result<Option<Box<Val>>> {
    value.map(|value| replace(value, pass).map(Box::new)).transpose()
}

//! These are the signatures whose values cross as themselves: read from the caller's memory as the type that they are, and
//! written into the callee's, on this host or on another. All others cross as dynamic values, at some forty bytes for each byte of a list.
//!
//! A signature costs code, so these are the ones that interfaces between components most often have: none to two parameters of
//! numbers, text and bytes, and a result of one of them, perhaps an `option` or a `result` with a text for the error.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use engine::State;
use futures::future::BoxFuture;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower};
use wire::{Decode, DecodeError, Encode, EncodeError, Reader};

use super::absent::Answer;
use super::far::Destination;
use super::ways::{Chosen, Ways};
use crate::callee::{Call, Slot};

/// A type by what it is called in an interface.
trait Named: Sized {
    const NAME: &'static str;

    /// The value that is an error of these words, where it can be.
    fn absent(_: &str) -> Option<Self> {
        None
    }
}

/// The types of several parameters.
trait AllNamed {
    const NAMES: &'static [&'static str];
}

macro_rules! named {
    ($($type:ty = $name:literal),* $(,)?) => { $(impl Named for $type { const NAME: &'static str = $name; })* };
}

named! {
    () = "",
    bool = "bool",
    u32 = "u32",
    u64 = "u64",
    String = "string",
    Vec<u8> = "list<u8>",
    Option<String> = "option<string>",
    Option<Vec<u8>> = "option<list<u8>>",
}

/// Results with a text for the error.
macro_rules! named_results {
    ($($type:ty = $name:literal),* $(,)?) => {
        $(impl Named for $type {
            const NAME: &'static str = $name;

            fn absent(said: &str) -> Option<Self> {
                Some(Err(said.to_owned()))
            }
        })*
    };
}

named_results! {
    Result<(), String> = "result<_, string>",
    Result<String, String> = "result<string, string>",
    Result<Vec<u8>, String> = "result<list<u8>, string>",
}

impl Answer for () {
    fn absent(_: &str) -> Option<Self> {
        None
    }
}

impl<A: Named> Answer for (A,) {
    fn absent(said: &str) -> Option<Self> {
        A::absent(said).map(|answer| (answer,))
    }
}

impl AllNamed for () {
    const NAMES: &'static [&'static str] = &[];
}

impl<A: Named> AllNamed for (A,) {
    const NAMES: &'static [&'static str] = &[A::NAME];
}

impl<A: Named, B: Named> AllNamed for (A, B) {
    const NAMES: &'static [&'static str] = &[A::NAME, B::NAME];
}

/// Values of types that are known here: as the memory of a component has them, and as bytes on the way to another host.
pub(crate) trait TypedValues:
    ComponentNamedList + Lower + Lift + Encode + Decode + Send + Sync + 'static
{
}

impl<T: ComponentNamedList + Lower + Lift + Encode + Decode + Send + Sync + 'static> TypedValues for T {}

/// A signature that is known.
pub(crate) trait Known: Send + Sync {
    /// Defines a function of it that leads these ways.
    fn define(&self, instance: &mut LinkerInstance<'_, State>, ways: Ways<Destination>) -> wasmtime::Result<()>;

    /// Reads its parameters.
    fn read(&self, reader: &mut Reader<'_>) -> Result<Box<dyn Given>, DecodeError>;
}

/// What a function of a known signature is called with from another host.
pub(crate) trait Given: Send {
    /// Calls a component with it. Gives its answer as bytes.
    fn call<'a>(self: Box<Self>, slot: &'a Slot, call: Call<'a>) -> BoxFuture<'a, wasmtime::Result<Laid>>;
}

/// Results as bytes.
type Laid = Result<Bytes, EncodeError>;

/// A signature: what is given, and what comes back.
struct Typed<P, R>(PhantomData<fn(P) -> R>);

/// Parameters for a function with these results.
struct Params<P, R>(P, PhantomData<fn() -> R>);

/// Tries each combination of parameters with each result; the first that is the signature is answered with.
macro_rules! each {
    ($params:ident, $result:ident; $($param:ty),*; $results:tt) => {
        $(each!(@results $params, $result, $param; $results);)*
    };
    (@results $params:ident, $result:ident, $param:ty; [$($out:ty),*]) => {
        if $params == <$param as AllNamed>::NAMES {
            $(if $result == <$out as Named>::NAME {
                return Some(&Typed::<$param, ($out,)>(PhantomData));
            })*
            if $result.is_empty() {
                return Some(&Typed::<$param, ()>(PhantomData));
            }
        }
    };
}

/// The signature of a function, where it is one of those.
pub(crate) fn known(function: &ComponentFunc) -> Option<&'static dyn Known> {
    if function.async_() {
        return None;
    }
    let params: Vec<_> = function.params().map(|(_, ty)| name_of(&ty)).collect::<Option<_>>()?;
    let result = match function.results().next() {
        Some(ty) => name_of(&ty)?,
        None => String::new(),
    };
    each! {
        params, result;
        (), (u32,), (u64,), (String,), (Vec<u8>,), (u32, u32), (String, String), (String, Vec<u8>);
        [
            bool, u32, u64, String, Vec<u8>, Option<String>, Option<Vec<u8>>, Result<(), String>,
            Result<String, String>, Result<Vec<u8>, String>
        ]
    }
    None
}

// === impl Typed ===

impl<P: TypedValues, R: TypedValues + Answer> Known for Typed<P, R> {
    fn define(&self, instance: &mut LinkerInstance<'_, State>, ways: Ways<Destination>) -> wasmtime::Result<()> {
        let (name, led) = (ways.name().to_owned(), Arc::new(ways));
        instance.func_wrap_async(&name, move |mut store: StoreContextMut<'_, State>, params: P| {
            let (ways, chosen) = (led.clone(), led.choose(store.data_mut()));
            Box::new(async move {
                let Chosen { to, call } = ways.call(chosen);
                let outcome = to.call_typed::<P, R>(call, params).await;
                ways.told_typed(outcome)
            })
        })
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Box<dyn Given>, DecodeError> {
        Ok(Box::new(Params::<P, R>(P::read(reader)?, PhantomData)))
    }
}

// === impl Params ===

impl<P: TypedValues, R: TypedValues> Given for Params<P, R> {
    fn call<'a>(self: Box<Self>, slot: &'a Slot, call: Call<'a>) -> BoxFuture<'a, wasmtime::Result<Laid>> {
        Box::pin(async move { Ok(wire::encode(&slot.call_typed::<P, R>(call, self.0).await?)) })
    }
}

/// What a type is called, where it is one of a few.
fn name_of(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Bool => bool::NAME.to_owned(),
        Type::U32 => u32::NAME.to_owned(),
        Type::U64 => u64::NAME.to_owned(),
        Type::String => String::NAME.to_owned(),
        Type::List(list) if list.ty() == Type::U8 => Vec::<u8>::NAME.to_owned(),
        Type::Option(option) => format!("option<{}>", name_of(&option.ty())?),
        Type::Result(result) => {
            let ok = result.ok().map_or(Some("_".to_owned()), |ty| name_of(&ty))?;
            format!("result<{ok}, {}>", name_of(&result.err()?)?)
        }
        _ => return None,
    })
}

//! These are the signatures whose values cross as themselves: read from the caller's memory as the type that they are, and
//! written into the callee's. All others cross as dynamic values, at some forty bytes for each byte of a list.
//!
//! A signature costs code, so these are the ones that interfaces between components most often have: none to two parameters of
//! numbers, text and bytes, and a result of one of them, perhaps an `option` or a `result` with a text for the error.

use std::sync::Arc;

use engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower};

use super::ways::{Chosen, Ways};
use crate::callee::Slot;

/// A type by what it is called in an interface.
trait Named {
    const NAME: &'static str;
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
    Result<(), String> = "result<_, string>",
    Result<String, String> = "result<string, string>",
    Result<Vec<u8>, String> = "result<list<u8>, string>",
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

/// Tries each combination of parameters with each result; the first that is the signature defines the function.
macro_rules! each {
    ($instance:ident, $ways:ident, $params:ident, $result:ident; $($param:ty),*; $results:tt) => {
        $(each!(@results $instance, $ways, $params, $result, $param; $results);)*
    };
    (@results $instance:ident, $ways:ident, $params:ident, $result:ident, $param:ty; [$($out:ty),*]) => {
        if $params == <$param as AllNamed>::NAMES {
            $(if $result == <$out as Named>::NAME {
                return define::<$param, ($out,)>($instance, $ways).map(|()| true);
            })*
            if $result.is_empty() {
                return define::<$param, ()>($instance, $ways).map(|()| true);
            }
        }
    };
}

/// Defines the function where its signature is one of those; says whether it is.
pub(super) fn define_if_known(
    instance: &mut LinkerInstance<'_, State>,
    wanted: &ComponentFunc,
    ways: &Arc<Ways<Arc<Slot>>>,
) -> wasmtime::Result<bool> {
    let params: Option<Vec<_>> = wanted.params().map(|(_, ty)| name_of(&ty)).collect();
    let result = match wanted.results().next() {
        Some(ty) => name_of(&ty),
        None => Some(String::new()),
    };
    let (Some(params), Some(result)) = (params, result) else { return Ok(false) };
    each! {
        instance, ways, params, result;
        (), (u32,), (u64,), (String,), (Vec<u8>,), (u32, u32), (String, String), (String, Vec<u8>);
        [
            bool, u32, u64, String, Vec<u8>, Option<String>, Option<Vec<u8>>, Result<(), String>,
            Result<String, String>, Result<Vec<u8>, String>
        ]
    }
    Ok(false)
}

fn define<P, R>(instance: &mut LinkerInstance<'_, State>, ways: &Arc<Ways<Arc<Slot>>>) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lower + Lift + Send + Sync + 'static,
    R: ComponentNamedList + Lower + Lift + Send + Sync + 'static,
{
    let led = ways.clone();
    instance.func_wrap_async(ways.name(), move |store: StoreContextMut<'_, State>, params: P| {
        let (ways, chosen) = (led.clone(), led.choose(store.data()));
        Box::new(async move {
            let Chosen { to: slot, call } = ways.call(chosen);
            slot.call_typed::<P, R>(call, params).await
        })
    })
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

//! Values of known types, beside the same values by their shapes.

use std::fmt::Debug;

use wasmtime::component::Val;

use super::*;
use crate::shapes::{Shape, Shapes};

const MEMORY: ByteSize = ByteSize::mib(1);

fn boxed(shape: Shape) -> Box<Shape> {
    Box::new(shape)
}

/// The typed value and the dynamic one have the same bytes, which are read again as either.
fn check<T: Encode + Decode + PartialEq + Debug>(typed: &T, shape: Shape, dynamic: Val) {
    let shapes = Shapes::new(vec![shape]).expect("it can travel");
    let bytes = encode(typed).expect("it is short");
    assert_eq!(bytes, shapes.encode(std::slice::from_ref(&dynamic)).expect("it is of that shape"));
    assert_eq!(decode::<T>(&bytes, MEMORY).as_ref(), Ok(typed));
    assert_eq!(shapes.decode(&bytes, MEMORY), Ok(vec![dynamic]));
    for short in 0..bytes.len() {
        assert_eq!(decode::<T>(&bytes[..short], MEMORY), Err(DecodeError::Incomplete), "{typed:?} {short}");
    }
    let longer = [bytes.as_ref(), &[0]].concat();
    assert_eq!(decode::<T>(&longer, MEMORY), Err(DecodeError::Trailing { count: 1 }));
}

#[test]
fn a_value_of_a_known_type_is_laid_out_as_its_shape_says() {
    check(&true, Shape::Bool, Val::Bool(true));
    check(&300_u16, Shape::U16, Val::U16(300));
    check(&u32::MAX, Shape::U32, Val::U32(u32::MAX));
    check(&u64::MAX, Shape::U64, Val::U64(u64::MAX));
    check(&"é🌿".to_owned(), Shape::String, Val::String("é🌿".into()));
    let bytes = || Val::List(vec![Val::U8(0), Val::U8(255)]);
    let list_of_bytes = || Shape::List(boxed(Shape::U8));
    check(&vec![0_u8, 255], list_of_bytes(), bytes());
    check(&Bytes::from_static(&[0, 255]), list_of_bytes(), bytes());
    let names = || Val::List(vec![Val::String("a".into()), Val::String(String::new())]);
    check(&vec!["a".to_owned(), String::new()], Shape::List(boxed(Shape::String)), names());
    check(&Some(7_u32), Shape::Option(boxed(Shape::U32)), Val::Option(Some(Box::new(Val::U32(7)))));
    check(&None::<u32>, Shape::Option(boxed(Shape::U32)), Val::Option(None));
    let result = || Shape::Result { ok: None, err: Some(boxed(Shape::String)) };
    check(&Ok::<(), String>(()), result(), Val::Result(Ok(None)));
    let no = Val::Result(Err(Some(Box::new(Val::String("no".into())))));
    check(&Err::<(), String>("no".into()), result(), no);
    let pair = Val::Tuple(vec![Val::String("k".into()), bytes()]);
    check(&("k".to_owned(), vec![0_u8, 255]), Shape::Tuple(vec![Shape::String, list_of_bytes()]), pair);
}

#[test]
fn what_is_read_costs_no_more_than_it_may_and_a_count_makes_no_room() {
    let bytes = encode(&vec![7_u8; 1_000]).expect("it is short");
    assert_eq!(decode::<Vec<u8>>(&bytes, ByteSize::bytes(999)), Err(DecodeError::TooLarge));
    assert_eq!(decode::<Vec<u8>>(&bytes, ByteSize::bytes(1_000)).map(|list| list.len()), Ok(1_000));
    let many = encode(&vec![String::new(); 1_000]).expect("it is short");
    assert_eq!(decode::<Vec<String>>(&many, ByteSize::bytes(23_999)), Err(DecodeError::TooLarge));
    // Four billion of them, says the count.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(decode::<Vec<u8>>(&lie, MEMORY), Err(DecodeError::Incomplete));
    assert_eq!(decode::<Vec<String>>(&lie, MEMORY), Err(DecodeError::Incomplete));
    assert_eq!(decode::<String>(&[1, 0xff], MEMORY), Err(DecodeError::Text));
}

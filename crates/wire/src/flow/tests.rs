//! Streams of values as they come, in pieces of any size, and from anybody.

use proptest::prelude::*;

use super::*;

/// What is read of these pieces, and whether that was the end.
fn read(pieces: &[&[u8]]) -> Result<(Vec<String>, bool), FlowError> {
    let (mut here, mut left, mut read) = (BytesMut::new(), 0, Vec::new());
    for piece in pieces {
        here.extend_from_slice(piece);
        let (more, is_end) = items::<String>(&mut here, &mut left)?;
        read.extend(more);
        if is_end {
            return Ok((read, true));
        }
    }
    Ok((read, false))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn values_chunks_and_messages_have_different_borders() {
    let whole: &[u8] = b"\x02\x01a\x02bc\x01\x00\x00";
    assert_eq!(read(&[whole]), Ok((texts(&["a", "bc", ""]), true)));
    for at in 0..whole.len() {
        let (first, rest) = whole.split_at(at);
        assert_eq!(read(&[first, rest]), Ok((texts(&["a", "bc", ""]), true)), "cut at {at}");
        assert!(read(&[first]).is_ok_and(|(_, is_end)| !is_end), "cut at {at}");
    }
}

#[test]
fn a_value_that_never_ends_is_none() {
    let endless = [&b"\x01\xff\xff\xff\x7f"[..], &[b'x'; 2 << 20]].concat();
    assert_eq!(read(&[&endless]), Err(FlowError::Nonsense));
    assert_eq!(read(&[b"\xff\xff\xff\xff\xff"]), Err(FlowError::Nonsense));
    assert_eq!(read(&[b"\x01\x01\xff"]), Err(FlowError::Nonsense), "it is not UTF-8");
    // A count promises, and makes no room.
    assert_eq!(read(&[b"\xff\xff\xff\xff\x0f\x01a"]), Ok((texts(&["a"]), false)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..20)) {
        let there: usize = pieces.iter().map(Vec::len).sum();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        if let Ok((texts, _)) = read(&pieces) {
            prop_assert!(texts.iter().map(String::len).sum::<usize>() <= there);
        }
    }
}

//! Takes and gives streams and futures: what is written to them crosses to whoever called.

use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult, spawn_local};

use crate::exports::demo::pipes::lines::Guest;

wasip3::wit_bindgen::generate!({
    path: "../wit/pipes",
    world: "pipes",
    runtime_path: "wasip3::wit_bindgen::rt",
    generate_all,
});

struct Pipes;

export!(Pipes);

/// Bytes of one write.
const PIECE: usize = 16 << 10;

impl Guest for Pipes {
    async fn upper(mut text: StreamReader<u8>) -> StreamReader<u8> {
        let (mut to, reader) = wit_stream::new();
        spawn_local(async move {
            loop {
                let (result, mut piece) = text.read(Vec::with_capacity(PIECE)).await;
                piece.make_ascii_uppercase();
                if !to.write_all(piece).await.is_empty() || !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
            }
        });
        reader
    }

    async fn length(bytes: StreamReader<u8>) -> u64 {
        let (mut bytes, mut length) = (bytes, 0);
        loop {
            let (result, read) = bytes.read(Vec::with_capacity(PIECE)).await;
            length += read.len() as u64;
            if !matches!(result, StreamResult::Complete(_)) {
                return length;
            }
        }
    }

    async fn many(bytes: u64, fails: bool) -> StreamReader<u8> {
        let (mut to, reader) = wit_stream::new();
        spawn_local(async move {
            let mut left = bytes;
            while left > 0 {
                let piece = left.min(PIECE as u64);
                if !to.write_all(vec![b'x'; piece as usize]).await.is_empty() {
                    return;
                }
                left -= piece;
            }
            assert!(!fails, "asked to");
        });
        reader
    }

    async fn words(text: String) -> (StreamReader<String>, FutureReader<u32>) {
        let (mut to, reader) = wit_stream::new();
        let (count, counted) = wit_future::new(|| 0);
        spawn_local(async move {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let number = words.len() as u32;
            to.write_all(words).await;
            drop(to);
            drop(count.write(number).await);
        });
        (reader, counted)
    }

    async fn add(numbers: Option<StreamReader<u32>>, more: FutureReader<u32>) -> u64 {
        let mut sum = 0;
        if let Some(mut numbers) = numbers {
            while let Some(number) = numbers.next().await {
                sum += u64::from(number);
            }
        }
        sum + u64::from(more.await)
    }

    fn same(bytes: StreamReader<u8>) -> StreamReader<u8> {
        bytes
    }
}

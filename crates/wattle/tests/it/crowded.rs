//! A host with thousands of links: what is changed costs what it concerns, and requests go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use testkit::{Over, Up, Wattle, request};

use crate::links::linked;
use crate::{guest, wattle};

/// Components that sell, each with links of its own.
const TILLS: usize = 20;

/// How often one link is put.
const PUTS: usize = 30;

/// Starts a host where each of them has so many links, but for the first, which has one.
fn crowd(wattle: &Wattle, links_each: usize) -> Up {
    let bytes = std::fs::read(testkit::guest("till")).expect("it was built");
    let mut arguments = vec![guest("price-1")];
    for till in 0..TILLS {
        let file = wattle.write(&format!("till{till}.wasm"), &bytes);
        arguments.push(format!("--route=/{till}={}", file.display()));
        let links = if till == 0 { 1 } else { links_each };
        arguments.extend((0..links).map(|link| format!("--link=till{till}=keyvalue/memory,name=n{link}")));
    }
    wattle.up(arguments)
}

/// How long a process has been on a processor, in the kernel's own ticks: however long others were.
fn ticks(process: u32) -> u64 {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, rest) = line.rsplit_once(") ").expect("a name in brackets");
    let field = |place: usize| rest.split(' ').nth(place).and_then(|field| field.parse::<u64>().ok()).expect("a count");
    field(11) + field(12)
}

/// Puts a link of the first component again and again, and says what that took.
fn put(wattle: &Wattle, up: &Up) -> u64 {
    let before = ticks(up.id());
    for target in ["memory", "disk"].into_iter().cycle().take(PUTS) {
        linked(wattle, up, &format!("put till0 keyvalue/{target}"));
    }
    ticks(up.id()) - before
}

#[test]
fn a_link_among_thousands_is_put_as_one_among_few_and_requests_go_on() {
    let wattle = wattle();
    let few = crowd(&wattle, 1);
    let cost = put(&wattle, &few);
    assert_eq!(few.stop().code, Some(0));

    let many = crowd(&wattle, 150);
    let all = linked(&wattle, &many, "query")["links"].as_array().map(Vec::len).expect("a list");
    assert!(all > (TILLS - 1) * 150, "{all} links");
    let among_many = put(&wattle, &many);
    assert!(among_many <= 4 * cost + 20, "{PUTS} puts took {among_many} ticks among thousands, {cost} among few");

    let (sold, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let selling = scope.spawn(|| {
            let mut connection = many.connect();
            while !is_over.load(Ordering::Relaxed) {
                connection.send(&request("POST", "/0/tea", &[], b"")).expect("the connection stays open");
                let answer = connection.answer().expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.text());
                sold.fetch_add(1, Ordering::Relaxed);
            }
        });
        put(&wattle, &many);
        drop(over);
        selling.join().expect("each sale is answered");
    });
    assert!(sold.load(Ordering::Relaxed) > 0, "it sold meanwhile");
    assert_eq!(many.stop().code, Some(0));
}

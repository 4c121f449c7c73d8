//! Asks a calculator that it is linked to, with a value of each kind, and answers what came back.
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /` | one line for each function, as text |
//! | `GET /divide` | one quotient, or why there is none |
//! | `GET /reverse?size=N&times=N` | how many bytes came back, and whether they are the right ones |
//! | `GET /median?size=N&times=N` | the median of what those calls of `reverse` took, each alone, in ns |
//! | `GET /repeat?times=N` | the sum of N calls of `even` that said yes |

use std::time::{Duration, Instant};

use guests::{Target, answer};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::demo::calc::ops::{self, Item, Point, Shape, Style, Unit};

wit_bindgen::generate!({
    inline: "
        package demo:desk;

        world desk {
            import demo:calc/ops@0.1.0;
        }
    ",
    path: "../wit/calc",
    world: "demo:desk/desk",
    generate_all,
});

struct Desk;

wasip2::http::proxy::export!(Desk);

impl wasip2::exports::http::incoming_handler::Guest for Desk {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let text = match target.path.as_str() {
            "divide" => format!("{:?}\n", ops::divide(1.0, 4.0)),
            "reverse" => reverse(target.number("size", 1024), target.number("times", 1)),
            "median" => median(target.number("size", 1024), target.number("times", 1)),
            "repeat" => repeat(target.number("times", 1)),
            _ => everything(),
        };
        answer(out, 200, text);
    }
}

fn everything() -> String {
    let corners = [(0.0, 0.0), (2.0, 0.0), (2.0, 1.0)].map(|(x, y)| Point { x, y });
    let item = Item {
        name: "kettle".into(),
        price: 1 << 40,
        weight: Some(1.5),
        tags: vec!["new".into(), "größe".into()],
        shape: Shape::Polygon(corners.into()),
        style: Style::BOLD | Style::UNDERLINE,
        initial: 'k',
        fresh: true,
    };
    [
        format!("{}", ops::area(&Shape::Rectangle((2.0, 3.0)))),
        format!("{:?} {:?}", ops::divide(1.0, 4.0), ops::divide(1.0, 0.0)),
        ops::describe(&item),
        format!("{:?}", ops::find(&[item], "kettle").map(|item| item.tags)),
        format!("{:?}", ops::sum(&[1, 2, -4])),
        format!("{}", ops::convert(1.0, Unit::Inch, Unit::Metre)),
        format!("{:?}", ops::invert(Style::BOLD)),
        format!("{:?}", ops::spell("añ")),
        format!("{:?}", ops::swap(("a", 7))),
        format!("{:?} {:?} {:?}", ops::even(2), ops::even(3), ops::even(0)),
    ]
    .map(|line| line + "\n")
    .concat()
}

fn reverse(size: usize, times: usize) -> String {
    let bytes: Vec<u8> = (0..size).map(|index| index as u8).collect();
    let back = (0..times).map(|_| ops::reverse(&bytes)).last().unwrap_or_default();
    let is_right = bytes.iter().eq(back.iter().rev());
    format!("{} {is_right}\n", back.len())
}

fn median(size: usize, times: usize) -> String {
    let bytes = vec![7; size];
    let time = |_| {
        let begun = Instant::now();
        ops::reverse(&bytes);
        begun.elapsed()
    };
    let mut taken: Vec<Duration> = (0..times.max(1)).map(time).collect();
    taken.sort_unstable();
    format!("{}\n", taken[taken.len() / 2].as_nanos())
}

fn repeat(times: u64) -> String {
    let sum = (1..=times).filter(|number| ops::even(*number) == Ok(true)).count();
    format!("{sum}\n")
}

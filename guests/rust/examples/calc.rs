//! Calculates: a library with a function for each kind of value that a component can take and give.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::exports::demo::calc::ops::{self, Item, Point, Shape, Style, Unit};

wit_bindgen::generate!({ path: "../wit/calc", world: "calc" });

struct Calc;

export!(Calc);

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Guest for Calc {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn bump() -> u32 {
        CALLS.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn fail() {
        panic!("asked to");
    }

    fn spin() {
        loop {
            black_box(CALLS.load(Ordering::Relaxed));
        }
    }
}

impl ops::Guest for Calc {
    fn area(shape: Shape) -> f64 {
        match shape {
            Shape::Circle(radius) => std::f64::consts::PI * radius * radius,
            Shape::Rectangle((width, height)) => width * height,
            Shape::Polygon(corners) => polygon(&corners),
            Shape::Nothing => 0.0,
        }
    }

    fn divide(dividend: f64, divisor: f64) -> Result<f64, String> {
        if divisor == 0.0 {
            return Err("division by zero".to_owned());
        }
        Ok(dividend / divisor)
    }

    fn describe(item: Item) -> String {
        let weight = item.weight.map_or_else(|| "unknown".to_owned(), |weight| format!("{weight} kg"));
        let fresh = if item.fresh { "fresh" } else { "old" };
        let area = Self::area(item.shape);
        format!(
            "{} {} ({}) for {}, weight {weight}, area {area}, {} tags, {} styles",
            fresh,
            item.name,
            item.initial,
            item.price,
            item.tags.len(),
            item.style.iter().count(),
        )
    }

    fn find(items: Vec<Item>, name: String) -> Option<Item> {
        items.into_iter().find(|item| item.name == name)
    }

    fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }

    fn sum(numbers: Vec<i64>) -> Option<i64> {
        numbers.into_iter().try_fold(0, i64::checked_add)
    }

    fn convert(length: f64, source: Unit, target: Unit) -> f64 {
        length * metres(source) / metres(target)
    }

    fn invert(style: Style) -> Style {
        style.complement()
    }

    fn spell(text: String) -> Vec<char> {
        text.chars().collect()
    }

    fn swap((text, number): (String, u32)) -> (u32, String) {
        (number, text)
    }

    fn even(number: u64) -> Result<bool, ()> {
        if number == 0 { Err(()) } else { Ok(number.is_multiple_of(2)) }
    }
}

/// The area inside a line through the corners (the shoelace formula).
fn polygon(corners: &[Point]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    twice.abs() / 2.0
}

fn metres(unit: Unit) -> f64 {
    match unit {
        Unit::Metre => 1.0,
        Unit::Inch => 0.0254,
        Unit::Mile => 1609.344,
    }
}

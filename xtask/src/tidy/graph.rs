//! Draws the crates by layer, each with the crates of the workspace that it uses.
//!
//! ARCHITECTURE.md shows this block; the `architecture` rule holds it to what is true today.

use super::layers::{Layer, layer};
use super::repository::{Crate, Purpose};

/// One line a crate, lowest layer first; what a crate uses in the same order.
pub(crate) fn render(crates: &[Crate]) -> String {
    let mut crates: Vec<&Crate> = crates.iter().collect();
    crates.sort_by_key(|owner| (layer(owner).unwrap_or(Layer::Outside), &owner.name));
    let width = crates.iter().map(|owner| owner.name.len()).max().unwrap_or_default();
    crates.iter().map(|owner| line(owner, &crates, width)).collect()
}

fn line(owner: &Crate, crates: &[&Crate], width: usize) -> String {
    let place = match layer(owner) {
        Some(Layer::Level(level)) => format!("L{level}"),
        Some(Layer::Outside) | None => "--".to_owned(),
    };
    let is_used =
        |other: &&&Crate| owner.uses.iter().any(|used| used.name == other.name && used.purpose == Purpose::Program);
    let used: Vec<&str> = crates.iter().filter(is_used).map(|other| other.name.as_str()).collect();
    format!("{place}  {:width$}  {}", owner.name, used.join(" ")).trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Crate, Purpose};

    #[test]
    fn the_lowest_layer_comes_first_and_tests_are_left_out() {
        let crates = [
            Crate::plain("bench", "bench"),
            Crate::plain("engine", "crates/engine")
                .using(Purpose::Program, &["rt", "stdx", "wasmtime"])
                .using(Purpose::Tests, &["bench"]),
            Crate::plain("rt", "crates/rt").using(Purpose::Program, &["stdx"]),
            Crate::plain("stdx", "crates/stdx"),
        ];
        assert_eq!(super::render(&crates), "L0  stdx\nL4  rt      stdx\nL5  engine  stdx rt\n--  bench\n");
    }
}

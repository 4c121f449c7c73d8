//! Lattices under thousands of seeds: the same seed is the same story, what has to be true is true of each, and faults are found.

use std::panic::catch_unwind;

use crate::hosts::simulate;
use crate::story::{Ending, Fault, story};

/// How many seeds are tried.
const SEEDS: u64 = 2_000;

/// On so many threads.
const THREADS: u64 = 2;

/// Of so many seeds it is shown what is wrong.
const SHOWN_MAX: usize = 10;

/// Within so many seeds a fault is found.
const FOUND_WITHIN: u64 = 200;

#[test]
fn what_a_lattice_promises_holds_in_every_weather() {
    let try_some = |first: u64| {
        let (mut losses, mut broken) = (0, Vec::new());
        for seed in (first..SEEDS).step_by(THREADS as usize) {
            // One that panics is to be named as well.
            match catch_unwind(|| simulate(story(seed, Fault::None))) {
                Ok(ending) if ending.problems.is_empty() => losses += ending.losses,
                Ok(ending) => broken.push((seed, ending.problems)),
                Err(_) => broken.push((seed, vec!["it panicked".to_owned()])),
            }
        }
        (losses, broken)
    };
    let tried: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || try_some(first))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let broken: Vec<_> = tried.iter().flat_map(|(_, broken)| broken).collect();
    let some = &broken[..broken.len().min(SHOWN_MAX)];
    assert!(broken.is_empty(), "{} of {SEEDS} seeds: {some:#?}", broken.len());
    let losses: usize = tried.iter().map(|(losses, _)| losses).sum();
    assert!(losses as u64 > SEEDS / 8, "{losses} losses are too few to have shown anything");
}

#[test]
fn the_same_seed_is_the_same_lattice() {
    for seed in (0..20).chain([u64::MAX]) {
        let [one, other] = [(), ()].map(|()| simulate(story(seed, Fault::None)));
        assert!(one.trace == other.trace, "seed {seed} was another story: {}", first_difference(&one, &other));
    }
}

fn first_difference(one: &Ending, other: &Ending) -> String {
    let differs = one.trace.lines().zip(other.trace.lines()).find(|(one, other)| one != other);
    differs.map_or_else(|| "one goes on".into(), |(one, other)| format!("\n{one}\n{other}"))
}

#[test]
fn a_fact_that_is_lost_is_found() {
    are_found(&[Fault::LostBeats, Fault::LostLink]);
}

#[test]
fn an_answer_that_is_missing_is_found() {
    are_found(&[Fault::LostAnswer]);
}

#[test]
fn a_copy_that_misses_what_was_learned_last_is_found_by_hosts_that_start_without_their_bus() {
    are_found(&[Fault::LyingDisks]);
}

#[test]
fn what_a_host_that_joins_leaves_behind_is_found() {
    are_found(&[Fault::HastyJoin]);
}

fn are_found(faults: &[Fault]) {
    for &fault in faults {
        let is_found = |seed: &u64| {
            let healthy = simulate(story(*seed, Fault::None)).problems;
            assert!(healthy.is_empty(), "seed {seed}: {healthy:#?}");
            !simulate(story(*seed, fault)).problems.is_empty()
        };
        let found = (0..FOUND_WITHIN).find(is_found);
        assert!(found.is_some(), "{fault:?} was not found in {FOUND_WITHIN} seeds");
    }
}

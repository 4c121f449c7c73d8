//! Rolls as stories: who answers, who is called.

use std::collections::BTreeMap;

use super::*;

fn names(list: &str) -> Vec<Name> {
    list.split_whitespace().map(|name| Name::read(name.as_bytes()).expect("a name")).collect()
}

fn member<'a>(known: &'a Known, name: &str) -> &'a Arc<Member> {
    known.members.iter().find(|member| member.name.as_str() == name).expect("it is known")
}

/// How often each is chosen of a thousand calls that are answered at once.
fn shares(known: &Known, now: u64) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for number in 0..1_000_u64 {
        let chosen = known.choose(now, number.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0);
        let name = chosen.map_or("anybody".to_owned(), |chosen| chosen.name.as_str().to_owned());
        *shares.entry(name).or_default() += 1;
    }
    shares
}

fn chosen(known: &Known, now: u64) -> Vec<String> {
    shares(known, now).into_keys().collect()
}

#[test]
fn those_who_answer_share_the_calls() {
    let known = Known::default();
    assert_eq!(chosen(&known, 0), ["anybody"]);
    let known = known.after(1, names("ada bob eve ada").into_iter(), true);
    let shares = shares(&known, 0);
    assert!(shares.len() == 3 && shares.values().all(|share| (250..420).contains(share)), "{shares:?}");
}

#[test]
fn who_is_silent_to_a_call_is_passed_over_until_a_later_roll() {
    let known = Known::default().after(1, names("ada bob").into_iter(), true);
    // The second roll was called before it.
    member(&known, "bob").doubt(3);
    assert_eq!(chosen(&known, 0), ["ada"]);
    let known = known.after(2, names("ada bob").into_iter(), true);
    assert!(known.is_in_doubt());
    assert_eq!(chosen(&known, 0), ["ada"]);
    let known = known.after(3, names("ada bob").into_iter(), true);
    assert!(!known.is_in_doubt());
    assert_eq!(chosen(&known, 0), ["ada", "bob"]);
    member(&known, "ada").doubt(4);
    member(&known, "bob").doubt(4);
    assert_eq!(chosen(&known, 0), ["anybody"]);
}

#[test]
fn who_is_silent_to_two_rolls_is_gone() {
    let known = Known::default().after(1, names("ada bob").into_iter(), true);
    let bob = member(&known, "bob").clone();
    let known = known.after(2, names("ada").into_iter(), true);
    assert_eq!((chosen(&known, 0), known.len(), *bob.is_gone.borrow()), (vec!["ada".to_owned()], 2, false));
    let again = known.after(3, names("ada bob").into_iter(), true);
    assert_eq!(chosen(&again, 0), ["ada", "bob"]);
    let known = again.after(4, names("ada").into_iter(), true).after(5, names("ada").into_iter(), true);
    assert_eq!((known.len(), *bob.is_gone.borrow()), (1, true));
}

#[test]
fn who_is_well_is_found_among_many_who_are_not() {
    let many = (0..100).filter_map(|number| Name::read(format!("n{number}").as_bytes()));
    let known = Known::default().after(1, many, true);
    known.members.iter().filter(|member| member.name.as_str() != "n42").for_each(|member| member.doubt(2));
    assert_eq!(chosen(&known, 0), ["n42"]);
}

#[test]
fn who_has_more_to_do_gets_less() {
    let known = Known::default().after(1, names("ada bob").into_iter(), true);
    let running = member(&known, "bob").clone().count();
    assert_eq!(chosen(&known, 0), ["ada"]);
    drop(running);
    assert_eq!(chosen(&known, 0), ["ada", "bob"]);
}

#[test]
fn who_has_no_room_is_spared_for_a_moment_where_others_have() {
    let known = Known::default().after(1, names("ada bob").into_iter(), true);
    member(&known, "bob").spare(100);
    assert_eq!((chosen(&known, 100), chosen(&known, 150)), (vec!["ada".to_owned()], vec!["ada".into(), "bob".into()]));
    member(&known, "ada").spare(100);
    assert_eq!(chosen(&known, 100), ["ada", "bob"]);
}

#[test]
fn strangers_fill_no_memory() {
    let many = (0..10_000).filter_map(|number| Name::read(format!("n{number}").as_bytes()));
    assert_eq!(Known::default().after(1, many, true).len(), MEMBERS_MAX);
    for name in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(65)] {
        assert_eq!(Name::read(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn who_found_no_room_among_the_answers_is_not_taken_for_silent() {
    let known = Known::default().after(1, names("ada").into_iter(), true);
    let many = || (0..MEMBERS_MAX).map(|number| Name::read(format!("n{number}").as_bytes()).expect("a name"));
    let known = known.after(2, many(), false).after(3, many(), false);
    assert!(member(&known, "ada").is_trusted() && known.len() == MEMBERS_MAX);
}

#[test]
fn the_wires_of_a_host_are_known_for_one() {
    let host = Name::new();
    let own = [host.clone(), host.beside(0), host.beside(1)];
    let known = Known::default().after(1, own.clone().into_iter(), true);
    let one = member(&known, own[1].as_str()).clone();
    assert_eq!((known.of_host(&one).count(), known.has_other(&one)), (3, false));
    let known = known.after(2, own.into_iter().chain([Name::new()]), true);
    assert_eq!((known.of_host(&one).count(), known.has_other(&one)), (3, true));
}

#[test]
fn those_who_are_asked_first_stand_by_host_after_each_roll() {
    let (ada, bob) = ("a".repeat(22), "b".repeat(22));
    let known = Known::default().after(1, names(&format!("{bob} {ada}2")).into_iter(), true);
    let known = known.after(2, names(&format!("{ada} {ada}1 {ada}2 {bob}")).into_iter(), true);
    let first = known.first.iter().map(|first| (first.member.name.as_str().to_owned(), first.host.clone()));
    assert_eq!(first.collect::<Vec<_>>(), [(format!("{ada}1"), 0..2), (format!("{ada}2"), 0..2), (bob, 2..3)]);
}

#[test]
fn one_of_them_is_asked_where_it_alone_listens() {
    let address = Address { lattice: "default".into(), id: "price".into() };
    let known = Known::default().after(1, names("NUID").into_iter(), true);
    let at = |words: &str| member(&known, "NUID").at(&address, words).map(|subject| subject.to_string());
    for function in ["tag", "sum"] {
        let there = format!("default.price.wrpc.0.0.1.at.NUID.demo:shop/tag@1.0.0.{function}");
        assert_eq!(at(&format!("demo:shop/tag@1.0.0.{function}")), Ok(there));
    }
    assert!(at("").is_err() && at("a b").is_err());
}

#[test]
fn a_caller_asks_the_same_thread_of_a_host_while_that_has_nothing_to_do() {
    // The names of one host begin alike, and those of its threads' wires are longer.
    let (ada, bob) = ("a".repeat(22), "b".repeat(22));
    let known = Known::default().after(1, names(&format!("{ada} {ada}1 {ada}2 {bob}")).into_iter(), true);
    let home = |home| {
        let chosen = (0..1_000_u64).filter_map(|n| known.choose(0, n.wrapping_mul(0x9e37_79b9_7f4a_7c15), home));
        chosen.map(|chosen| chosen.name.as_str().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(home(0), BTreeSet::from([format!("{ada}1"), bob.clone()]));
    assert_eq!(home(1), BTreeSet::from([format!("{ada}2"), bob.clone()]));
    let _running = member(&known, &format!("{ada}1")).clone().count();
    assert_eq!(home(0), BTreeSet::from([format!("{ada}2"), bob.clone()]), "it has something to do");
    // One whose wire there is not well asks another of the host's threads.
    member(&known, &format!("{ada}2")).doubt(2);
    assert_eq!(home(1), BTreeSet::from([format!("{ada}1"), bob.clone()]));
    // The first wire of the host is there where those of its threads are not.
    for name in [format!("{ada}1"), format!("{ada}2")] {
        member(&known, &name).doubt(3);
    }
    member(&known, &bob).doubt(3);
    assert_eq!(home(0), BTreeSet::from([ada]));
}

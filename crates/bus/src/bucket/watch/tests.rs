//! What a watch tells, as values.

use super::*;

fn key(name: &str) -> BucketKey {
    name.parse().expect("a key")
}

fn set(name: &str, revision: u64) -> Event {
    Event::Set(key(name), Entry { value: "v".into(), revision: Revision::new(revision) })
}

fn mark(made: u64, last: u64) -> Mark {
    Mark { made, last: Revision::new(last) }
}

fn current() -> Event {
    Event::Current(mark(1, 9))
}

fn another() -> Past {
    Past::of(Some(mark(1, 9)), mark(2, 1))
}

/// Folds, and says what there is to tell.
fn fold(seen: &mut Seen, events: impl IntoIterator<Item = Event>) -> Vec<String> {
    events.into_iter().for_each(|event| seen.fold(event));
    let told = seen.ready.drain(..).map(|told| match told {
        Told::Set { key, entry } => format!("{key}={}", entry.revision),
        Told::Gone { key } => format!("-{key}"),
        Told::Anew { known, found } => format!("anew {}..{}", known.last, found.last),
        told => format!("{told:?}"),
    });
    told.collect()
}

#[test]
fn what_was_told_before_is_not_told_again() {
    let mut seen = Seen::default();
    let first = [Event::Begun(Past::Same), set("a", 1), set("b", 2), current(), set("a", 3)];
    assert_eq!(fold(&mut seen, first), ["a=1", "b=2", "a=3"]);
    let again = [Event::Away, Event::Begun(Past::Same), set("a", 3), set("b", 4), current(), set("a", 3)];
    assert_eq!(fold(&mut seen, again), ["Away", "b=4"]);
    assert!(seen.doubted.is_empty() && seen.caught_up.is_some());
}

#[test]
fn what_is_missing_when_all_is_told_again_is_doubted_and_not_gone() {
    let mut seen = Seen::default();
    fold(&mut seen, [Event::Begun(Past::Same), set("a", 1), set("b", 2), set("c", 3), current()]);
    assert!(fold(&mut seen, [Event::Begun(Past::Same), set("a", 1), current()]).is_empty());
    assert_eq!(seen.doubted, [key("b"), key("c")]);
    seen.settle(key("b"), None);
    seen.settle(key("c"), Some(Entry { value: "v".into(), revision: Revision::new(3) }));
    assert_eq!(fold(&mut seen, []), ["-b"], "what is there is nothing new");
    assert!(seen.doubted.is_empty());
}

#[test]
fn nothing_is_told_that_is_older_than_what_was_told() {
    let mut seen = Seen::default();
    let gone = |revision| Event::Gone(key("a"), Revision::new(revision));
    assert_eq!(fold(&mut seen, [gone(1), set("a", 5), set("a", 4), gone(3), gone(6), gone(7)]), ["a=5", "-a"]);
}

#[test]
fn of_another_bucket_everything_is_told_and_nothing_is_gone() {
    let mut seen = Seen::default();
    fold(&mut seen, [Event::Begun(Past::Same), set("a", 8), set("b", 9), current()]);
    let another = [Event::Begun(another()), set("a", 1), current()];
    assert_eq!(fold(&mut seen, another), ["anew 9..1", "a=1"]);
    assert!(seen.doubted.is_empty());
}

#[test]
fn a_bucket_is_the_same_where_it_has_everything_that_was_known() {
    assert_eq!(Past::of(None, mark(1, 0)), Past::Same);
    assert_eq!(Past::of(Some(mark(1, 9)), mark(1, 9)), Past::Same);
    assert_eq!(Past::of(Some(mark(1, 9)), mark(1, 8)), Past::Another { known: mark(1, 9), found: mark(1, 8) });
    assert_eq!(Past::of(Some(mark(1, 9)), mark(2, 10)), Past::Another { known: mark(1, 9), found: mark(2, 10) });
}

//! The table finds what the patterns say, however it came to be.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One change of a table.
#[derive(Debug, Clone)]
enum Step {
    Insert(String, Option<String>),
    /// Takes out one of those that are in, counted from any.
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let pattern = prop_oneof!["([ab*]\\.){0,3}[ab*>]", "([ab]\\.){0,3}[ab]"];
    let insert = (pattern, prop::option::of("[qr]")).prop_map(|(pattern, group)| Step::Insert(pattern, group));
    prop_oneof![3 => insert, 2 => any::<usize>().prop_map(Step::Remove)]
}

type Model = BTreeMap<u64, Interest>;

fn take(table: &mut Table<u64>, model: &mut Model, number: u64, step: Step) {
    match step {
        Step::Insert(pattern, group) => {
            let pattern: Pattern = pattern.parse().expect("a pattern");
            let group = group.map(|group| group.parse().expect("a group"));
            let interest = Interest { pattern, group };
            table.insert(&interest, number, number);
            model.insert(number, interest);
        }
        Step::Remove(which) => {
            let Some(number) = model.keys().nth(which % model.len().max(1)).copied() else { return };
            let interest = model.remove(&number).expect("it is in");
            table.remove(&interest.pattern, number);
        }
    }
}

/// Who is found alone, and the members of each group, sorted.
fn found(table: &Table<u64>, subject: &Subject) -> (Vec<u64>, Vec<Vec<u64>>) {
    let found = table.find(subject);
    let sorted = |mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        numbers
    };
    let alone = sorted(found.alone.iter().map(|number| **number).collect());
    let mut groups: Vec<_> = found.groups().map(|group| sorted(group.copied().collect())).collect();
    groups.sort();
    (alone, groups)
}

fn wanted(model: &Model, subject: &Subject) -> (Vec<u64>, Vec<Vec<u64>>) {
    let mut alone = Vec::new();
    let mut groups: BTreeMap<&QueueGroup, Vec<u64>> = BTreeMap::new();
    for (number, interest) in model.iter().filter(|(_, interest)| interest.pattern.matches(subject)) {
        match &interest.group {
            None => alone.push(*number),
            Some(group) => groups.entry(group).or_default().push(*number),
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort();
    (alone, groups)
}

proptest! {
    #[test]
    fn it_finds_what_the_patterns_say(
        steps in prop::collection::vec(step(), 0..40),
        subjects in prop::collection::vec("([ab]\\.){0,4}[ab]", 1..6),
    ) {
        let (mut table, mut model) = (Table::default(), Model::new());
        let mut older = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            older.push((table.clone(), model.clone()));
            take(&mut table, &mut model, number as u64, step);
        }
        older.push((table, model));
        // An older table is as it was: whoever reads it sees one consistent world.
        for subject in subjects {
            let subject: Subject = subject.parse().expect("a subject");
            for (table, model) in &older {
                prop_assert_eq!(found(table, &subject), wanted(model, &subject));
            }
        }
    }

    #[test]
    fn nothing_is_left_of_those_who_left(steps in prop::collection::vec(step(), 0..40)) {
        let (mut table, mut model) = (Table::default(), Model::new());
        for (number, step) in steps.into_iter().enumerate() {
            take(&mut table, &mut model, number as u64, step);
        }
        while !model.is_empty() {
            take(&mut table, &mut model, 0, Step::Remove(0));
        }
        prop_assert!(table.literal.is_empty() && table.root.is_empty());
    }
}

#[test]
fn each_member_of_a_group_has_its_turn() {
    let mut table = Table::default();
    let group: QueueGroup = "workers".parse().expect("a group");
    for (number, pattern) in ["work", "work", "*", ">"].into_iter().enumerate() {
        let interest = Interest { pattern: pattern.parse().expect("a pattern"), group: Some(group.clone()) };
        table.insert(&interest, number as u64, number);
    }
    let subject = "work".parse().expect("a subject");
    let mut firsts = [0; 4];
    for _ in 0..400 {
        let found = table.find(&subject);
        let groups: Vec<Vec<usize>> = found.groups().map(|group| group.copied().collect()).collect();
        assert!(groups.len() == 1 && groups[0].len() == 4, "one group by whatever pattern: {groups:?}");
        firsts[groups[0][0]] += 1;
    }
    assert_eq!(firsts, [100; 4]);
}

#[test]
fn a_subject_of_five_hundred_words_is_found() {
    let mut table = Table::default();
    let deep = vec!["a"; 500].join(".");
    for (number, pattern) in [deep.clone(), deep.replace("a.a", "*.a"), "a.>".into()].into_iter().enumerate() {
        table.insert(&Interest { pattern: pattern.parse().expect("a pattern"), group: None }, number as u64, number);
    }
    assert_eq!(table.find(&deep.parse().expect("a subject")).alone.len(), 3);
}

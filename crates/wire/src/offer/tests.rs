//! Goal: a call is answered by a function exactly if its version stands in for the one that is wanted, and is heard once. Method:
//! any two versions, and any few functions of some that are easily taken for one another.

use proptest::prelude::*;

use super::*;

fn versions() -> impl Strategy<Value = String> {
    let extra = prop_oneof![
        4 => Just(""),
        1 => prop::sample::select(vec!["-rc", "-rc.1", "-rc.get", "-0", "+b", "+b.1", "-rc+b"]),
    ];
    (0_u64..3, 0_u64..3, 0_u64..3, extra)
        .prop_map(|(major, minor, patch, extra)| format!("{major}.{minor}.{patch}{extra}"))
}

fn function(version: &str, name: &str) -> Function {
    Function::of(&format!("demo:shop/tag@{version}"), name)
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["get", "price", "[method]rc.get", "[static]b.get", "[constructor]rc"])
}

/// What answers a call of `wanted`, by all offers that hear of it.
fn answers(offers: &[Offer], wanted: &Function) -> Vec<Result<usize, Refusal>> {
    let words: Subject = wanted.words().parse().expect("a subject");
    let hears = |offer: &&Offer| offer.heard.matches(&words);
    offers.iter().filter(hears).map(|offer| offer.meant(words.as_str())).collect()
}

fn contract(function: &Function) -> Contract {
    function.instance.as_deref().expect("it has one").parse().expect("a contract")
}

proptest! {
    #[test]
    fn a_version_answers_exactly_for_those_that_it_stands_in_for(
        (own, wanted) in (versions(), versions()),
        name in names(),
    ) {
        let has_build = own.contains('+') || wanted.contains('+');
        let (own, wanted) = (function(&own, name), function(&wanted, name));
        // A build is met by itself alone: see the invariants.
        let is_met = own == wanted || !has_build && contract(&wanted).is_met_by(&contract(&own));
        let offers = Offer::all(std::slice::from_ref(&own)).expect("an offer");
        let answers = answers(&offers, &wanted);
        prop_assert_eq!(answers.iter().any(Result::is_ok), is_met, "{:?}", answers);
        let mut refusals = answers.iter().filter_map(|answer| answer.as_ref().err());
        prop_assert!(refusals.all(|refusal| refusal.reason.was_not_run()));
    }

    #[test]
    fn of_several_functions_one_hears_a_call_and_the_one_that_is_named_answers(
        own in prop::collection::btree_set((versions(), names()), 1..6),
        (version, name) in (versions(), names()),
    ) {
        let functions: Vec<Function> = own.iter().map(|(version, name)| function(version, name)).collect();
        let offers = Offer::all(&functions).expect("offers");
        prop_assert!(answers(&offers, &function(&version, name)).len() <= 1);
        for own in &functions {
            let answers = answers(&offers, own);
            let [Ok(number)] = answers.as_slice() else { panic!("{answers:?}") };
            prop_assert_eq!(functions[*number].words(), own.words());
        }
    }
}

fn heard(functions: &[Function]) -> Vec<String> {
    Offer::all(functions).expect("offers").iter().map(|offer| offer.heard.to_string()).collect()
}

#[test]
fn a_pattern_hears_of_a_series_and_of_nothing_else() {
    let all = |version: &str| heard(&[function(version, "price")]);
    assert_eq!(all("1.2.3"), ["demo:shop/tag@1.*.*.price"]);
    assert_eq!(all("0.2.3"), ["demo:shop/tag@0.2.*.price"]);
    for version in ["0.0.3", "0.2.0-draft", "1.2.0-rc.1+b", "1.2.0+b"] {
        assert_eq!(all(version), [format!("demo:shop/tag@{version}.price")]);
    }
    assert_eq!(heard(&[Function::of("a:b/c", "d"), Function::of_world("run")]), ["a:b/c.d", "run"]);
    assert_eq!(heard(&[function("1.2.3", "[method]bucket.get")]), ["demo:shop/tag@1.*.*.bucket.get"]);
    let exact = Offer::exact(&function("1.2.3", "price")).expect("an offer");
    assert_eq!(exact.heard.as_str(), "demo:shop/tag@1.2.3.price");
    assert_eq!(exact.meant("demo:shop/tag@1.2.3.price"), Ok(0));
}

#[test]
fn several_versions_are_heard_by_one_pattern_and_told_apart() {
    let versions = ["1.0.0", "1.2.0", "1.3.0-rc", "0.2.0-draft", "0.2.1"];
    let functions: Vec<_> = versions.iter().map(|version| function(version, "price")).collect();
    assert_eq!(heard(&functions), ["demo:shop/tag@1.*.*.price", "demo:shop/tag@0.2.*.price"]);
    let offers = Offer::all(&functions).expect("offers");
    let meant = |version: &str| answers(&offers, &function(version, "price")).pop();
    for (number, version) in versions.into_iter().enumerate() {
        assert_eq!(meant(version), Some(Ok(number)), "{version}");
    }
    // No version of these is the one that is named: the first that stands in for it answers, as on one host.
    assert_eq!([meant("1.1.0"), meant("1.9.0"), meant("0.2.9")], [Some(Ok(0)), Some(Ok(0)), Some(Ok(4))]);
    assert_eq!(meant("2.0.0"), None);
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let offers = Offer::all(&[function("1.2.0", "price")]).expect("an offer");
    let Some(Err(refusal)) = answers(&offers, &function("1.2.0-rc", "price")).pop() else {
        panic!("it is heard, and nothing stands in for it");
    };
    assert_eq!(
        refusal.to_string(),
        "it is there in another version (demo:shop/tag@1.2.0-rc.price is wanted, and demo:shop/tag@1.2.0.price is there)"
    );
    // What is no version at all is none of these, either.
    for words in ["demo:shop/tag@1.x.y.price", "demo:shop/tag@1.02.0.price", "demo:shop/tag@1.0@1.0.0.price", ""] {
        assert_eq!(offers[0].meant(words).map_err(|refusal| refusal.reason), Err(Reason::OtherVersion), "{words:?}");
    }
}

//! Lattices as stories: what was learned, second by second, and what that is to who looks at it.

use std::time::{Duration, UNIX_EPOCH};

use expect_test::{Expect, expect};
use model::lattice::{Capacity, Labels, ProviderDescription};
use model::record::{HostCard, HostLoss};

use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

const CAPACITY: Capacity = Capacity { cores: 2, memory_bytes: Some(1 << 30), invocations_max: None };

fn card() -> HostCard {
    let labels = [("zone".to_owned(), "eu".to_owned())].into();
    HostCard { friendly_name: "ada".into(), labels, version: "1".into(), capacity: CAPACITY, lease_millis: 20_000 }
}

fn inventory(id: &str, components: &[(&str, u32)]) -> HostInventory {
    let component = |(id, count): &(&str, u32)| ComponentDescription {
        id: (*id).to_owned(),
        image_ref: format!("file:///{id}"),
        name: None,
        annotations: Labels::new(),
        revision: 0,
        max_instances: *count,
        limits: None,
    };
    HostInventory {
        host_id: id.into(),
        friendly_name: "ada".into(),
        labels: Labels::new(),
        version: "1".into(),
        uptime_human: "1s".into(),
        uptime_seconds: 1,
        components: components.iter().map(component).collect(),
        providers: Vec::new(),
        capacity: None,
    }
}

fn loss() -> HostRecord {
    let (heard, noticed_by) = ("12:00".into(), "NB".into());
    HostRecord::Lost(Box::new(HostLoss { card: card(), heard, noticed_by, ran: Some(inventory("NA", &[("till", 3)])) }))
}

fn event(source: &str, fact: Fact) -> Event {
    Event {
        specversion: "1.0".into(),
        id: "1".into(),
        source: source.into(),
        datacontenttype: "application/json".into(),
        time: String::new(),
        fact,
    }
}

fn scaled(id: &str, image_ref: &str, count: u32) -> Fact {
    Fact::ComponentScaled(Scaled {
        component_id: id.into(),
        host_id: "NA".into(),
        image_ref: image_ref.into(),
        max_instances: count,
        annotations: Labels::new(),
        public_key: None,
        claims: None,
    })
}

/// The hosts as they are seen at that second.
fn check(lattice: &Lattice, now: u64, expected: Expect) {
    let line = |(id, view): (&String, &HostView)| {
        let runs: Vec<_> =
            view.components.iter().map(|(id, of)| format!("{id}={} {}", of.max_instances, of.image_ref)).collect();
        format!("{id} {:?} {} [{}]\n", view.friendly_name, view.presence(at(now)), runs.join(", "))
    };
    expected.assert_eq(&lattice.hosts().iter().map(line).collect::<String>());
}

#[test]
fn a_host_comes_beats_is_silent_and_leaves() {
    let mut lattice = Lattice::default();
    let started = Fact::HostStarted {
        friendly_name: "ada".into(),
        labels: Labels::new(),
        uptime_seconds: 0,
        version: "1".into(),
    };
    lattice.apply(at(0), News::Said(&event("NA", started)));
    check(
        &lattice,
        90,
        expect![[r#"
        NA "ada" present []
    "#]],
    );
    check(
        &lattice,
        91,
        expect![[r#"
        NA "ada" silent []
    "#]],
    );
    let beat = event("NA", Fact::HostHeartbeat(inventory("NA", &[("till", 3)])));
    lattice.apply(at(100), News::Said(&beat));
    check(
        &lattice,
        120,
        expect![[r#"
        NA "ada" present [till=3 file:///till]
    "#]],
    );
    lattice.apply(at(121), News::Said(&event("NA", Fact::HostStopped { labels: Labels::new() })));
    check(&lattice, 121, expect![""]);
}

#[test]
fn who_holds_a_lease_is_silent_when_it_does_not_answer_and_lost_when_the_lattice_says_so() {
    let mut lattice = Lattice::default();
    lattice.apply(at(0), News::Recorded("NA", Some(&HostRecord::Present(card()))));
    lattice.apply(at(0), News::Leased("NA", &Lease { renewed: "11:59".into(), runs: inventory("NA", &[("till", 3)]) }));
    check(
        &lattice,
        0,
        expect![[r#"
        NA "ada" silent since 11:59 [till=3 file:///till]
    "#]],
    );
    let host = Host { id: "NA".into(), friendly_name: "ada".into(), ..Host::default() };
    lattice.apply(at(1), News::Answered(&host));
    check(
        &lattice,
        21,
        expect![[r#"
        NA "ada" present [till=3 file:///till]
    "#]],
    );
    check(
        &lattice,
        22,
        expect![[r#"
        NA "ada" silent since 11:59 [till=3 file:///till]
    "#]],
    );
    lattice.apply(at(30), News::Recorded("NA", Some(&loss())));
    check(
        &lattice,
        30,
        expect![[r#"
        NA "ada" lost since 12:00 [till=3 file:///till]
    "#]],
    );
    lattice.apply(at(40), News::Answered(&host));
    check(
        &lattice,
        40,
        expect![[r#"
        NA "ada" present [till=3 file:///till]
    "#]],
    );
    lattice.apply(at(50), News::Said(&event("NB", Fact::HostLost { host_id: "NA".into(), heard: "12:01".into() })));
    assert_eq!(
        lattice.hosts()["NA"].presence(at(50)),
        crate::Presence::Lost { since: "12:01".into(), noticed_by: "NB".into() }
    );
    lattice.apply(at(60), News::Recorded("NA", Some(&HostRecord::Present(card()))));
    check(
        &lattice,
        61,
        expect![[r#"
        NA "ada" silent since 11:59 [till=3 file:///till]
    "#]],
    );
    lattice.apply(at(60), News::Recorded("NA", None));
    check(&lattice, 61, expect![""]);
}

#[test]
fn components_are_as_they_were_scaled_last() {
    let mut lattice = Lattice::default();
    for fact in [scaled("till", "x", 1), scaled("till", "y", 4), scaled("till", "x", 0), scaled("price", "z", 2)] {
        lattice.apply(at(0), News::Said(&event("NA", fact)));
    }
    check(
        &lattice,
        0,
        expect![[r#"
        NA "" present [price=2 z, till=4 y]
    "#]],
    );
    lattice.apply(at(0), News::Said(&event("NA", scaled("till", "y", 0))));
    check(
        &lattice,
        0,
        expect![[r#"
        NA "" present [price=2 z]
    "#]],
    );
    let provider = ProviderDescription {
        id: "http".into(),
        image_ref: "http-server".into(),
        name: None,
        revision: 0,
        annotations: Labels::new(),
        condition: None,
        config: None,
    };
    let described = HostInventory { providers: vec![provider], ..inventory("NA", &[]) };
    lattice.apply(at(1), News::Described(&described));
    let view = &lattice.hosts()["NA"];
    assert_eq!(view.inventory("NA"), described);
    assert_eq!(view.heard(), Some(at(1)));
}

/// A host of others says nothing of its capacity: what was known of it stays.
#[test]
fn what_a_host_has_is_known_from_all_that_it_says() {
    let mut lattice = Lattice::default();
    let has = |lattice: &Lattice| lattice.hosts()["NA"].inventory("NA").capacity;
    lattice.apply(at(0), News::Described(&inventory("NA", &[])));
    assert_eq!(has(&lattice), None);
    lattice.apply(at(1), News::Recorded("NA", Some(&HostRecord::Present(card()))));
    lattice.apply(at(2), News::Described(&inventory("NA", &[])));
    assert_eq!(has(&lattice), Some(CAPACITY));
    let more = Capacity { cores: 4, ..CAPACITY };
    lattice.apply(at(3), News::Answered(&Host { id: "NA".into(), capacity: Some(more), ..Host::default() }));
    assert_eq!(has(&lattice), Some(more));
    let beat = HostInventory { capacity: Some(CAPACITY), ..inventory("NA", &[]) };
    lattice.apply(at(4), News::Described(&beat));
    assert_eq!(has(&lattice), Some(CAPACITY));
}

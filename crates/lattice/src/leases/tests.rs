//! Looks as stories: what is found in each, and when that is a loss.

use std::time::Duration;

use model::lattice::{Capacity, Labels};
use model::record::HostLoss;

use super::*;

const BEAT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(20);

/// Looks of the form `SECONDS:NUMBER`, or `SECONDS:-` where nothing was there; each answered at once. Gives when the lease had
/// expired, and since when nothing had changed.
fn lost(looks: &str) -> Option<(u64, u64)> {
    let mut seen = Looks::default();
    looks.split_whitespace().find_map(|look| {
        let (at, found) = look.split_once(':').expect("SECONDS:NUMBER");
        let at = Duration::from_secs(at.parse().expect("seconds"));
        let look = Look { asked: at, answered: at, found: found.parse().ok() };
        let since = seen.take("x", look, (LEASE, apart_max(BEAT)))?;
        Some((at.as_secs(), since.as_secs()))
    })
}

#[test]
fn a_lease_that_is_renewed_holds() {
    assert_eq!(lost("0:1 5:2 10:3 15:4 20:5 25:6 30:7 35:8"), None);
    assert_eq!(lost("0:1 5:1 10:1 15:1 19:2 24:2 29:2 34:2 38:2"), None, "late, but in time");
}

#[test]
fn a_lease_that_does_not_change_for_its_time_has_expired() {
    assert_eq!(lost("0:1 5:2 10:2 15:2 20:2 25:2"), Some((25, 5)));
    assert_eq!(lost("0:1 10:1 20:1"), Some((20, 0)), "looks may be two beats apart");
}

#[test]
fn who_was_away_counts_anew() {
    assert_eq!(lost("0:1 5:1 10:1 100:1 105:1 110:1 115:1"), None);
    assert_eq!(lost("0:1 5:1 10:1 100:1 105:1 110:1 115:1 120:1"), Some((120, 100)));
    assert_eq!(lost("0:1 11:1 22:1 33:1 44:1 55:1"), None, "each look is too long after the last");
}

#[test]
fn that_a_lease_is_gone_is_no_sign_of_its_host() {
    assert_eq!(lost("0:1 5:- 10:- 15:- 20:-"), Some((20, 0)), "who took it did not come to an end");
    assert_eq!(lost("0:1 5:- 10:7 15:7 20:7 25:7"), None, "it has come back");
    assert_eq!(lost("0:- 5:- 10:- 15:- 20:-"), Some((20, 0)));
}

#[test]
fn what_counts_is_the_time_for_sure() {
    let mut seen = Looks::default();
    let mut take = |asked: u64, answered: u64| {
        let [asked, answered] = [asked, answered].map(Duration::from_secs);
        seen.take("x", Look { asked, answered, found: Some(1) }, (LEASE, apart_max(BEAT)))
    };
    // It may have changed up to the moment at which the first look was answered, and from that at which the last was asked for.
    let looks = [(0, 3), (5, 8), (10, 13), (15, 18), (20, 23), (23, 26)].map(|(asked, answered)| take(asked, answered));
    assert_eq!(looks[4], None);
    assert_eq!(looks[5], Some(Duration::from_secs(3)));
}

fn card() -> HostCard {
    HostCard {
        friendly_name: "a".into(),
        labels: Labels::new(),
        version: "1".into(),
        capacity: Capacity::default(),
        lease_millis: 1,
    }
}

fn loss() -> Box<HostLoss> {
    Box::new(HostLoss { card: card(), heard: String::new(), noticed_by: String::new(), ran: None })
}

#[test]
fn each_host_looks_at_the_next_ones_around() {
    let records = |lost: &[&str]| -> BTreeMap<String, HostRecord> {
        let record = |id: &str| match lost.contains(&id) {
            true => HostRecord::Lost(loss()),
            false => HostRecord::Present(card()),
        };
        ["a", "b", "c", "d"].map(|id| (id.to_owned(), record(id))).into()
    };
    let care = |own: &str, lost: &[&str]| {
        let Care { present, lost } = care(own, &records(lost));
        format!("{} ({})", present.join(" "), lost.join(" "))
    };
    let around = ["a", "b", "c", "d"].map(|own| care(own, &[]));
    assert_eq!(around, ["b c ()", "c d ()", "d a ()", "a b ()"]);
    assert_eq!(care("b", &["c"]), "d a (c)", "who comes after one that is lost is looked at as well");
    assert_eq!(care("a", &["b", "c"]), "d (b c)", "nobody looks at itself");
    assert_eq!(care("bb", &[]), "c d ()", "who is not among them yet looks as well");
    assert_eq!(super::care("a", &BTreeMap::new()), Care::default());
}

#[test]
fn a_host_puts_right_what_is_kept_of_it() {
    let other = HostCard { version: "2".into(), ..card() };
    assert_eq!(own(None, &card(), true), Own::Put, "the bucket is new, or was made again");
    assert_eq!(own(Some(&HostRecord::Present(card())), &card(), true), Own::Leave);
    assert_eq!(own(Some(&HostRecord::Present(other)), &card(), true), Own::Put);
    assert_eq!(own(Some(&HostRecord::Lost(loss())), &card(), true), Own::Return);
    assert_eq!(own(Some(&HostRecord::Lost(loss())), &card(), false), Own::Put, "it has begun, and says that anyway");
}

//! Sites of hosts that are called are cut off, both ways and one way.

use std::time::Duration;

use testkit::Cut;

use super::{Town, failed, for_a_while, under_load};

/// Nothing that may be repeated fails when a host that is called is cut off, whichever direction is lost. It is asked again after healing.
#[test]
fn no_call_that_may_be_repeated_fails_of_a_host_that_is_cut_off() {
    let Some(town) = Town::try_new("retry=3,timeout=5s") else { return };
    for cut in [Cut::Both, Cut::Inward, Cut::Outward] {
        let ((), asked) = under_load(&town.till, "/", |begin| {
            begin();
            town.eve_at.cut(cut);
            for_a_while(Duration::from_secs(4));
            town.eve_at.heal();
        });
        assert!(failed(&asked).is_empty() && !asked.is_empty(), "{cut:?}: {:?}", failed(&asked));
        town.serves_from(&["1", "2"]);
    }
}

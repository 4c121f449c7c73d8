//! A network that is cut and healed, seen from both ends.

use super::*;
use crate::wait::eventually;

/// Whether one site answers to another, which a moment is waited for.
fn reaches(from: &Site, to: &Site) -> bool {
    let target = to.address(0).ip().to_string();
    let mut words: Vec<String> = from.enter().into_iter().map(|word| word.into_string().expect("text")).collect();
    words.extend(["ip", "neighbour", "flush", "all"].map(str::to_owned));
    let flush: Vec<&str> = words.iter().map(String::as_str).collect();
    run(&flush).expect("it can be run there");
    let asked = format!("exec 3<>/dev/tcp/{target}/7");
    let end = from.enter().len();
    let words: Vec<&str> = flush[..end].iter().copied().chain(["timeout", "1", "bash", "-c", &asked]).collect();
    // Nobody listens there, and a machine that is there says so.
    run(&words).is_err_and(|why| why.contains("refused"))
}

#[test]
fn sites_reach_one_another_unless_they_are_cut() {
    let Some(net) = Net::try_new() else { return };
    let (one, two) = (net.site(), net.site());
    assert!(reaches(&one, &two) && reaches(&two, &one));
    for cut in [Cut::Both, Cut::Inward, Cut::Outward] {
        one.cut(cut);
        assert!(!reaches(&one, &two) && !reaches(&two, &one), "{cut:?}");
        one.heal();
        assert!(reaches(&one, &two), "{cut:?}");
    }
    one.slow(64);
    assert!(reaches(&one, &two));
    one.hasten();
}

#[test]
fn nothing_is_left_behind() {
    let Some(net) = Net::try_new() else { return };
    let site = net.site();
    let number = net.shared.number;
    let mut words = site.enter();
    words.extend(["sleep", "60"].map(OsString::from));
    let mut sleeping = Command::new(&words[0]).args(&words[1..]).spawn().expect("it is run there");
    eventually("it runs there", || output(&["ip", "netns", "pids", &site.name()]) == format!("{}\n", sleeping.id()));
    assert!(is_there(number) && claim(number).is_none());
    drop((net, site));
    assert!(!sleeping.wait().expect("it was started here").success());
    assert!(namespaces(number).is_empty() && ports(number).is_empty());
}

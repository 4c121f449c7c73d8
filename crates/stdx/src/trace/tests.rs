//! The rules of the specification, field by field.

use super::*;

const ID: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn parent(text: &str) -> Option<String> {
    Trace::read(text, []).map(|trace| trace.parent().to_owned())
}

fn state(states: &[&str]) -> Option<String> {
    let trace = Trace::read(PARENT, states.iter().copied()).expect("it is well formed");
    trace.state().map(ToOwned::to_owned)
}

#[test]
fn a_trace_goes_on_as_it_came() {
    let trace = Trace::read(PARENT, ["rojo=00f067aa0ba902b7"]).expect("it is well formed");
    assert_eq!((trace.id(), trace.parent(), trace.state()), (ID, PARENT, Some("rojo=00f067aa0ba902b7")));
    let fields: Vec<_> = trace.fields().collect();
    assert_eq!(fields, [("traceparent", PARENT), ("tracestate", "rojo=00f067aa0ba902b7")]);
    let bare = Trace::read(PARENT, []).expect("it is well formed");
    assert_eq!(bare.fields().collect::<Vec<_>>(), [("traceparent", PARENT)]);
    // Flags that are not known are for others to know.
    let flagged = PARENT.replace("-01", "-ff");
    assert_eq!(parent(&flagged), Some(flagged));
}

#[test]
fn what_is_not_well_formed_is_no_trace() {
    let zeros = ["0".repeat(32), "0".repeat(16)];
    for wrong in [
        "",
        "00",
        &PARENT[..54],
        &format!("{PARENT}0"),
        &format!("{PARENT}-00"),
        &format!(" {PARENT}"),
        &PARENT.to_uppercase(),
        &PARENT.replace("0af7", "0Af7"),
        &PARENT.replace("0af7", "0gf7"),
        &PARENT.replace('-', "_"),
        &PARENT.replace(ID, &zeros[0]),
        &PARENT.replace("b7ad6b7169203331", &zeros[1]),
        &PARENT.replacen("00-", "ff-", 1),
        &PARENT.replacen("00-0", "00--", 1),
        &PARENT.replacen("00-0a", "00-é", 1),
    ] {
        assert_eq!(parent(wrong), None, "{wrong:?}");
    }
}

#[test]
fn of_a_later_version_what_is_known_is_understood() {
    for later in ["01", "42", "fe"] {
        let same = PARENT.replacen("00", later, 1);
        assert_eq!(parent(&same).as_deref(), Some(PARENT));
        assert_eq!(parent(&format!("{same}-what-the-future-will-be-like")).as_deref(), Some(PARENT));
        assert_eq!(parent(&format!("{same}.what-the-future-will-be-like")), None);
        assert_eq!(parent(&same[..54]), None);
    }
    // The one flag that is known.
    let flagged = format!("01-{ID}-b7ad6b7169203331-fe");
    assert_eq!(parent(&flagged), Some(PARENT.replace("-01", "-00")));
}

#[test]
fn what_vendors_add_is_handed_on_where_it_is_well_formed() {
    assert_eq!(state(&["rojo=1,congo=t61rcWkgMzE"]).as_deref(), Some("rojo=1,congo=t61rcWkgMzE"));
    assert_eq!(
        state(&["rojo=1 ,\tcongo=a b", "", "fw529a3039@dt=2,"]).as_deref(),
        Some("rojo=1,congo=a b,fw529a3039@dt=2")
    );
    for none in [&[][..], &[""], &[" , "]] {
        assert_eq!(state(none), None);
    }
    let long = ["k".repeat(257), "v".repeat(257)];
    for wrong in ["rojo", "=1", "rojo=", "Rojo=1", "ro jo=1", "@a=1", "a=b=c", "a=é", "a=1,b", "a=\u{7f}"] {
        assert_eq!(state(&[wrong]), None, "{wrong:?}");
    }
    for wrong in [format!("{}=1", long[0]), format!("a={}", long[1])] {
        assert_eq!(state(&[&wrong]), None);
    }
}

#[test]
fn what_vendors_add_is_bounded() {
    let members = |count: usize| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(state(&[&members(32)]), Some(members(32)));
    assert_eq!(state(&[&members(33)]), None);
    // Whole members, from the first on, as many as there is room for.
    let value = "v".repeat(250);
    let [a, b, c] = ["a", "b", "c"].map(|key| format!("{key}={value}"));
    assert_eq!(state(&[&a, &b, &c, "d=1"]), Some(format!("{a},{b}")));
}

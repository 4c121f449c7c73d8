//! What a component is told whose call nobody answers: the error of its contract, with the cause in the host's log.

use testkit::{Nats, eventually};

use crate::abroad::{link, put};
use crate::lattice::{Stranger, host, tell};
use crate::links::sell;
use crate::{guest, route, wattle};

const SAID: &str = "the component that answers this is not available";

/// An error with a case for all else, of an interface with resources. Whoever calls the component, the host itself or a capability, says
/// so by that.
#[test]
fn a_component_whose_callee_is_gone_is_told_so_by_its_contract() {
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let wattle = wattle();
        let files = [route("/", "till"), guest("price-1"), guest("layer"), "--link=till=layer".into()];
        let up = wattle.up(files.into_iter().chain(flags.iter().cloned()));
        assert_eq!(sell(&up), (1, 1));
        tell(&wattle, &up.bus(), &["stop", "component", "layer"]);
        for _ in 0..3 {
            let answer = up.ask("POST", "/tea", b"");
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.text().contains("is not available"), "{}", answer.text());
        }
        tell(&wattle, &up.bus(), &["start", "component", &guest("layer")]);
        assert_eq!(sell(&up), (2, 1));
        assert_eq!(up.stop().code, Some(0));
    }
}

/// An error that is a text: of what is not linked, of what runs nowhere, and of a host that has stopped.
#[test]
fn a_component_whose_callee_is_nowhere_is_told_so_by_its_contract() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "desk"), format!("--nats={bus}")]);
    let absent = format!("Err({SAID:?})\n");
    let divide = || {
        let answer = up.get("/divide");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    assert_eq!(divide(), absent);
    up.says("nothing gives it demo:calc/ops@0.1.0 yet");
    put(&Stranger::new(&bus), &link("desk", "calc", "calc", "ops"));
    eventually("it is called", || {
        assert_eq!(divide(), absent);
        up.stderr().contains("nobody in the lattice serves")
    });
    assert_eq!(up.get("/").status, 500, "the first that is asked there has no error to say so by");

    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let start = ["start", "component", &guest("calc"), "--host", "bob", "--nats", &bus];
    eventually("it starts", || bob.run(start).code == Some(0));
    eventually("it answers", || divide() == "Ok(0.25)\n");
    assert_eq!(other.stop().code, Some(0));
    eventually("it is gone", || divide() == absent);
    assert_eq!(up.stop().code, Some(0));
}

//! What goes out of a component: HTTP to hosts that were named, and nothing by sockets.

use std::net::TcpListener;

use testkit::eventually;

use crate::lattice::{host, tell};
use crate::{guest, wattle};

#[test]
fn requests_leave_for_hosts_that_were_named_and_for_no_others() {
    let server = wattle().up([guest("hello")]);
    let address = server.address();
    let other = format!("127.0.0.1:{}", if address.port() == 65_535 { 1 } else { address.port() + 1 });
    let fetched = |allowed: &[&str]| {
        let flags = allowed.iter().map(|host| format!("--allow-http={host}"));
        let up = wattle().up([guest("fetch")].into_iter().chain(flags));
        let answer = up.get(&format!("/?url=http://{address}/"));
        let said = format!("{address} is not allowed; --allow-http {address} would allow it");
        assert_eq!(up.stop().stderr.contains(&said), answer.status == 502, "{allowed:?}");
        (answer.status, answer.text())
    };
    let refused = (502, "ErrorCode::HttpRequestDenied\n".to_owned());
    let localhost = format!("localhost:{}", address.port());
    // All public hosts, and this one at its usual port, by another name and at another port.
    for allowed in [&[][..], &["*", "127.0.0.1"], &[localhost.as_str(), other.as_str()]] {
        assert_eq!(fetched(allowed), refused, "{allowed:?}");
    }
    assert_eq!(fetched(&[other.as_str(), &address.to_string()]), (200, "Hello, wasm!\n".to_owned()));
    assert_eq!(server.stop().requests("hello")["answered"], 1);
}

/// By itself and served: connections, both ways of listening, and names. The guest answers with numbers of errors.
#[test]
fn sockets_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it is ours");
    let port = listener.local_addr().expect("it is bound").port();
    let connect = format!("connect({port})");
    let calls = [connect.as_str(), "listen(0)", "receive(0)", "resolve()"];
    // One more than those of `access-denied` and `permanent-resolver-failure`.
    let refused = "2\n2\n2\n21\n";
    let wattle = wattle();
    let sockets = guest("sockets");
    let ended = wattle.run(["call", &sockets].iter().chain(&calls));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), refused), "{}", ended.stderr);

    let up = host(&wattle, &["--bus", "127.0.0.1:0", "--bus-token", "none"]);
    let bus = up.bus();
    tell(&wattle, &bus, &["start", "component", &sockets]);
    let call = || wattle.run(["call", "sockets"].iter().chain(&calls).chain(&["--nats", bus.as_str()]));
    eventually("it is called", || call().code == Some(0));
    assert_eq!(call().stdout, refused);
    assert_eq!(up.stop().code, Some(0));
    assert_eq!(listener.accept().expect_err("nobody came").kind(), std::io::ErrorKind::WouldBlock);
}

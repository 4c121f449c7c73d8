//! This is what lies between a host and its server: it passes on what it is given, until it is told not to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Passes connections on. Its threads end with the connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    /// For each connection, whether what it is given goes nowhere.
    swallows: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
}

impl Proxy {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let swallows = Arc::<Mutex<Vec<_>>>::default();
        let known = swallows.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let is_swallowed = Arc::new(AtomicBool::new(false));
                known.lock().expect("no test panics here").push(is_swallowed.clone());
                let server = TcpStream::connect(server).expect("the server is up");
                let back = (server.try_clone(), client.try_clone());
                let (from, to) = (back.0.expect("a copy"), back.1.expect("a copy"));
                std::thread::spawn(move || pass(from, to, &AtomicBool::new(false)));
                std::thread::spawn(move || pass(client, server, &is_swallowed));
            }
        });
        Self { address, swallows }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is sent on a connection that is open now reaches nobody, and nobody is told.
    pub(crate) fn swallow_open_connections(&self) {
        for is_swallowed in self.swallows.lock().expect("no test panics here").iter() {
            is_swallowed.store(true, Ordering::SeqCst);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_swallowed: &AtomicBool) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !is_swallowed.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
}

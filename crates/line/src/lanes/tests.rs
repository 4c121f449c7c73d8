//! Lines of threads of the data plane, with a server that is a few variables.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rt::Cores;

use super::*;

/// A server, and what its clients hold of it. A connection is a number.
#[derive(Default)]
struct Server {
    is_down: AtomicBool,
    dialled: AtomicU64,
    losses: Mutex<Vec<Loss<u64>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("connection refused")]
struct ConnectionRefused;

impl Dial for Server {
    type Connection = u64;

    async fn dial(&self, loss: Loss<u64>) -> Result<u64, BoxError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(ConnectionRefused.into());
        }
        self.losses.lock().expect("no test panics here").push(loss);
        Ok(self.dialled.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// The first connection that a call gets which is not the shared one.
async fn own(lanes: &Lanes<Arc<Server>>) -> u64 {
    loop {
        match lanes.connection().await.expect("the server is up") {
            (1, _) => tokio::time::sleep(Duration::from_millis(1)).await,
            (own, _) => return own,
        }
    }
}

#[tokio::test]
async fn each_thread_of_the_data_plane_has_its_own_and_falls_back_on_the_shared_one() {
    let server = Arc::new(Server::default());
    let lanes = Arc::new(Lanes::open(server.clone()).await.expect("the server is up"));
    assert_eq!(lanes.connection().await.expect("the server is up").0, 1);
    let count = rt::cores_available().min(2);
    let (tell, told) = mpsc::channel();
    let cores = Cores::spawn("lanes", vec![(lanes.clone(), server.clone(), tell); count], |_, seed| async move {
        let (lanes, server, tell) = seed;
        assert_eq!(lanes.connection().await.expect("the server is up").0, 1, "no call waits for its thread's own");
        let first = own(&lanes).await;
        assert_eq!(own(&lanes).await, first);
        tell.send(first).expect("the test waits");
        while !server.is_down.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // What is lost is lost at once, and the shared one is there.
        while lanes.connection().await.expect("the shared one is up").0 != 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .expect("threads");
    let numbers: BTreeSet<u64> = told.iter().take(count).collect();
    assert_eq!((numbers.len(), numbers.contains(&1)), (count, false), "{numbers:?}");
    server.is_down.store(true, Ordering::SeqCst);
    server.losses.lock().expect("no test panics here").iter().skip(1).for_each(Loss::tell);
    assert_eq!(cores.join(), 0, "no thread panicked");
}

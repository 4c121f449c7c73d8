//! Who does not read: a subscriber costs a fixed amount of memory, and others nothing; a server costs who speaks to it a fixed amount.

use std::time::Duration;

use bus::{Bus, ConnectOptions, Limits, PublishError};
use stdx::ByteSize;
use testkit::Nats;

use crate::attacks::resident;
use crate::carriers;
use crate::run;
use crate::server::{self, Server};
use crate::suite::{hear, listen, message};

#[test]
fn who_never_reads_holds_what_may_wait_and_others_hear_all_at_once() {
    run(async {
        let server = Server::start(server::newest(), &[]);
        let (speaker, bus) = (carriers::connect(server.address()).await, carriers::connect(server.address()).await);
        let limits = Limits { queued_bytes_max: ByteSize::mib(8), ..Limits::default() };
        let slow = listen(&bus.clone().with_queue_limits(limits), "flood", None).await;
        // On the same connection.
        let mut quick = listen(&bus, "flood", None).await;
        let before = resident();
        for _ in 0..100 {
            for _ in 0..20 {
                speaker.publish(message("flood", vec![b'x'; 100_000])).await.expect("it is taken");
            }
            for _ in 0..20 {
                assert_eq!(hear(&mut quick).await.payload.len(), 100_000);
            }
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 64 << 20, "200 MB were said, and {grown} bytes are held");
        assert!(slow.dropped() > 1_900 && quick.dropped() == 0, "{} and {}", slow.dropped(), quick.dropped());
    });
}

#[test]
fn what_a_server_that_stands_still_does_not_take_waits_in_a_fixed_amount_of_memory_and_then_who_speaks_is_refused() {
    run(async {
        let server = Nats::start();
        let options = ConnectOptions { patience: Duration::from_millis(500), ..ConnectOptions::default() };
        let bus = Bus::connect(&server.url(), options).await.expect("it lets us in");
        let (before, piece) = (resident(), || message("flood", vec![b'x'; 1_000_000]));
        server.pause();
        let mut taken = 0;
        let refused = loop {
            match bus.publish(piece()).await {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
            assert!(taken < 1_000, "nothing is kept for so long");
        };
        assert!(matches!(refused, PublishError::Unavailable { .. }), "{refused:?}");
        let grown = resident().saturating_sub(before);
        assert!(grown < 320 << 20, "{taken} MB were taken, and {grown} bytes are held");
        server.resume();
        bus.flush().await.expect("it goes on");
        bus.publish(piece()).await.expect("there is room again");
    });
}

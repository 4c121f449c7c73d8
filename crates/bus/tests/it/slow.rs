//! A subscriber that never reads what a real server sends: it costs a fixed amount of memory, and others nothing.

use bus::Limits;
use stdx::ByteSize;

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

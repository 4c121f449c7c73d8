//! Leaf nodes: servers of a site that are clients of a hub, each with a JetStream of its own.

use bus::{Bus, ConnectOptions, Keep};
use testkit::quiet_port;

use crate::keeping::{bucket, key, told, told_until};
use crate::server::Server;
use crate::suite::{hear, listen, message};
use crate::{eventually, run};

/// A hub, and a site on a leaf node of it.
struct Sites {
    hub: Server,
    site: Server,
}

// === impl Sites ===

impl Sites {
    fn start() -> Self {
        let port = quiet_port();
        let hub = Server::configured(&format!(
            "server_name: hub\njetstream {{ domain: hub, store_dir: FOLDER }}\nleafnodes {{ listen: \"127.0.0.1:{port}\" }}"
        ));
        let site = Server::configured(&format!(
            "server_name: site\njetstream {{ domain: site, store_dir: FOLDER }}\n\
             leafnodes {{ reconnect: 1, remotes: [ {{ url: \"nats-leaf://127.0.0.1:{port}\" }} ] }}"
        ));
        Self { hub, site }
    }
}

async fn connect(server: &Server, domain: Option<&str>) -> Bus {
    let domain = domain.map(|domain| domain.parse().expect("a name"));
    Bus::connect(&server.url(), ConnectOptions { domain, ..ConnectOptions::default() }).await.expect("it lets us in")
}

#[test]
fn each_domain_has_its_buckets_and_both_are_reached_from_a_site() {
    run(async {
        let sites = Sites::start();
        let [hub, site] = [connect(&sites.hub, None).await, connect(&sites.site, None).await];
        let [far, near] = [connect(&sites.site, Some("hub")).await, connect(&sites.site, Some("site")).await];
        eventually("the site is connected to its hub", async || {
            far.bucket("LATTICEDATA_test".parse().expect("a name"), Keep::default()).await.is_ok()
        })
        .await;
        let [at_hub, at_site] = [bucket(&hub, Keep::default()).await, bucket(&site, Keep::default()).await];
        let [far, near] = [bucket(&far, Keep::default()).await, bucket(&near, Keep::default()).await];
        let (mut far_watch, mut hub_watch) = (far.watch(), at_hub.watch());
        assert_eq!([told(&mut far_watch).await, told(&mut hub_watch).await], ["current", "current"]);

        let first = far.create(&key("a"), "of the hub".into()).await.expect("it is put");
        let entry = at_hub.get(&key("a")).await.expect("it is read").expect("it is there");
        assert_eq!((entry.value, entry.revision), ("of the hub".into(), first));
        assert_eq!([told(&mut far_watch).await, told(&mut hub_watch).await], ["a=of the hub", "a=of the hub"]);
        let second = at_hub.update(&key("a"), "changed".into(), first).await.expect("it is as it was seen");
        assert_eq!(told_until(&mut far_watch, "a=changed").await.last().expect("it was told"), "a=changed");
        far.delete_if(&key("a"), second).await.expect("it is as it was seen");
        assert_eq!(at_hub.get(&key("a")).await.expect("it is read"), None);

        near.put(&key("b"), "of the site".into()).await.expect("it is put");
        assert_eq!(at_site.keys().await.expect("they are read"), [key("b")]);
        assert_eq!(far.keys().await.expect("they are read"), [], "the same name, and another bucket");
        assert_eq!(at_hub.keys().await.expect("they are read"), []);
    });
}

#[test]
fn a_site_goes_on_without_its_hub_and_is_told_later_what_it_missed() {
    run(async {
        let mut sites = Sites::start();
        let (near, far) = (connect(&sites.site, Some("site")).await, connect(&sites.site, Some("hub")).await);
        eventually("the site is connected to its hub", async || {
            far.bucket("LATTICEDATA_test".parse().expect("a name"), Keep::default()).await.is_ok()
        })
        .await;
        let [ours, theirs] = [bucket(&near, Keep::default()).await, bucket(&far, Keep::default()).await];
        let mut watch = theirs.watch();
        assert_eq!(told(&mut watch).await, "current");
        let mut heard = listen(&near, "news", None).await;

        sites.hub.kill();
        assert_eq!(told(&mut watch).await, "away");
        theirs.put(&key("a"), "1".into()).await.expect_err("nobody keeps it");
        ours.put(&key("b"), "2".into()).await.expect("the site keeps it");
        near.publish(message("news", "here")).await.expect("it is taken");
        assert_eq!(hear(&mut heard).await.payload, "here");

        sites.hub.restart();
        let at_hub = bucket(&connect(&sites.hub, None).await, Keep::default()).await;
        at_hub.put(&key("c"), "3".into()).await.expect("it is put");
        assert!(told_until(&mut watch, "c=3").await.iter().all(|told| told != "anew"));
        let hub = connect(&sites.hub, None).await;
        eventually("what is said at the hub is heard at the site", async || {
            hub.publish(message("news", "there")).await.expect("it is taken");
            tokio::time::timeout(std::time::Duration::from_millis(100), heard.next()).await.is_ok()
        })
        .await;
    });
}

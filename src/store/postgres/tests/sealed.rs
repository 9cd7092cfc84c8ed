//! A dump of the database contains no plain text: real nodes chat with stores in a PostgreSQL, and
//! the test searches all of the dump.

use std::path::Path;

use base64::Engine;
use kirc_core::Envelope;
use kirc_core::identity::Identity;
use kirc_core::names::Nick;
use kirc_core::node::{Config, Home, Node};
use serde_json::Value;

use super::*;
use crate::driver::{self, Driver, Ports, now};
use crate::embedded::{Grid, Settings};
use crate::mailbox::Mailbox;
use crate::profile;
use crate::remote_grids::HereOnly;
use crate::services::{self, LOG_TOPIC, PARTITIONS};
use crate::session::{Attach, Session};

const CHANNEL: &str = "#plans";
/// What nobody but the members may read, and who looks into a database is none.
const SAID: [&str; 4] =
    ["we meet behind the old mill", "bring the blue lantern", "moonlight topic", "gone to the harbour"];

async fn node(dir: &Path, nick: &str, store: PostgresStore) -> (Driver, Session) {
    let identity = Identity::generate(&mut profile::rng().unwrap(), 2048);
    let grid = Grid::open(dir, Settings::default()).unwrap();
    let (signals, published) = grid.signals().unwrap();
    let mailbox: Arc<dyn Mailbox> = Arc::new(grid.mailbox().unwrap());
    let snapshot = store.load().await.unwrap();
    let home = Home { cluster: grid.id().to_owned(), log: LOG_TOPIC.to_owned(), partitions: PARTITIONS };
    let address = services::address(identity.actor(), grid.id(), "{kind}-{user}");
    let config = Config::new(Nick::parse(nick).unwrap(), address, home);
    for (name, partitions) in Node::topics(&config) {
        mailbox.create_topics(&[name], partitions).await.unwrap();
    }
    let node = Node::restore(config, identity, &snapshot, profile::seed().unwrap(), now()).unwrap();
    let ports = Ports {
        mailbox,
        signals: Arc::new(signals),
        published,
        store: Arc::new(store),
        abroad: Arc::new(HereOnly),
    };
    let driver = driver::start(node, ports).unwrap();
    let session = driver.hub().attach().await.unwrap();
    let hello = Envelope::new("HELLO").meta("caps", Vec::<Value>::new());
    session.to_node.send(hello).await.unwrap();
    session.to_node.send(Envelope::new("JOIN").to(CHANNEL)).await.unwrap();
    (driver, session)
}

async fn hear(session: &mut Session, found: impl Fn(&Envelope) -> bool) {
    let heard = async {
        while let Some(envelope) = session.from_node.recv().await {
            if found(&envelope) {
                return;
            }
        }
        panic!("the node has ended");
    };
    timeout(Duration::from_secs(60), heard).await.expect("it was not heard");
}

/// How a text can stand in a row that is printed: as it is, in the bytes of a column, in base64.
fn shapes(text: &str) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut out = vec![text.to_owned(), hex(text.as_bytes())];
    for skip in 0..3 {
        // Of base64 in any alignment the middle is the same.
        let bytes = &text.as_bytes()[skip..text.len() - (text.len() - skip) % 3];
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
        out.push(hex(encoded.as_bytes()));
        out.push(encoded);
    }
    out
}

async fn dump(client: &Client, schema: &str) -> String {
    let tables = client
        .query(
            "SELECT quote_ident(table_name::text) FROM information_schema.tables WHERE table_schema = $1",
            &[&schema],
        )
        .await
        .unwrap();
    assert!(tables.len() >= 5);
    let mut out = String::new();
    for table in tables {
        let table: String = table.get(0);
        for row in client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap() {
            out.push_str(row.get(0));
            out.push('\n');
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_holds_no_text() {
    let alice = or_leave!(real("KIRC_TEST_POSTGRES"));
    let bob = or_leave!(real("KIRC_TEST_POSTGRES"));
    let dir = tempfile::tempdir().unwrap();
    let (alices, mut a) = node(dir.path(), "alice", alice.store()).await;
    hear(&mut a, |e| e.command == "366").await;
    let (bobs, mut b) = node(dir.path(), "bob", bob.store()).await;
    hear(&mut b, |e| e.command == "366").await;
    let says = |to: &str, text: &str| Envelope::new("PRIVMSG").to(to).line(text);
    a.to_node.send(says(CHANNEL, SAID[0])).await.unwrap();
    hear(&mut b, |e| e.lines().first() == Some(&SAID[0])).await;
    b.to_node.send(says(CHANNEL, SAID[1])).await.unwrap();
    hear(&mut a, |e| e.lines().first() == Some(&SAID[1])).await;
    let topic = Envelope::new("TOPIC").to(CHANNEL).line(SAID[2]);
    a.to_node.send(topic).await.unwrap();
    hear(&mut b, |e| e.command == "TOPIC").await;
    a.to_node.send(Envelope::new("AWAY").line(SAID[3])).await.unwrap();
    hear(&mut a, |e| e.command == "306").await;
    alices.stop().await;
    bobs.stop().await;
    for rig in [&alice, &bob] {
        let link = rig.link().await;
        let text = dump(&link.client, &rig.0.schema).await;
        assert!(count(&link.client, "message").await >= 2 && count(&link.client, "log").await >= 4);
        // What may be seen is found: the search works.
        assert!(shapes(CHANNEL).iter().any(|shape| text.contains(shape)));
        for said in SAID {
            for shape in shapes(said) {
                assert!(!text.contains(&shape), "{said:?} stands in the database as {shape}");
            }
        }
        link.close().await;
    }
}

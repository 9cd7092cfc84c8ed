//! `kirc bench grid` takes away what it made, also when it does not come to its end.

mod common;

use std::time::{Duration, Instant};

use common::World;
use common::services::Cluster;

/// What measurements have made and not taken away: schemas and topics.
async fn left(world: &World) -> (Vec<String>, Vec<String>) {
    let services = world.services();
    let client = services.postgres(Cluster::First).await.expect("a PostgreSQL");
    let all = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'kirc\\_bench\\_%' ORDER BY 1";
    let rows = client.query(all, &[]).await.expect("schemas");
    let topics = services.all_topics(Cluster::First);
    (
        rows.iter().map(|row| row.get(0)).collect(),
        topics.into_iter().filter(|t| t.contains("-bench")).collect(),
    )
}

#[test]
fn a_measurement_leaves_nothing_behind() {
    let Some(world) = World::on_services("a_measurement_leaves_nothing_behind") else { return };
    world.set_up("alice");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let before = left(&world).await;
        // Interrupted once its nodes have begun.
        let mut bench = world.start("alice", &["bench", "grid", "--quick"]);
        let begin = Instant::now();
        while left(&world).await.0.len() < before.0.len() + 3 {
            assert!(begin.elapsed() < Duration::from_secs(60), "it makes no schemas");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bench.signal("INT");
        assert_eq!(bench.wait(), Some(1));
        assert_eq!(left(&world).await, before);
    });
}

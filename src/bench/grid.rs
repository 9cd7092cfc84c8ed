//! Measurements on real services: a message compared with two plain rdkafka hops, a stream compared
//! with a plain producer and consumer, bytes in the topic, and the time that a kick takes in a
//! large channel.

use std::sync::Arc;

use anyhow::bail;

use super::crowd;
use super::place::Place;
use super::raw::RawHops;
use super::stage::Stage;
use super::way::Ways;
use super::{BLOCK, Plan, Report, Row, Spread, signatures, talk};
use crate::config::Config;
use crate::services::kafka;

/// How much slower a message may be than two bare hops.
const P50_GOAL: f64 = 1.25;
/// The same for the slow end.
const P99_GOAL: f64 = 2.0;
/// Bytes of a 50-character message in the log.
const BYTES_GOAL: f64 = 1_000.0;
/// Seconds until the last of a large channel has the new key after a kick.
const KICK_GOAL: f64 = 2.0;

/// Measures on the services of these settings. `members`: of the large channel; 0 leaves it out.
pub async fn run(config: &Config, plan: Plan, members: usize) -> anyhow::Result<Report> {
    let place = Arc::new(Place::real(config).await?);
    // Whoever has waited long enough is not to leave anything behind either, nor to wait for what
    // stands in a bare hop.
    let measuring = {
        let place = place.clone();
        tokio::spawn(async move { measure(&place, plan, members).await })
    };
    let stop = measuring.abort_handle();
    let measured = tokio::select! {
        measured = measuring => measured?,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("it was interrupted")),
    };
    stop.abort();
    let cleared = place.clear().await;
    let report = measured?;
    cleared?;
    Ok(report)
}

async fn measure(place: &Place, plan: Plan, members: usize) -> anyhow::Result<Report> {
    let Some(config) = place.real_config() else { bail!("there are no real services") };
    let mut report = Report::default();
    let mut stage = Stage::open(place).await?;
    let size = stage.record_size();
    let [first, second] = place.quiet_topics().await?;
    let mut hops = RawHops::open(&kafka::owner(config)?, [&first, &second], size)?;
    let (mut ways, mut bare) = (Ways::default(), Vec::new());
    for _ in 0..20 {
        tokio::task::block_in_place(|| hops.hop())?;
    }
    while bare.len() < plan.singles {
        let block = BLOCK.min(plan.singles - bare.len());
        for _ in 0..block {
            let way = talk::single(&mut stage).await?;
            ways.add(way, &stage.take_times());
        }
        for _ in 0..block {
            bare.push(tokio::task::block_in_place(|| hops.hop())?);
        }
    }
    let signed = signatures::measure(plan.singles, size);
    let (messages, stretches) = ways.report(signed);
    let bare = Spread::of(bare);
    let p50 = Row::micros("author to reader", messages).beside("two bare rdkafka hops", bare.p50 / 1e3);
    report.rows.push(p50.goal("ratio ≤", P50_GOAL));
    let p99 = Row::value("  its p99", "µs", messages.p99 / 1e3).beside("their p99", bare.p99 / 1e3);
    report.rows.push(p99.goal("ratio ≤", P99_GOAL));
    report.rows.extend(stretches);
    report.rows.push(Row::micros("two bare rdkafka hops", bare));

    let rate = talk::flood(&mut stage, plan.flood).await?;
    let raw = tokio::task::block_in_place(|| hops.stream(plan.flood))?;
    let limit = 1e9 / signed.p50;
    report
        .rows
        .push(Row::rate("messages through one leader", rate).beside("a bare producer and consumer", raw));
    let lower = (raw / 2.0).min(limit);
    let least = Row::rate("  the same", rate).beside("half of that, or one core's signatures", lower);
    report.rows.push(least.at_least(1.0));
    stage.close().await;
    // What was said has 50 characters.
    report.rows.push(Row::value("a 50-character message in the log", "B", size as f64).goal("≤", BYTES_GOAL));
    if members > 0 {
        let took = crowd::kick(place, members).await?;
        let what = format!("kick in a channel of {members}, until the last has the new key");
        report.rows.push(Row::value(&what, "s", took.as_secs_f64()).goal("≤", KICK_GOAL));
    }
    report.record_bytes = size;
    Ok(report)
}

/// What is not there that a measurement needs.
pub fn needs(config: &Config) -> Result<(), String> {
    if config.settings.kafka.is_none() {
        return Err("KIRC_KAFKA is not set: kirc bench grid measures real services".to_owned());
    }
    // Without one the three nodes would keep what they say in the store of the profile.
    if config.settings.postgres.is_none() {
        return Err("KIRC_POSTGRES is not set: kirc bench grid keeps its nodes' stores there".to_owned());
    }
    Ok(())
}

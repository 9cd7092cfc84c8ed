//! The messages of a measurement: one at a time, and many at once.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kirc_core::Envelope;
use tokio::time::timeout;

use super::stage::{CHANNEL, Stage, Step};

/// How long the reader may hear nothing.
const PATIENCE: Duration = Duration::from_secs(30);

fn message(number: u64) -> Envelope {
    // 50 characters.
    let text = format!("{number:08} a line of the length that people write it");
    Envelope::new("PRIVMSG").to(CHANNEL).line(text)
}

/// Waits for the next message; it must be the one with this number.
async fn heard(stage: &mut Stage, number: u64) -> anyhow::Result<()> {
    loop {
        let next = timeout(PATIENCE, stage.reader.from_node.recv());
        let next = next.await.with_context(|| format!("message {number} did not reach the reader"))?;
        let next = next.context("the reader has ended")?;
        if next.command != "PRIVMSG" {
            continue;
        }
        let lines = next.lines();
        let line = lines.first().copied().unwrap_or_default();
        if !line.starts_with(&format!("{number:08} ")) {
            bail!("the reader heard another message than number {number}");
        }
        return Ok(());
    }
}

/// One message from the author's door to the reader's: when it was said and when it was heard.
pub async fn single(stage: &mut Stage) -> anyhow::Result<Step> {
    let number = stage.sent;
    stage.sent += 1;
    let said = message(number);
    let since = Instant::now();
    stage.author.send(said).await?;
    heard(stage, number).await?;
    Ok((since, Instant::now()))
}

/// Messages at full speed: how many a second reach the reader.
pub async fn flood(stage: &mut Stage, count: usize) -> anyhow::Result<f64> {
    let first = stage.sent;
    stage.sent += count as u64;
    let numbers = first..stage.sent;
    let author = stage.author.clone();
    let since = Instant::now();
    let saying = numbers.clone();
    let said = tokio::spawn(async move {
        for number in saying {
            if author.send(message(number)).await.is_err() {
                return;
            }
        }
    });
    for number in numbers {
        heard(stage, number).await?;
    }
    let took = since.elapsed().as_secs_f64();
    said.await?;
    Ok(count as f64 / took)
}

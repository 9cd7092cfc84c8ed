//! Requests as Valkey commands, and the parsing of their replies.
//!
//! This module owns the commands and the scripts. It is independent of the connection's lifecycle.
//! A call is sent when it is first polled, so the order of first polls is the order of execution.
//! Two things are sent later: a retry with the script text when the server lacks a script, and the
//! pages of `Keys` after the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use kirc_core::port::{SignalOp, SignalReply};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Script, Value, cmd, pipe};

/// Keys of one answer at the most.
const KEYS: usize = 1_000;
/// Keys that the server looks at for one page.
const PAGE: usize = 1_000;
/// The longest life: Valkey adds it to the time of day, in a signed number.
const LONGEST: u64 = 1 << 50;

/// Compare and expire.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0",
    )
});

/// Compare and delete.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

/// What must go right at the beginning of a connection: the server answers at all (and is not still
/// loading its data). The scripts are put there, too; where that is not allowed they travel with
/// the first call.
pub async fn prepare(conn: &mut MultiplexedConnection) -> RedisResult<()> {
    cmd("PING").query_async::<Value>(conn).await?;
    for script in [&*RENEW, &*RELEASE] {
        let _ = script.load_async(conn).await;
    }
    Ok(())
}

/// Does something; `prefix` stands before every key and channel.
pub async fn call(mut conn: MultiplexedConnection, prefix: &str, op: SignalOp) -> RedisResult<SignalReply> {
    let conn = &mut conn;
    let full = |key: &str| format!("{prefix}{key}");
    match op {
        SignalOp::Claim { key, value, ttl } => {
            // One command does it, so there is no script.
            let set = set(&full(&key), &value).arg("NX").arg("PX").arg(life(ttl)).to_owned();
            let answer: Value = set.query_async(conn).await?;
            return Ok(SignalReply::Claimed(answer != Value::Nil));
        }
        SignalOp::Renew { key, value, ttl } => {
            let renewed: i64 = RENEW.key(full(&key)).arg(value).arg(life(ttl)).invoke_async(conn).await?;
            return Ok(SignalReply::Renewed(renewed == 1));
        }
        SignalOp::Release { key, value } => {
            RELEASE.key(full(&key)).arg(value).invoke_async::<i64>(conn).await?;
        }
        SignalOp::Get { key } => return get(conn, &full(&key)).await,
        SignalOp::Set { key, value, ttl } => {
            let mut set = set(&full(&key), &value);
            if let Some(ttl) = ttl {
                set.arg("PX").arg(life(ttl));
            }
            done(&set, conn).await?;
        }
        SignalOp::Delete { key } => done(cmd("DEL").arg(full(&key)), conn).await?,
        SignalOp::Member { key, member, add } => {
            let name = if add { "SADD" } else { "SREM" };
            done(cmd(name).arg(full(&key)).arg(member), conn).await?;
        }
        SignalOp::Members { key } => {
            return Ok(SignalReply::Members(cmd("SMEMBERS").arg(full(&key)).query_async(conn).await?));
        }
        SignalOp::HashSet { key, fields } => hash_set(conn, &full(&key), &fields).await?,
        SignalOp::HashGet { key } => {
            return Ok(SignalReply::Hash(cmd("HGETALL").arg(full(&key)).query_async(conn).await?));
        }
        SignalOp::Keys { prefix: wanted } => return keys(conn, prefix, &wanted).await,
        SignalOp::Publish { channel, payload } => {
            done(cmd("PUBLISH").arg(full(&channel)).arg(payload), conn).await?;
        }
        SignalOp::Subscribe { channel } => done(cmd("SUBSCRIBE").arg(full(&channel)), conn).await?,
        SignalOp::Unsubscribe { channel } => done(cmd("UNSUBSCRIBE").arg(full(&channel)), conn).await?,
    }
    Ok(SignalReply::Done)
}

async fn done(cmd: &Cmd, conn: &mut MultiplexedConnection) -> RedisResult<()> {
    cmd.query_async::<Value>(conn).await.map(drop)
}

fn set(key: &str, value: &str) -> Cmd {
    let mut set = cmd("SET");
    set.arg(key).arg(value);
    set
}

fn life(ttl: u64) -> u64 {
    ttl.clamp(1, LONGEST)
}

/// Value and life of the same moment.
async fn get(conn: &mut MultiplexedConnection, key: &str) -> RedisResult<SignalReply> {
    let mut both = pipe();
    both.atomic().cmd("GET").arg(key).cmd("PTTL").arg(key);
    let (value, left): (Option<String>, i64) = both.query_async(conn).await?;
    Ok(SignalReply::Value(value.map(|value| (value, u64::try_from(left).ok()))))
}

async fn hash_set(
    conn: &mut MultiplexedConnection,
    key: &str,
    fields: &BTreeMap<String, String>,
) -> RedisResult<()> {
    let (gone, set): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| value.is_empty());
    let mut both = pipe();
    if !set.is_empty() {
        both.cmd("HSET").arg(key);
        for (field, value) in &set {
            both.arg(field).arg(value);
        }
    }
    if !gone.is_empty() {
        both.cmd("HDEL").arg(key);
        for (field, _) in &gone {
            both.arg(field);
        }
    }
    if !set.is_empty() && !gone.is_empty() {
        both.atomic();
    }
    if set.is_empty() && gone.is_empty() {
        return Ok(());
    }
    both.query_async::<Value>(conn).await.map(drop)
}

/// Keys that start with a prefix, without the program's own. Never `KEYS`: it stops the server, and
/// clouds forbid it.
async fn keys(conn: &mut MultiplexedConnection, prefix: &str, wanted: &str) -> RedisResult<SignalReply> {
    let pattern = format!("{}*", literal(&format!("{prefix}{wanted}")));
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(PAGE);
        let (next, page): (String, Vec<String>) = scan.query_async(conn).await?;
        // A page may repeat what an earlier one had.
        found.extend(page.into_iter().filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)));
        if next == "0" || found.len() >= KEYS {
            return Ok(SignalReply::Members(found.into_iter().take(KEYS).collect()));
        }
        cursor = next;
    }
}

/// A text as a pattern that matches it alone.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

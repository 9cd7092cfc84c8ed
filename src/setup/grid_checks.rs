//! The doctor's checks of a grid on real services: reachable, trusted, topics as they should be,
//! and neither too few rights nor too many.
//!
//! The checks query rights instead of trying them: they write nothing except one key in Valkey,
//! which they delete at once.

use super::doctor::Check;
use super::infra::{is_log, of_channels, wanted};
use super::rights::{self, KINDS, Kind, OWNER, RETENTION_MS, TIMESTAMPS, Timestamps};
use crate::cert::{self, Begin};
use crate::config::{Config, duration_text};
use crate::mailbox::{Admin, KafkaSettings, Operation, Pattern, Security};
use crate::services::probe::{self, Probe};
use crate::services::{LOG_TOPIC, PARTITIONS, kafka};

/// Days before its end from which a certificate is spoken of.
const SOON: u64 = 14;
/// A difference of clocks, in milliseconds, that is spoken of.
const DIFFERENCE: i64 = 5_000;
const INFRA: &str = "run: kirc setup infra";

/// All of them.
pub(super) async fn all(config: &Config) -> Vec<Check> {
    let probe = probe::all(config).await;
    let mut found = vec![reached(config, &probe), valkey(config, &probe)];
    found.extend(certificates(config, &probe).await);
    if let (Ok(cluster), Ok(owner)) = (&probe.kafka, kafka::owner(config)) {
        let mut names = wanted(config, cluster);
        found.extend(channels(config, owner.clone(), &mut names).await);
        found.extend(topics(config, owner.clone(), &names).await);
        found.push(contacts(config, &owner, &probe, &names).await);
        found.extend(hints(config, &probe));
    }
    found.extend(clocks(config, &probe));
    found.extend(budget(config));
    found
}

fn reached(config: &Config, probe: &Probe) -> Check {
    let servers = config.settings.kafka.as_deref().unwrap_or_default();
    let admin = probe.admin.as_ref().and_then(|a| a.as_ref().err());
    match (&probe.kafka, admin) {
        (Err(error), _) => Check::wrong("kafka", error, "correct KIRC_KAFKA and what belongs to it in .env"),
        (Ok(_), Some(error)) => Check::wrong(
            "kafka",
            format!("{error} (as KIRC_KAFKA_ADMIN_USER)"),
            "correct KIRC_KAFKA_ADMIN_PASSWORD in .env",
        ),
        (Ok(cluster), None) => {
            let user = config.settings.kafka_user.as_deref().unwrap_or("nobody in particular");
            Check::ok("kafka", format!("cluster {cluster} at {servers} answers, as {user}"))
        }
    }
}

fn valkey(config: &Config, probe: &Probe) -> Check {
    match &probe.valkey {
        Err(error) => Check::wrong("valkey", error, "correct KIRC_VALKEY in .env"),
        Ok(told) => {
            let prefix = &config.settings.valkey_prefix;
            let version =
                if told.version.is_empty() { "(it does not say what it is)" } else { &told.version };
            let found = format!("{version} at {}:{}, keys and channels under {prefix}", told.host, told.port);
            Check::ok("valkey", found)
        }
    }
}

/// Every certificate that is shown to us, once for each server.
async fn certificates(config: &Config, probe: &Probe) -> Vec<Check> {
    let mut servers = Vec::new();
    if let Ok(owner) = kafka::owner(config)
        && matches!(owner.security, Security::Ssl | Security::SaslSsl)
    {
        let places = owner.bootstrap.split(',').filter_map(|place| {
            let (host, port) = place.trim().rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some(("Kafka", host.to_owned(), port.parse().ok()?, Begin::AtOnce))
        });
        servers.extend(places);
    }
    if let Ok(told) = &probe.valkey
        && told.tls
    {
        servers.push(("Valkey", told.host.clone(), told.port, Begin::AtOnce));
    }
    if let Some(Ok(told)) = &probe.postgres
        && told.tls
    {
        servers.push(("PostgreSQL", told.host.clone(), told.port, Begin::Asked));
    }
    let mut found = Vec::new();
    for (name, host, port, begin) in servers {
        let Some(shown) = cert::look(&host, port, begin).await else {
            continue;
        };
        let who = format!("{name} at {host}:{port}, certificate by {}", shown.issuer);
        let renew = "have it renewed where the service runs; a cloud does that by itself";
        found.push(match shown.days_left() {
            None => Check::wrong("tls", format!("{who}: it has ended"), renew),
            Some(days) if days < SOON => Check::warning("tls", format!("{who}: {days} days left"), renew),
            Some(days) => Check::ok("tls", format!("{who}: {days} days left")),
        });
    }
    found
}

/// Where each channel has a topic of its own: those that are there are looked at with the others.
async fn channels(
    config: &Config,
    owner: KafkaSettings,
    names: &mut Vec<(String, Option<&'static Kind>)>,
) -> Option<Check> {
    let log = &config.settings.kafka_log;
    if rights::logs(log).pattern == Pattern::Literal {
        return None;
    }
    let found = match Admin::open(owner) {
        Ok(hand) => of_channels(config, &hand).await,
        Err(error) => Err(error),
    };
    Some(match found {
        Ok(found) => {
            let text = format!("each channel has a topic of its own, {log}: you may see {}", found.len());
            let kind = KINDS.iter().find(|k| k.name == LOG_TOPIC);
            names.extend(found.into_iter().map(|name| (name, kind)));
            Check::ok("topics", text)
        }
        Err(error) => Check::wrong("topics", error.to_string(), "do what it says"),
    })
}

type Names = [(String, Option<&'static Kind>)];

async fn topics(config: &Config, owner: KafkaSettings, names: &Names) -> Vec<Check> {
    let wrong = |error: String| Check::wrong("topics", error, "do what it says");
    let (hand, told) = match look(owner, names).await {
        Ok(found) => found,
        Err(error) => return vec![wrong(error)],
    };
    let log = &config.settings.kafka_log;
    let mut found = Vec::new();
    let mut well = Vec::new();
    for (name, told) in &told {
        let Some(told) = told else {
            if name == log {
                found.push(Check::wrong(
                    "topics",
                    format!("topic {name} is not there, or may not be seen"),
                    INFRA,
                ));
            }
            continue;
        };
        if told.partitions != PARTITIONS {
            let text = format!("topic {name} has {} partitions, not {PARTITIONS}", told.partitions);
            found.push(Check::warning("topics", text, format!("{INFRA} (it adds; none can be taken away)")));
        }
        let needed = [Operation::Read, Operation::Write];
        let lacks: Vec<String> =
            needed.iter().filter(|o| !told.may.contains(o)).map(|o| format!("{o:?}")).collect();
        if !lacks.is_empty() {
            let text = format!("your Kafka user may not {} topic {name}", lacks.join(" and "));
            let all = OWNER.iter().map(|o| o.name()).collect::<Vec<_>>().join(", ");
            let todo =
                format!("give it the right {all} on the topic; with KIRC_KAFKA_ADMIN_USER: kirc setup infra");
            found.push(Check::wrong("rights", text, todo));
        }
        let before = found.len();
        found.extend(settings(config, &hand, name).await);
        if found.len() == before {
            let copies =
                if told.copies == 1 { "1 copy".to_owned() } else { format!("{} copies", told.copies) };
            well.push(format!("{name} ({copies})"));
        }
    }
    let later = told.iter().filter(|(name, told)| told.is_none() && name != log).count();
    if !well.is_empty() {
        let later = if later > 0 { "; the mailbox's are made when the node first starts" } else { "" };
        found.push(Check::ok("topics", format!("{}{later}", well.join(", "))));
    }
    found
}

type Told = Vec<(String, Option<crate::mailbox::TopicTold>)>;

async fn look(settings: KafkaSettings, names: &Names) -> Result<(Admin, Told), String> {
    let hand = Admin::open(settings).map_err(|e| e.0)?;
    let names: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    let told = hand.topics(&names).await.map_err(|e| e.0)?;
    Ok((hand, told))
}

/// Settings of a topic that are not as they should be.
async fn settings(config: &Config, hand: &Admin, name: &str) -> Vec<Check> {
    let is = match hand.settings(name).await {
        Ok(is) => is,
        Err(error) => {
            let todo = "give your user the right DescribeConfigs on it, if you want this looked at";
            return vec![Check::warning("topics", error.to_string(), todo)];
        }
    };
    let value = |setting: &str| is.get(setting).map_or("", |(value, _)| value.as_str());
    let mut found = Vec::new();
    let stamp = Timestamps::LogAppendTime.name();
    if is_log(config, name) && value(TIMESTAMPS) != stamp {
        let text = format!(
            "topic {name} is stamped by its writers' clocks ({TIMESTAMPS} is {}): who leads is judged less exactly",
            value(TIMESTAMPS)
        );
        found.push(Check::warning(
            "topics",
            text,
            format!("{INFRA}, or set it to {stamp} in the cloud's console"),
        ));
    }
    let want = config.settings.kafka_retention;
    if value(RETENTION_MS) != want.to_string() {
        let now = match value(RETENTION_MS).parse() {
            Ok(millis) => duration_text(millis),
            Err(_) => "for ever".to_owned(),
        };
        let text = format!("topic {name} keeps records {now}, not {}", duration_text(want));
        let todo = format!("{INFRA}, or set KIRC_KAFKA_RETENTION to what it is, if the service fixes it");
        found.push(Check::warning("topics", text, todo));
    }
    found
}

/// What contacts may do here: exactly what they need.
async fn contacts(config: &Config, owner: &KafkaSettings, probe: &Probe, names: &Names) -> Check {
    let name = "contacts";
    let Some(visit) = &probe.peer else {
        return if config.settings.kafka_admin_user.is_some() {
            Check::ok(name, "each gets a user of its own, made with KIRC_KAFKA_ADMIN_USER")
        } else if owner.user.is_empty() {
            Check::warning(
                name,
                "nobody logs in to this Kafka: whoever reaches it may do everything on it",
                "keep it to this machine, or set up users (docs/services.md)",
            )
        } else {
            Check::warning(name, "there is no user for them, so nobody from outside can be let in", INFRA)
        };
    };
    if let Err(error) = visit {
        let todo = "correct KIRC_KAFKA_PEER_PASSWORD, or run: kirc setup infra --rotate-peer";
        return Check::wrong(name, format!("{error} (as KIRC_KAFKA_PEER_USER)"), todo);
    }
    let user = config.settings.kafka_peer_user.as_deref().unwrap_or_default();
    let peer = match kafka::peer(config) {
        Ok(Some(peer)) => peer,
        Ok(None) => return Check::ok(name, "there is no user for them"),
        Err(error) => return Check::wrong(name, error.to_string(), "do what it says"),
    };
    let (hand, told) = match look(peer, names).await {
        Ok(found) => found,
        Err(error) => return Check::wrong(name, error, "do what it says"),
    };
    let (mut lacks, mut more) = (Vec::new(), Vec::new());
    for ((topic, kind), (_, told)) in names.iter().zip(&told) {
        let may = told.as_ref().map(|t| t.may.as_slice()).unwrap_or_default();
        let should: Vec<Operation> =
            kind.map(|k| k.peer.iter().map(|o| o.of_kafka()).collect()).unwrap_or_default();
        // Looking at a topic comes with reading and writing.
        let looks = |o: &Operation| *o == Operation::Describe;
        let of = |o: &Operation| format!("{o:?} {topic}");
        more.extend(may.iter().filter(|o| !looks(o) && !should.contains(o)).map(of));
        // A topic that is not there yet says nothing.
        let there = told.is_some() || topic == &config.settings.kafka_log;
        lacks.extend(should.iter().filter(|o| there && !may.contains(o)).map(of));
    }
    let cluster = hand.cluster_rights().await.unwrap_or_default();
    more.extend(cluster.iter().map(|o| format!("{o:?} the cluster")));
    match (more.as_slice(), lacks.as_slice()) {
        ([], []) => Check::ok(name, format!("{user} may do what contacts need and nothing else")),
        ([], lacks) => {
            let text = format!("{user} may not {}: contacts can't talk to you", lacks.join(", "));
            Check::wrong(name, text, INFRA)
        }
        (more, _) => {
            let text = format!("{user} may {}, which contacts must not", more.join(", "));
            let todo = "take these rights away as Kafka's administrator (kafka-acls.sh --remove, or the cloud's console)";
            Check::wrong(name, text, todo)
        }
    }
}

/// What contacts get of the Valkey, where somebody can be let in.
fn hints(config: &Config, probe: &Probe) -> Option<Check> {
    let may_come = probe.peer.is_some() || config.settings.kafka_admin_user.is_some();
    let lends = may_come && crate::services::lends_valkey(config);
    lends.then(|| {
        let text = "contacts are handed your own login to Valkey (KIRC_VALKEY_PEER is not set): they can see and disturb hints, also after you removed them";
        let todo = "make a user of Valkey for them with the same keys and channels, and set KIRC_VALKEY_PEER to its address";
        Check::warning("contacts", text, todo)
    })
}

/// Our clock beside those of the services.
fn clocks(config: &Config, probe: &Probe) -> Vec<Check> {
    let valkey = probe.valkey.as_ref().ok().and_then(|told| told.ahead);
    let postgres = probe.postgres.as_ref().and_then(|visit| visit.as_ref().ok()).map(|told| told.ahead);
    let one = |(who, ahead): (&str, Option<i64>)| {
        let ahead = ahead?;
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        let text =
            format!("{who}'s clock is {:.1} s {side} this machine's", ahead.unsigned_abs() as f64 / 1000.0);
        let todo = "set the clock, or let it be set: timedatectl set-ntp true";
        let skew = i64::try_from(config.settings.clock_skew).unwrap_or(i64::MAX);
        Some(match ahead.abs() {
            far if far > skew => Check::wrong("clocks", text, todo),
            far if far > DIFFERENCE => Check::warning("clocks", text, todo),
            _ => Check::ok("clocks", text),
        })
    };
    [("Valkey", valkey), ("PostgreSQL", postgres)].into_iter().filter_map(one).collect()
}

/// What may be moved. How much of it is in use says the running node.
fn budget(config: &Config) -> Option<Check> {
    let found = match config.settings.budget {
        0 => {
            "no limit to what is written and read (KIRC_BUDGET=0), and no record that keeps the service awake"
                .to_owned()
        }
        bytes => format!(
            "{:.0} KiB/s are written at the most, people's messages first; history is read at that pace (KIRC_BUDGET)",
            bytes as f64 / 1024.0
        ),
    };
    Some(Check::ok("budget", found))
}

//! Creates what kirc needs on the services and does not find: topics, ACLs, the user that contacts
//! share, tables.
//!
//! Each step is reported. If only an administrator may do a step and somebody else has already done
//! it (terraform, the cloud's console), that is not a failure. The setup can run any number of
//! times, before a profile has a nick and keys, and later.

use std::cell::Cell;
use std::collections::BTreeSet;

use kirc_core::node::Home;
use kirc_core::port::PortError;

use super::rights::{self, KINDS, Kind, RETENTION_MS, TIMESTAMPS, Timestamps};
use super::{SetupError, peer};
use crate::attach;
use crate::config::Config;
use crate::mailbox::{Acl, Admin, KafkaMailbox, Mailbox, Pattern};
use crate::profile;
use crate::services::{self, LOG_TOPIC, PARTITIONS, kafka, probe};

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It was made or changed.
    Made,
    /// It was there already.
    There,
    /// It could not be done, and kirc works without.
    Note,
    /// It could not be done, and something will not work.
    Wrong,
}

/// Where steps are told.
pub(super) struct Teller<'t> {
    tell: &'t dyn Fn(Mark, &str),
    wrong: Cell<usize>,
}

impl Teller<'_> {
    pub(super) fn say(&self, mark: Mark, text: impl AsRef<str>) {
        if mark == Mark::Wrong {
            self.wrong.set(self.wrong.get() + 1);
        }
        (self.tell)(mark, text.as_ref());
    }
}

/// What is to be done besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// A new password for the user that contacts share.
    pub rotate_peer: bool,
}

/// Makes what is missing; gives how many things could not be made that are needed.
pub async fn make(config: &Config, wishes: Wishes, tell: &dyn Fn(Mark, &str)) -> Result<usize, SetupError> {
    let teller = Teller { tell, wrong: Cell::new(0) };
    if config.settings.kafka.is_none() {
        let grid = config.grid();
        if wishes.rotate_peer {
            let text =
                "this profile is on the embedded grid, where nobody logs in: there is no password to change";
            return Err(SetupError::Check(text.to_owned()));
        }
        teller.say(
            Mark::There,
            format!("grid: the folder {} needs nothing (KIRC_KAFKA is not set)", grid.display()),
        );
        return Ok(0);
    }
    let admin = kafka::admin(config)?;
    let cluster = probe::cluster(Ok(admin.clone())).await.map_err(PortError)?;
    let who = if admin.user.is_empty() { "nobody in particular".to_owned() } else { admin.user.clone() };
    teller.say(Mark::There, format!("Kafka: cluster {cluster} at {}, as {who}", admin.bootstrap));
    let hand = Admin::open(admin.clone())?;

    topics(config, &hand, KafkaMailbox::open(admin, cluster.clone())?, &cluster, &teller).await;
    let config = &peer::make(config, &hand, wishes.rotate_peer, &teller).await?;
    rules(config, &hand, &teller).await;
    match services::valkey(config)?.probe().await {
        Ok(told) => {
            let prefix = &config.settings.valkey_prefix;
            let text = format!("Valkey: {}:{} allows what is needed under {prefix}", told.host, told.port);
            teller.say(Mark::There, text);
        }
        Err(error) => teller.say(Mark::Wrong, format!("Valkey: {error}")),
    }
    tables(config, &teller).await;
    Ok(teller.wrong.get())
}

/// Whether a topic holds logs of channels.
pub(super) fn is_log(config: &Config, name: &str) -> bool {
    let log = config.settings.kafka_log.clone();
    Home { cluster: String::new(), log, partitions: PARTITIONS }.is_log(name)
}

/// The topics of single channels that are there, where each channel has one of its own.
pub(super) async fn of_channels(config: &Config, hand: &Admin) -> Result<Vec<String>, PortError> {
    if rights::logs(&config.settings.kafka_log).pattern == Pattern::Literal {
        return Ok(Vec::new());
    }
    let mut names = hand.names().await?;
    names.retain(|name| is_log(config, name));
    names.sort();
    Ok(names)
}

/// The topics that can be made now: the log, if that is one; the mailbox's where no user stands in
/// their names, or its keys are there.
///
/// Each with its kind; a mailbox's own `data-out`, where the log is another topic, is of none.
pub(super) fn wanted(config: &Config, cluster: &str) -> Vec<(String, Option<&'static Kind>)> {
    let (template, log) = (&config.settings.kafka_topics, &config.settings.kafka_log);
    let kind = |name: &str| KINDS.iter().find(|k| k.name == name);
    let logs = rights::logs(log);
    let mut names = Vec::new();
    if logs.pattern == Pattern::Literal {
        names.push((log.clone(), kind(LOG_TOPIC)));
    }
    let identity = profile::read_identity(&config.paths.identity(), config.settings.passphrase.as_ref()).ok();
    if let Some(identity) = identity {
        let address = services::address(identity.actor(), cluster, template);
        names.push((address.data_in, kind("data-in")));
        // What contacts may do with the topics of channels they may do with all that begins so.
        let begins = logs.pattern == Pattern::Prefixed && address.data_out.starts_with(&logs.name);
        names.push((address.data_out, kind(LOG_TOPIC).filter(|_| begins)));
        names.push((address.rpc_in, kind("rpc-in")));
        names.push((address.rpc_out, kind("rpc-out")));
    } else if !template.contains("{user}") {
        let name = |kind: &Kind| template.replace("{kind}", kind.name);
        names.extend(KINDS.iter().map(|k| (name(k), Some(k).filter(|k| k.name != LOG_TOPIC))));
    }
    // On a cluster of one's own the log is the mailbox's topic of that kind.
    let mut seen = BTreeSet::new();
    names.retain(|(name, _)| seen.insert(name.clone()));
    names
}

async fn topics(config: &Config, hand: &Admin, mailbox: KafkaMailbox, cluster: &str, teller: &Teller<'_>) {
    for (name, _) in wanted(config, cluster) {
        let names = [name.clone()];
        let before = hand.topics(&names).await.ok().and_then(|told| told.into_iter().next()?.1);
        if let Err(error) = mailbox.create_topics(&names, PARTITIONS).await {
            teller.say(Mark::Wrong, format!("topic: {error}"));
            continue;
        }
        match before {
            None => {
                teller.say(Mark::Made, format!("topic {name}: made, with {PARTITIONS} partitions"));
            }
            Some(told) if told.partitions < PARTITIONS => {
                teller.say(Mark::Made, format!("topic {name}: it has {PARTITIONS} partitions now"));
            }
            Some(told) => teller.say(Mark::There, format!("topic {name}: {} partitions", told.partitions)),
        }
        settings(config, hand, &name, teller).await;
    }
    channel_topics(config, hand, teller).await;
    let _ = mailbox.close().await;
}

/// The topics of single channels: they are made by who first joins, and kept as they should be
/// here.
async fn channel_topics(config: &Config, hand: &Admin, teller: &Teller<'_>) {
    let log = &config.settings.kafka_log;
    if rights::logs(log).pattern == Pattern::Literal {
        return;
    }
    match of_channels(config, hand).await {
        Ok(names) => {
            let text = format!(
                "topics {log}: {} are there, one for each channel; a node makes one when it is the first to join",
                names.len()
            );
            teller.say(Mark::There, text);
            for name in names {
                settings(config, hand, &name, teller).await;
            }
        }
        Err(error) => teller.say(Mark::Wrong, format!("topics {log}: {error}")),
    }
}

/// Settings of a topic that are not as they should be.
async fn settings(config: &Config, hand: &Admin, name: &str, teller: &Teller<'_>) {
    let is = match hand.settings(name).await {
        Ok(is) => is,
        Err(error) => return teller.say(Mark::Note, format!("topic {name}: {error}")),
    };
    let mut wanted = vec![(RETENTION_MS, config.settings.kafka_retention.to_string())];
    if is_log(config, name) {
        wanted.push((TIMESTAMPS, Timestamps::LogAppendTime.name().to_owned()));
    }
    for (setting, value) in wanted {
        let now = is.get(setting).map_or("", |(value, _)| value);
        if now == value {
            continue;
        }
        match hand.change_setting(name, setting, &value).await {
            Ok(()) => {
                teller.say(Mark::Made, format!("topic {name}: {setting} is {value} now (it was {now})"))
            }
            Err(error) => teller.say(
                Mark::Note,
                format!("topic {name}: {setting} stays {now}, not {value}: {error}; some clouds fix it"),
            ),
        }
    }
}

/// The rules of the owner and of the user that contacts share.
async fn rules(config: &Config, hand: &Admin, teller: &Teller<'_>) {
    let settings = &config.settings;
    let (template, log) = (&settings.kafka_topics, &settings.kafka_log);
    // Who makes rules and owns the mailbox at once needs none.
    if let (Some(owner), true) = (&settings.kafka_user, settings.kafka_admin_user.is_some()) {
        let wanted = rights::of_owner(owner, template, log);
        missing_rules(hand, owner, &wanted, "your own user", teller).await;
    }
    if let Some(user) = &settings.kafka_peer_user {
        let wanted = rights::of_shared_peer(user, template, log);
        missing_rules(hand, user, &wanted, "the user that contacts share", teller).await;
        if rights::named("data-in", template).is_none() {
            let text = format!(
                "KIRC_KAFKA_TOPICS={template} begins with the user, so {user} gets no rules at mailboxes"
            );
            teller.say(Mark::Note, text);
        }
    }
}

async fn missing_rules(hand: &Admin, user: &str, wanted: &[Acl], who: &str, teller: &Teller<'_>) {
    let there = match hand.describe_acls(Some(&format!("User:{user}"))).await {
        Ok(there) => there,
        Err(error) => {
            let text = format!(
                "rules: of {user} ({who}) they can't be made or seen from here: {error}. Where terraform or the cloud's \
                 console made them that is as it should be; kirc doctor looks what they come to"
            );
            return teller.say(Mark::Note, text);
        }
    };
    let lacks: Vec<Acl> =
        wanted.iter().filter(|w| !there.iter().any(|t| rights::covers(t, w))).cloned().collect();
    if lacks.is_empty() {
        teller.say(Mark::There, format!("rules: {user} ({who}) has the {} that are needed", wanted.len()));
    } else {
        match hand.create_acls(&lacks).await {
            Ok(()) => {
                for acl in &lacks {
                    let text = format!("rule: {user} ({who}) may {:?} {}", acl.operation, place(acl));
                    teller.say(Mark::Made, text);
                }
            }
            Err(error) => teller.say(Mark::Wrong, format!("rules: {user} ({who}): {error}")),
        }
    }
    // Others may share the user, each with topics of its own: what is more is told, not taken away.
    let more: Vec<String> = there
        .iter()
        .filter(|t| !wanted.contains(t))
        .map(|acl| format!("{:?} {:?} {}", acl.permission, acl.operation, place(acl)))
        .collect();
    if !more.is_empty() && who != "your own user" {
        let text = format!(
            "rules: {user} ({who}) also has {} that this profile does not need: {}",
            more.len(),
            more.join("; ")
        );
        teller.say(Mark::Note, text);
    }
}

fn place(acl: &Acl) -> String {
    match acl.pattern {
        crate::mailbox::Pattern::Literal => acl.name.clone(),
        crate::mailbox::Pattern::Prefixed => format!("{}…", acl.name),
    }
}

/// The tables of the profile, by opening its store as a node would.
async fn tables(config: &Config, teller: &Teller<'_>) {
    let settings = match services::postgres(config) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            let path = config.paths.store();
            return teller
                .say(Mark::There, format!("tables: none here, the store is the file {}", path.display()));
        }
        Err(error) => return teller.say(Mark::Wrong, format!("tables: {error}")),
    };
    if let Some(process) = attach::holder(&config.paths.lock()) {
        let text = format!("tables: in use by the running node (process {process}), which made them");
        return teller.say(Mark::There, text);
    }
    let before = settings.probe().await;
    let opened = match (&before, services::open_store(config)) {
        (Err(error), _) => Err(error.to_string()),
        (_, Err(error)) => Err(error.to_string()),
        (Ok(_), Ok(store)) => {
            let loaded = store.load().await;
            let _ = store.close().await;
            loaded.map(drop).map_err(|e| e.to_string())
        }
    };
    match (opened, before) {
        (Ok(()), Ok(told)) => {
            let (mark, what) = if told.has_tables { (Mark::There, "there") } else { (Mark::Made, "made") };
            let schema = &told.schema;
            teller.say(
                mark,
                format!("tables: {what}, in the schema {schema} of the database {}", told.database),
            );
        }
        (Err(error), _) => teller.say(Mark::Wrong, format!("tables: {error}")),
        (Ok(()), Err(_)) => {}
    }
}

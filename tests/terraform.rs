//! terraform/ against the program: its topics, partitions and rights are those of `setup::rights`,
//! and what it puts out are settings that kirc knows.
//!
//! It reads the files as text, so it needs no terraform; `scripts/terraform-check` runs what only
//! terraform can.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hcl::eval::{Context, Evaluate};
use hcl::{Body, Expression, ObjectKey, Value};
use kirc::config::{TABLE, parse_duration};
use kirc::setup::rights::{KINDS, OWNER, Operation, PARTITIONS, RETENTION, RETENTION_MS, TIMESTAMPS};

type Table = BTreeMap<String, Topic>;

/// What the configuration says of a topic.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    /// What contacts may do.
    peer: BTreeSet<String>,
    /// `message.timestamp.type`.
    timestamps: String,
}

/// The files of terraform/ itself; its modules choose plans and know nothing of topics.
fn configuration() -> Body {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("terraform");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "tf") {
            let text = std::fs::read_to_string(&path).unwrap();
            let body = hcl::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            all.extend(body.into_inner());
        }
    }
    assert!(!all.is_empty(), "no configuration in {}", folder.display());
    Body::from(all)
}

/// The bodies of blocks of a kind by their labels: `resource`, `output`, `variable`.
fn blocks<'b>(body: &'b Body, kind: &str) -> Vec<(Vec<&'b str>, &'b Body)> {
    body.blocks()
        .filter(|b| b.identifier() == kind)
        .map(|b| (b.labels().iter().map(|l| l.as_str()).collect(), b.body()))
        .collect()
}

fn attribute<'b>(body: &'b Body, name: &str) -> &'b Expression {
    let found = body.attributes().find(|a| a.key() == name);
    found.unwrap_or_else(|| panic!("no attribute {name} in {body:#?}")).expr()
}

/// An expression as it is written.
fn text(expression: &Expression) -> String {
    hcl::format::to_string(expression).unwrap().trim().to_owned()
}

fn local<'b>(body: &'b Body, name: &str) -> &'b Expression {
    let locals = blocks(body, "locals");
    let mut found = locals.iter().flat_map(|(_, b)| b.attributes()).filter(|a| a.key() == name);
    let one = found.next().unwrap_or_else(|| panic!("no local {name}"));
    assert!(found.next().is_none(), "two locals {name}");
    one.expr()
}

/// The body of a resource.
fn resource<'b>(body: &'b Body, kind: &str, name: &str) -> &'b Body {
    let found = blocks(body, "resource").into_iter().find(|(labels, _)| labels == &[kind, name]);
    found.unwrap_or_else(|| panic!("no resource {kind}.{name}")).1
}

fn topics(body: &Body) -> Table {
    hcl::from_value(value(local(body, "topics"))).unwrap()
}

/// The value of an expression without variables.
fn value(expression: &Expression) -> Value {
    expression.evaluate(&Context::new()).unwrap()
}

/// The same table, made of the program's constants.
fn expected() -> Table {
    let row = |kind: &kirc::setup::rights::Kind| Topic {
        peer: kind.peer.iter().map(|o| o.name().to_owned()).collect(),
        timestamps: kind.timestamps.name().to_owned(),
    };
    KINDS.iter().map(|kind| (kind.name.to_owned(), row(kind))).collect()
}

/// What a contact can do with the topics of a table that it should not, or can't do that it should.
fn differences(table: &Table) -> Vec<String> {
    let mut out = Vec::new();
    for (name, want) in expected() {
        match table.get(&name) {
            None => out.push(format!("there is no topic {name}")),
            Some(is) if *is != want => {
                out.push(format!("{name}: terraform/ has {is:?}, the program {want:?}"))
            }
            Some(_) => {}
        }
    }
    out.extend(
        table
            .keys()
            .filter(|name| KINDS.iter().all(|k| k.name != **name))
            .map(|name| format!("{name} is no kind of topic")),
    );
    out
}

#[test]
fn topics_and_rights_of_contacts_are_the_programs() {
    let body = configuration();
    let differences = differences(&topics(&body));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(value(local(&body, "partitions")), Value::from(PARTITIONS));
}

#[test]
fn a_right_too_many_is_seen() {
    let mut table = expected();
    table.get_mut("rpc-out").unwrap().peer.insert("Write".to_owned());
    table.remove("data-in");
    table.insert("more".to_owned(), Topic { peer: BTreeSet::new(), timestamps: "CreateTime".to_owned() });
    let found = differences(&table);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1].starts_with("rpc-out: "), "{found:?}");
}

#[test]
fn topics_are_made_of_the_table_and_of_nothing_else() {
    let body = configuration();
    let all = blocks(&body, "resource");
    let made = all.iter().filter(|(labels, _)| labels[0] == "aiven_kafka_topic").count();
    assert_eq!(made, 1, "one resource makes all topics");

    let topic = resource(&body, "aiven_kafka_topic", "mailbox");
    assert_eq!(text(attribute(topic, "for_each")), "local.topics");
    assert_eq!(text(attribute(topic, "topic_name")), "each.key");
    assert_eq!(text(attribute(topic, "partitions")), "local.partitions");
    let settings = blocks(topic, "config")[0].1;
    let names: BTreeSet<String> = settings.attributes().map(|a| a.key().replace('_', ".")).collect();
    assert_eq!(names, BTreeSet::from([TIMESTAMPS.to_owned(), RETENTION_MS.to_owned()]));
    let stamps = text(attribute(settings, "message_timestamp_type"));
    assert_eq!(stamps, "var.topic_settings ? each.value.timestamps : null");

    let retention =
        blocks(&body, "variable").into_iter().find(|(labels, _)| labels == &["retention"]).unwrap().1;
    let default = value(attribute(retention, "default"));
    let millis = parse_duration(default.as_str().unwrap()).unwrap();
    assert_eq!(u128::from(millis), RETENTION.as_millis());
}

#[test]
fn rights_are_given_in_four_places_and_no_more() {
    let body = configuration();
    let all = blocks(&body, "resource");
    let rules: BTreeSet<String> = all
        .iter()
        .filter(|(labels, _)| labels[0].contains("acl"))
        .map(|(labels, _)| labels.join("."))
        .collect();
    let want = [
        "aiven_kafka_acl.owner",
        "aiven_kafka_acl.peer",
        "aiven_kafka_native_acl.owner",
        "aiven_kafka_native_acl.peer",
    ];
    assert_eq!(rules, want.map(str::to_owned).into());

    let users = [("owner", "aiven_kafka_user.owner.username"), ("peer", "aiven_kafka_user.peer.username")];
    for (name, user) in users {
        let rule = resource(&body, "aiven_kafka_native_acl", name);
        assert_eq!(text(attribute(rule, "principal")), format!("\"User:${{{user}}}\""));
        for (field, want) in
            [("resource_type", "Topic"), ("pattern_type", "LITERAL"), ("permission_type", "ALLOW")]
        {
            assert_eq!(value(attribute(rule, field)), Value::from(want), "{name}");
        }
        let rule = resource(&body, "aiven_kafka_acl", name);
        assert_eq!(text(attribute(rule, "username")), user);
        assert_eq!(text(attribute(rule, "for_each")), "var.native_acls ? {} : local.topics");
        assert_eq!(text(attribute(rule, "topic")), "each.key");
    }

    let peer = resource(&body, "aiven_kafka_native_acl", "peer");
    assert_eq!(text(attribute(peer, "for_each")), "var.native_acls ? local.peer_rights : {}");
    assert_eq!(text(attribute(peer, "operation")), "each.value.operation");
    assert_eq!(text(attribute(peer, "resource_name")), "each.value.topic");
    let peer = resource(&body, "aiven_kafka_acl", "peer");
    assert_eq!(text(attribute(peer, "permission")), "lower(join(\"\", sort(each.value.peer)))");

    let owner = resource(&body, "aiven_kafka_native_acl", "owner");
    assert_eq!(text(attribute(owner, "for_each")), "var.native_acls ? local.topics : {}");
    assert_eq!(text(attribute(owner, "resource_name")), "each.key");
    assert_eq!(OWNER, [Operation::All]);
    assert_eq!(value(attribute(owner, "operation")), Value::from(OWNER[0].name()));
}

#[test]
fn what_it_puts_out_are_settings() {
    let body = configuration();
    let env = blocks(&body, "output").into_iter().find(|(labels, _)| labels == &["env"]).unwrap().1;
    let Expression::Object(lines) = attribute(env, "value") else { panic!("the output env is no object") };
    let names: BTreeSet<String> = lines
        .keys()
        .map(|key| match key {
            ObjectKey::Identifier(name) => name.to_string(),
            other => panic!("{other:?} is no name of a setting"),
        })
        .collect();
    assert!(names.len() > 10, "{names:?}");
    // A misspelt name would be a line that kirc reads past.
    let known = |name: &str| TABLE.iter().any(|s| s.name == name);
    let unknown: Vec<&String> = names.iter().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "kirc knows no such settings: {unknown:?}");
}

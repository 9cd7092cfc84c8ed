//! Tests the settings: precedence, all errors reported at once, secrets, the example file.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn write_env(dir: &Path, profile: &str, text: &str) {
    let folder = dir.join("profiles").join(profile);
    make_private_dir(&folder).unwrap();
    write_private(&folder.join(".env"), text.as_bytes()).unwrap();
}

#[test]
fn a_flag_wins_over_environment_over_file_over_default() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    write_env(dir.path(), "default", "KIRC_LEASE=20s\nKIRC_LOG=warn\nKIRC_GRID=/file\n");
    let config = Config::resolve(Sources::new(
        Flags::from([("KIRC_GRID", "/flag".to_owned())]),
        environment(&[("KIRC_DATA_DIR", data), ("KIRC_GRID", "/environment"), ("KIRC_LOG", "debug")]),
    ))
    .unwrap();
    assert_eq!(config.grid(), Path::new("/flag"));
    assert_eq!(config.settings.log, "debug");
    assert_eq!(config.settings.lease, 20_000);
    assert_eq!(config.settings.patience, 3_000);
    assert_eq!(config.sources.get("KIRC_LEASE").unwrap().1, Origin::File);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let error = Config::resolve(Sources::new(
        Flags::from([("KIRC_PROFILE", "a/b".to_owned())]),
        environment(&[
            ("KIRC_DATA_DIR", dir.path().to_str().unwrap()),
            ("KIRC_LEASE", "soon"),
            ("KIRC_PATIENCE", "1ms"),
            ("KIRC_RSA_BITS", "1024"),
            ("KIRC_READ_RECEIPTS", "perhaps"),
        ]),
    ))
    .unwrap_err();
    assert_eq!(error.mistakes.len(), 5, "{error}");
    let text = error.to_string();
    for name in ["--profile", "KIRC_LEASE", "KIRC_PATIENCE", "KIRC_RSA_BITS", "KIRC_READ_RECEIPTS"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_named_env_file_may_say_where_the_data_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my.env");
    write_private(&file, format!("KIRC_DATA_DIR={}/d\nKIRC_PROFILE=work\n", dir.path().display()).as_bytes())
        .unwrap();
    let flags = Flags::from([("KIRC_ENV_FILE", file.to_str().unwrap().to_owned())]);
    let config = Config::resolve(Sources::new(flags, BTreeMap::new())).unwrap();
    assert_eq!(config.paths.profile(), dir.path().join("d/profiles/work"));
    assert_eq!(config.paths.env_file(), file);

    let flags = Flags::from([("KIRC_ENV_FILE", "/no/such/file".to_owned())]);
    let home = environment(&[("HOME", "/home/x")]);
    let error = Config::resolve(Sources::new(flags, home)).unwrap_err();
    assert!(error.to_string().contains("no file /no/such/file"), "{error}");
}

#[test]
fn folders_follow_xdg() {
    let place = |pairs: &[(&str, &str)]| {
        Config::resolve(Sources::new(Flags::new(), environment(pairs))).map(|c| c.paths.data_dir().to_owned())
    };
    let home = ("HOME", "/nowhere/x");
    assert_eq!(place(&[home]).unwrap(), Path::new("/nowhere/x/.local/share/kirc"));
    assert_eq!(place(&[home, ("XDG_DATA_HOME", "/nowhere/data")]).unwrap(), Path::new("/nowhere/data/kirc"));
    assert_eq!(
        place(&[home, ("XDG_DATA_HOME", "relative")]).unwrap(),
        Path::new("/nowhere/x/.local/share/kirc")
    );
    assert!(place(&[]).is_err());
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    write_env(dir.path(), "default", "KIRC_PASSPHRASE=hunter2\n");
    let sources = || {
        let data = dir.path().to_str().unwrap();
        Sources::new(Flags::new(), environment(&[("KIRC_DATA_DIR", data)]))
    };
    let config = Config::resolve(sources()).unwrap();
    assert_eq!(config.settings.passphrase.as_ref().unwrap().expose(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));

    let file = dir.path().join("profiles/default/.env");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Config::resolve(sources()).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_example_file_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example");
    let want = example();
    if std::env::var_os("KIRC_UPDATE_FILES").is_some() {
        std::fs::write(&path, &want).unwrap();
    }
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(is, want, "run: KIRC_UPDATE_FILES=1 cargo test -p kirc example_file");
}

#[test]
fn every_default_is_a_value_that_is_accepted() {
    let home = environment(&[("HOME", "/nowhere")]);
    Config::resolve(Sources::new(Flags::new(), home)).unwrap();
    for setting in TABLE {
        assert!(setting.name.starts_with("KIRC_"));
        assert!(!setting.comment().is_empty());
    }
}

#[test]
fn the_log_is_a_topic_or_a_template_of_topics() {
    let log = |value: &str| {
        let pairs = [("HOME", "/nowhere/x"), ("KIRC_KAFKA_LOG", value)];
        Config::resolve(Sources::new(Flags::new(), environment(&pairs))).map(|c| c.settings.kafka_log)
    };
    for good in ["log", "data-out-{channel}", "a.{channel}_b"] {
        assert_eq!(log(good).unwrap(), good);
    }
    let long = "x".repeat(218);
    for bad in [
        "{channel}",
        "a{channel}b{channel}",
        "log-{user}",
        "l\u{f6}g-{channel}",
        &format!("{long}{{channel}}"),
    ] {
        let error = log(bad).unwrap_err().to_string();
        assert!(error.contains("KIRC_KAFKA_LOG") && error.contains(bad), "{error}");
    }
}

//! The scripts that lead to the cloud, without a cloud: what they write, and that they show no
//! secret.
//!
//! They run in a copy of the tree's scripts, with a terraform and a kirc that only write down how
//! they were called. The cloud's API is a port of this machine where nobody listens.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kirc::config::EnvFile;
use tempfile::TempDir;

const TOKEN: &str = "token-that-nobody-may-see";
const PASSWORD: &str = "pass'word\"\\$1 #";

fn outputs() -> String {
    serde_json::json!({
        "services": {"sensitive": false, "value": {"kafka": "kirc-kafka"}},
        "ca_cert": {"sensitive": true, "value": "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"},
        "env": {"sensitive": true, "value": {
            "KIRC_KAFKA": "kafka.example:12345",
            "KIRC_KAFKA_PASSWORD": PASSWORD,
            "KIRC_KAFKA_TOPICS": "{kind}",
            "KIRC_POSTGRES": "postgres://avnadmin:p%3F@pg.example:1/kirc?sslmode=verify-full",
        }},
    })
    .to_string()
}

/// A tree with the scripts, and tools of its own before all others.
struct Tree {
    dir: TempDir,
}

impl Tree {
    /// Nothing where there is no python3, which the scripts need: they say so themselves.
    fn new() -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            eprintln!("left out: the cloud's scripts need python3");
            return None;
        }
        let tree = Self { dir: TempDir::new().unwrap() };
        for folder in ["scripts", "terraform", "certs", "bin", "home"] {
            fs::create_dir(tree.path(folder)).unwrap();
        }
        for script in ["scripts/lib", "scripts/env-from-terraform", "scripts/setup-infra"] {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(script), tree.path(script)).unwrap();
        }
        fs::write(tree.path("outputs.json"), outputs()).unwrap();
        // Each writes its name and arguments into `calls`, and whether the token was in its
        // environment.
        let record = "#!/bin/sh\nprintf '%s %s%s\\n' \"${0##*/}\" \"$*\" \"${TF_VAR_aiven_api_token:+ (token)}\" >>\"$CALLS\"\n";
        tree.tool(
            "terraform",
            &format!("{record}case \"$*\" in *'output -json') cat \"${{CALLS%calls}}outputs.json\";; esac\n"),
        );
        tree.tool("kirc", record);
        Some(tree)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tool(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn run<A: AsRef<OsStr>>(&self, script: &str, args: &[A], token: bool) -> Output {
        let path = std::env::join_paths(
            std::iter::once(self.path("bin"))
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let mut command = Command::new(self.path(script));
        command.args(args).stdin(Stdio::null()).env_clear().env("PATH", path.unwrap());
        command.env("HOME", self.path("home")).env("CALLS", self.path("calls"));
        command.env("KIRC", self.path("bin/kirc")).env("AIVEN_WEB_URL", "http://127.0.0.1:1");
        if token {
            command.env("AIVEN_TOKEN", TOKEN);
        }
        let output = command.output().unwrap();
        let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!shown.contains(TOKEN) && !shown.contains("pass'word"), "a secret is shown: {shown}");
        output
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn env_is_written_as_kirc_reads_it_and_keeps_what_was_there() {
    let Some(tree) = Tree::new() else { return };
    let path = tree.path("my.env");
    fs::write(&path, "# mine\nKIRC_NICK=al\nexport KIRC_KAFKA = old # x\nOTHER='a b'").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let args = [OsStr::new("--env"), path.as_os_str(), OsStr::new("--from"), OsStr::new("outputs.json")];
    let args =
        args.map(|a| if a == "outputs.json" { tree.path("outputs.json").into_os_string() } else { a.into() });

    let output = tree.run("scripts/env-from-terraform", &args, false);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = EnvFile::read(&path).unwrap().unwrap();
    assert_eq!(file.get("KIRC_KAFKA_PASSWORD"), Some(PASSWORD));
    assert_eq!(file.get("KIRC_KAFKA"), Some("kafka.example:12345"));
    assert_eq!(file.get("KIRC_KAFKA_TOPICS"), Some("{kind}"));
    let postgres = "postgres://avnadmin:p%3F@pg.example:1/kirc?sslmode=verify-full";
    assert_eq!(file.get("KIRC_POSTGRES"), Some(postgres));
    assert_eq!((file.get("KIRC_NICK"), file.get("OTHER")), (Some("al"), Some("a b")));
    assert_eq!(file.pairs().filter(|(name, _)| *name == "KIRC_KAFKA").count(), 1);
    let ca = PathBuf::from(file.get("KIRC_CA").unwrap());
    assert_eq!(ca.canonicalize().unwrap(), tree.path("certs/ca.pem").canonicalize().unwrap());
    assert!(fs::read_to_string(&ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(mode(&path), 0o600);

    let before = fs::read_to_string(&path).unwrap();
    assert!(before.starts_with("# mine\nKIRC_NICK=al\n"), "{before}");
    let output = tree.run("scripts/env-from-terraform", &args, false);
    assert!(text(&output.stdout).contains("nothing to change"));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn outputs_that_are_not_whole_change_nothing() {
    let Some(tree) = Tree::new() else { return };
    let half = outputs().replace("kafka.example:12345", "");
    for (outputs, why) in
        [("{}", "nothing to put out"), ("pass'word", "no JSON"), (half.as_str(), "KIRC_KAFKA")]
    {
        fs::write(tree.path("outputs.json"), outputs).unwrap();
        let output = tree.run("scripts/env-from-terraform", &["--env", "/nowhere/.env"], false);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    assert!(!tree.path("certs/ca.pem").exists());
}

#[test]
fn setup_goes_from_a_token_to_an_env() {
    let Some(tree) = Tree::new() else { return };
    let args = ["--yes", "--project", "my-project", "--nick", "alice"];
    let output = tree.run("scripts/setup-infra", &args, true);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(
        tree.read("calls"),
        "terraform -chdir=terraform init -input=false (token)\n\
         terraform -chdir=terraform apply -input=false -auto-approve (token)\n\
         terraform -chdir=TREE/terraform output -json\n\
         kirc setup infra\n\
         kirc setup --nick alice --yes\n\
         kirc doctor\n"
            .replace("TREE", &tree.dir.path().canonicalize().unwrap().to_string_lossy())
    );
    assert_eq!(tree.read("terraform/terraform.tfvars"), "project = \"my-project\"\n");
    let env = tree.path("home/.local/share/kirc/profiles/default/.env");
    assert_eq!(mode(&env), 0o600);
    assert_eq!(mode(env.parent().unwrap()), 0o700);
    for file in ["terraform/terraform.tfvars", "calls", "home/.local/share/kirc/profiles/default/.env"] {
        assert!(!tree.read(file).contains(TOKEN), "the token is in {file}");
    }

    // Again, with what is known by now: nothing is asked, nothing is written twice.
    let output = tree.run("scripts/setup-infra", &["--yes"], true);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(tree.read("terraform/terraform.tfvars"), "project = \"my-project\"\n");
}

#[test]
fn a_dry_run_does_nothing() {
    let Some(tree) = Tree::new() else { return };
    let output = tree.run("scripts/setup-infra", &["--dry-run"], true);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("would run: terraform -chdir=terraform apply -input=false\n"), "{shown}");
    assert!(shown.contains("would run: ") && shown.ends_with("Nothing was done.\n"), "{shown}");
    assert!(!tree.path("calls").exists() && !tree.path("terraform/terraform.tfvars").exists());
    assert_eq!(fs::read_dir(tree.path("home")).unwrap().count(), 0);
}

#[test]
fn what_is_missing_is_said() {
    let Some(tree) = Tree::new() else { return };
    for (args, token, why) in [
        (vec!["--yes"], false, "there is no token"),
        (vec!["--yes"], true, "which project is not known"),
        (vec!["--yes", "--project", "a\"b"], true, "is no name of a project"),
        (vec!["--what"], true, "is no option"),
    ] {
        let output = tree.run("scripts/setup-infra", &args, token);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    assert!(!tree.path("calls").exists());
}

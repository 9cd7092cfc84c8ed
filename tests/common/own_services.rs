//! Services of a test's own, which it may kill, stop and empty: started by `scripts/services` in a
//! folder of their own and ended with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::services::Services;

/// Services that belong to one test.
pub struct OwnServices {
    dir: tempfile::TempDir,
}

impl OwnServices {
    /// Starts them. Nothing where the environment names no services at all, by the rule of
    /// [`Services::from_env`].
    pub fn start(test: &str, clusters: u32) -> Option<Self> {
        Services::from_env(test)?;
        let own = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        own.run(&["start", "--clusters", &clusters.to_string()]);
        Some(own)
    }

    /// Where they are.
    pub fn services(&self) -> Services {
        Services::from_text(&self.run(&["env", "--test"]))
    }

    /// `scripts/services` on them: `kill kafka`, `restart kafka`, `wipe kafka`, `pause valkey`, …;
    /// what it says on stdout.
    pub fn run(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let mut command = Command::new(script);
        command.args(arguments).arg("--dir").arg(self.folder()).stdin(Stdio::null());
        let output = command.output().expect("scripts/services can be run");
        assert!(output.status.success(), "scripts/services {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Their folder.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("services")
    }
}

impl Drop for OwnServices {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let mut command = Command::new(script);
        let _ = command.arg("stop").arg("--dir").arg(self.folder()).stdin(Stdio::null()).output();
    }
}

//! A temporary folder that is deleted when its owner is dropped.

use std::path::{Path, PathBuf};

/// A folder for one measurement; removed when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one that was not there before.
    pub fn new() -> anyhow::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
        let name = format!("kirc-bench-{:016x}", u64::from_le_bytes(random));
        let path = std::env::temp_dir().join(name);
        crate::config::make_private_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

//! The locations of files. It reads and writes none of them.

use std::path::{Path, PathBuf};

use super::parse::FromText;
use super::{Mistake, Sources};

/// The name of a profile: a folder's name without surprises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileName(String);

impl ProfileName {
    /// Checks a name: 1 to 32 letters, digits, `-` or `_`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fine = !text.is_empty()
            && text.len() <= 32
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("\"{text}\" is no profile name: 1 to 32 letters, digits, - and _"))
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The places of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    data_dir: PathBuf,
    profile: ProfileName,
    env_file: Option<PathBuf>,
}

impl Paths {
    pub(super) fn resolve(sources: &Sources, env_file: Option<PathBuf>, mistakes: &mut Vec<Mistake>) -> Self {
        let profile = match sources.get("KIRC_PROFILE") {
            Some((text, origin)) => ProfileName::parse(text).unwrap_or_else(|why| {
                let what = match origin {
                    super::Origin::Flag => "--profile".to_owned(),
                    _ => format!("KIRC_PROFILE (from {})", origin.text()),
                };
                mistakes.push(Mistake { what, why });
                ProfileName("default".into())
            }),
            None => ProfileName("default".into()),
        };
        let data_dir = data_dir(sources).unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            PathBuf::new()
        });
        Self { data_dir, profile, env_file }
    }

    /// The folder of all profiles.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
    /// The profile's name.
    pub fn profile_name(&self) -> &str {
        self.profile.as_str()
    }
    /// The profile's folder.
    pub fn profile(&self) -> PathBuf {
        self.data_dir.join("profiles").join(self.profile.as_str())
    }
    /// Its `.env`, or the one that was named.
    pub fn env_file(&self) -> PathBuf {
        self.env_file.clone().unwrap_or_else(|| self.profile().join(".env"))
    }
    /// Its key file.
    pub fn identity(&self) -> PathBuf {
        self.profile().join("identity.json")
    }
    /// Its store.
    pub fn store(&self) -> PathBuf {
        self.profile().join("store.db")
    }
    /// The id of the Kafka cluster that its grid is on.
    pub fn cluster(&self) -> PathBuf {
        self.profile().join("cluster")
    }
    /// Who holds a lock on this file is the node.
    pub fn lock(&self) -> PathBuf {
        self.profile().join("kirc.lock")
    }
    /// The socket of the node.
    pub fn socket(&self) -> PathBuf {
        self.profile().join("kirc.sock")
    }
    /// The hash of the owner's password for IRC clients.
    pub fn password(&self) -> PathBuf {
        self.profile().join("password.json")
    }
    /// The log of everything but `kirc node`.
    pub fn log(&self) -> PathBuf {
        self.profile().join("kirc.log")
    }
}

fn data_dir(sources: &Sources) -> Result<PathBuf, Mistake> {
    let mistake = |why: String| Mistake { what: "KIRC_DATA_DIR".into(), why };
    if let Some((text, _)) = sources.get("KIRC_DATA_DIR") {
        let path = PathBuf::from_text(text).map_err(mistake)?;
        return std::path::absolute(&path).map_err(|e| mistake(e.to_string()));
    }
    // XDG Base Directory: a relative path there is to be ignored.
    let xdg = sources.foreign("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || sources.foreign("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    xdg.or_else(home)
        .map(|p| p.join("kirc"))
        .ok_or_else(|| mistake("neither XDG_DATA_HOME nor HOME is set; give --data-dir".into()))
}

//! The home grid of this profile: detects a change of grid and tells the user.
//!
//! It refuses nothing: a user may recreate a grid on purpose.

use super::ctx::Origin;
use super::*;
use crate::port::Table;

const KEY: &str = "home";

/// The home grid in the store, if it differs from ours.
pub(super) fn other(values: &BTreeMap<(Table, String), Vec<u8>>, ours: &str) -> Option<String> {
    let kept = values.get(&(Table::Setting, KEY.to_owned()))?;
    serde_json::from_slice(kept).ok().filter(|kept: &String| kept != ours)
}

impl Node {
    /// At the start of the node: logs a change of grid, or stores the first grid.
    pub(super) fn begin_at_home(&mut self) {
        match self.other_grid() {
            Some(text) => self.cx.out.push(Effect::Warn { text }),
            None => self.keep_home(),
        }
    }

    /// Tells a new session about a change of grid.
    pub(super) fn tell_home(&mut self, origin: &Origin) {
        if let Some(text) = self.other_grid() {
            let alarm = Envelope::new("ALARM").to(self.cx.nick().as_str()).param("other-grid").line(text);
            self.cx.deliver(origin.session, alarm);
        }
    }

    /// The user accepts the current grid as home.
    pub(super) fn settle_home(&mut self) {
        if self.other_home.take().is_some() {
            self.keep_home();
        }
    }

    fn keep_home(&mut self) {
        let home = self.cx.cfg.home.cluster.clone();
        self.cx.put(Table::Setting, KEY, &home);
    }

    fn other_grid(&self) -> Option<String> {
        let other = self.other_home.as_ref()?;
        let ours = &self.cx.cfg.home.cluster;
        Some(format!(
            "this profile lived on another grid until now ({other}; this one is {ours}), and its channels and people are still there: if that is not meant, set KIRC_GRID or KIRC_KAFKA as before; if it is, join a channel here, and this is not said again"
        ))
    }
}

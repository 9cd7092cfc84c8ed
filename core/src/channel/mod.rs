//! What IRC calls a channel: members, ranks, modes, masks, topic. A reducer over author-signed
//! acts.
//!
//! One question, two askers: the leader asks before it relays, every reader asks again. It knows no
//! keys, no log, no clock. Whoever folds the same acts in the same order holds the same state, to
//! the byte.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `act` | what an author did, out of its envelope and back |
//! | `mode` | the mode letters and ranks, and the syntax of MODE |
//! | `state` | the replicated state and what may be asked of it |
//! | `policy` | whether an act is allowed: the only place that says no |
//! | `sound` | whether a state that was handed over can be one |
//! | `apply` | what an allowed act changes: the only place that changes anything |
mod act;
mod apply;
mod brief;
mod mode;
mod policy;
mod refusal;
mod sound;
mod state;
#[cfg(test)]
mod tests;

pub use act::{Act, ActKind, after};
pub use apply::Change;
pub use mode::{ModeChange, ModeKind, ModeRequest, Rank, parse_mode_args, render_modes};
pub use refusal::Refusal;
pub use state::{ChannelState, MaskEntry, Member, Order, Topic, prefix_of};

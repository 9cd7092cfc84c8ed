//! An IRC channel: members, ranks, modes, masks and topic, as a reducer over author-signed acts.
//!
//! The leader checks each act before it relays it, and every reader checks it again. This module
//! knows no keys, no log and no clock. All nodes that fold the same acts in the same order hold the
//! same state, byte for byte.
//!
//! | file | purpose |
//! | --- | --- |
//! | `act` | an author's act: from its envelope and back |
//! | `mode` | the mode letters and ranks, and the syntax of MODE |
//! | `member` | a member: a user and the actor that speaks for it |
//! | `state` | the replicated state and the queries on it |
//! | `policy` | whether an act is allowed: the only file that refuses |
//! | `validate` | whether a state from another node is possible at all |
//! | `apply` | what an allowed act changes: the only file that changes anything |
//! | `index` | look-ups that follow from the state |
mod act;
mod apply;
mod brief;
mod index;
mod member;
mod mode;
mod policy;
mod refusal;
mod state;
#[cfg(test)]
mod tests;
mod validate;

pub use act::{Act, ActKind, HostedJoin, after};
pub use apply::Change;
pub(crate) use apply::uncount;
pub(crate) use brief::{from_parts, head};
pub use member::{HostedUser, Member, Who, prefix_of};
pub use mode::{ModeChange, ModeKind, ModeRequest, Rank, parse_mode_args, render_modes};
pub use refusal::Refusal;
pub use state::{ChannelState, MaskEntry, Order, Topic};

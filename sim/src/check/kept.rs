//! Promise 2: a message that was accepted as *sending* is eventually sent or refused with a reason,
//! whatever crashes meanwhile.

use super::{Breaches, Promise, View, honest};
use crate::world::World;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    for (id, message) in &view.messages {
        let (Some(accepted), true) = (message.accepted, honest(world, message.host)) else {
            continue;
        };
        let host = &world.hosts[message.host];
        let rows = host.store.messages();
        let row = rows.iter().find(|r| r.id == *id);
        let settled = message.settled.is_some()
            || row.is_some_and(|r| matches!(r.state.as_str(), "sent" | "delivered" | "read"));
        let refused = message.refused.is_some() || row.is_some_and(|r| r.state == "failed");
        let waits = host.store.outbox().any(|o| o.id == *id);
        if !settled && !refused && !waits {
            found.add(
                Promise::Kept,
                accepted,
                &[id],
                format!(
                    "{} was shown {id} ({}) as sending; it was neither sent nor refused, and the outbox has forgotten it",
                    host.nick, message.text
                ),
            );
        } else if waits {
            found.add(
                Promise::Kept,
                accepted,
                &[id],
                format!(
                    "{} was shown {id} ({}) as sending, and still waits to send it{}",
                    host.nick,
                    message.text,
                    if settled { ", though it is sent" } else { "" }
                ),
            );
        }
        if let Some((_, why)) = &message.refused
            && why.trim().is_empty()
        {
            found.add(
                Promise::Kept,
                accepted,
                &[id],
                format!("{} had {id} refused without a reason", host.nick),
            );
        }
    }
}

//! What goes to the store in one transaction.

use std::collections::HashSet;

use kirc_core::port::{Effect, StoreOp};

/// Takes the store's effects out of a list; the others keep their order.
pub(super) fn take_store(effects: &mut Vec<Effect>) -> Vec<StoreOp> {
    let mut ops = Vec::new();
    let mut rest = Vec::with_capacity(effects.len());
    for effect in effects.drain(..) {
        match effect {
            Effect::Store(op) => ops.push(op),
            other => rest.push(other),
        }
    }
    *effects = rest;
    without_overwritten(ops)
}

/// Leaves out what a later operation of the same transaction overwrites: nobody can ever see it.
fn without_overwritten(ops: Vec<StoreOp>) -> Vec<StoreOp> {
    if ops.len() < 8 {
        return ops;
    }
    let mut seen = HashSet::new();
    let mut keep: Vec<bool> = ops
        .iter()
        .rev()
        .map(|op| match op {
            StoreOp::Put { table, key, .. } => seen.insert((*table, key.as_str())),
            _ => true,
        })
        .collect();
    keep.reverse();
    let mut keep = keep.into_iter();
    let mut ops = ops;
    ops.retain(|_| keep.next().unwrap_or(true));
    ops
}

#[cfg(test)]
mod tests {
    use super::*;
    use kirc_core::port::Table;

    fn put(key: &str, value: u8) -> StoreOp {
        StoreOp::Put {
            table: Table::Position,
            key: key.to_owned(),
            value: vec![value],
        }
    }

    #[test]
    fn of_many_values_for_a_key_the_last_is_written_and_the_order_stays() {
        let mut effects: Vec<Effect> = (0..20).map(|i| Effect::Store(put("a", i))).collect();
        effects.insert(3, Effect::Store(put("b", 1)));
        effects.push(Effect::Stopped);
        let delete = StoreOp::Delete {
            table: Table::Position,
            key: "b".into(),
        };
        effects.push(Effect::Store(delete.clone()));
        let ops = take_store(&mut effects);
        assert_eq!(ops, vec![put("b", 1), put("a", 19), delete]);
        assert_eq!(effects, vec![Effect::Stopped]);
    }
}

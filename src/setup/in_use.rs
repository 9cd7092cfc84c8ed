//! The doctor's checks of usage: of the budget, and of the space for history.
//!
//! A running node reports usage in its STATUS; without one, the store is queried. The checks change
//! nothing.

use kirc_core::Envelope;
use kirc_core::port::{Room, Traffic};
use serde_json::Value;

use super::doctor::Check;

/// Share of the budget, in percent, from which it is spoken of.
const MUCH: u64 = 80;

/// What a running node says.
pub(super) fn of_status(said: &Envelope) -> Vec<Check> {
    let services = said.get("services");
    let figures = |service: &str, name: &str| services.as_ref().map(|s| s[service][name].clone());
    let traffic = figures("mailbox", "traffic").and_then(|t| {
        let [written, read, budget] = ["written", "read", "budget"].map(|n| t[n].as_u64());
        Some(Traffic { written: written?, read: read?, budget: budget? })
    });
    let room = figures("store", "room").and_then(|r| {
        let limit = r["limit"].as_u64();
        Some(Room { used: r["used"].as_u64()?, disk: r["disk"].as_u64()?, limit })
    });
    let reason = figures("mailbox", "reason").as_ref().and_then(Value::as_str).map(str::to_owned);
    let waits = reason.is_some_and(|reason| reason.contains("budget"));
    traffic.map(|t| budget(t, waits)).into_iter().chain(room.map(history)).collect()
}

fn budget(traffic: Traffic, waits: bool) -> Check {
    let Traffic { written, read, budget } = traffic;
    let share = |bytes: u64| bytes.saturating_mul(100).div_ceil(budget.max(1));
    let found = format!(
        "in use over the last minute: {} a second written ({} %), {} read ({} %) of {} each",
        size(written),
        share(written),
        size(read),
        share(read),
        size(budget)
    );
    if waits || share(written) >= MUCH || share(read) >= MUCH {
        let todo = "nothing, if it passes: people's messages go first. Otherwise raise KIRC_BUDGET if the service allows more";
        return Check::warning("budget", found, todo);
    }
    Check::ok("budget", found)
}

/// How much is kept.
pub(super) fn history(room: Room) -> Check {
    let Room { used, disk, limit } = room;
    let used_of = match limit {
        Some(limit) => format!("{} of {} (KIRC_HISTORY_LIMIT)", size(used), size(limit)),
        None => format!("{}, without a limit (KIRC_HISTORY_LIMIT)", size(used)),
    };
    let found = format!("the store keeps {used_of}, and takes {} of the disk", size(disk));
    match limit {
        Some(limit) if used > limit => {
            let todo =
                "a running node trims it: start one (kirc node). If it stays so, raise KIRC_HISTORY_LIMIT";
            Check::warning("history", found, todo)
        }
        _ => Check::ok("history", found),
    }
}

/// Bytes as a person says them.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let text = format!("{:.1}", bytes as f64 / unit as f64);
            format!("{} {name}", text.trim_end_matches(".0"))
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::doctor::State;
    use super::*;

    #[test]
    fn what_a_node_says_is_put_into_words() {
        let status = |written: u64, used: u64, limit: Value| {
            Envelope::new("STATUS").field(
                "services",
                json!({
                    "mailbox": {"up": true, "reason": "", "traffic": {"written": written, "read": 0, "budget": 128_000}},
                    "store": {"up": true, "reason": "", "room": {"used": used, "disk": 3 << 20, "limit": limit}},
                }),
            )
        };
        let well = of_status(&status(1_280, 1_536 << 10, json!(700 << 20)));
        assert_eq!(well.iter().map(|c| c.state).collect::<Vec<_>>(), [State::Ok, State::Ok]);
        assert!(
            well[0].found.contains("1.2 KiB a second written (1 %), 0 B read (0 %) of 125 KiB"),
            "{well:?}"
        );
        assert!(well[1].found.contains("1.5 MiB of 700 MiB") && well[1].found.contains("3 MiB of the disk"));
        let bad = of_status(&status(120_000, 2 << 20, json!(1 << 20)));
        assert_eq!(bad.iter().map(|c| c.state).collect::<Vec<_>>(), [State::Warning, State::Warning]);
        assert!(of_status(&status(0, 5, Value::Null))[1].found.contains("5 B, without a limit"));
        // An older node says nothing of it.
        assert!(of_status(&Envelope::new("STATUS").field("services", json!({"mailbox": {}}))).is_empty());
    }
}

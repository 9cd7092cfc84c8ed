//! The clocks of the embedded adapters, and random names.
//!
//! This module gives all processes of a machine the same time. The core has its own clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use kirc_core::ids::Millis;

/// Milliseconds since 1970, as the machine believes. It may jump.
pub fn wall() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// A clock that is the same for all processes, never runs backwards and runs on through suspend; it
/// begins anew with each boot ([`boot`]).
#[cfg(target_os = "linux")]
pub fn mono() -> Millis {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(t.tv_sec * 1000 + t.tv_nsec / 1_000_000).unwrap_or(0)
}

/// Where there is no such clock, the wall's has to do.
#[cfg(not(target_os = "linux"))]
pub fn mono() -> Millis {
    wall()
}

/// Names this boot of the machine.
pub fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

/// A time and the [`mono`] clock at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub time: Millis,
    /// The clock that does not jump.
    pub mono: Millis,
}

impl Stamp {
    /// Now.
    pub fn now() -> Self {
        Self { time: wall(), mono: mono() }
    }

    /// The stamp of what comes after `self` at `now`: never earlier. If the wall clock was set
    /// back, time goes on from the last stamp, an eighth slower than real until the wall has caught
    /// up, rather than standing still: the rules about silent leaders measure by it.
    pub fn next(self, now: Self) -> Self {
        if now.time >= self.time {
            return now;
        }
        let passed = now.mono.saturating_sub(self.mono);
        // A whole hour of silence says nothing reliable: another boot's clock may have stood there.
        let passed = if passed > 3_600_000 { 0 } else { passed };
        Self { time: self.time + passed - passed / 8, mono: now.mono }
    }
}

/// A random name of 16 hexadecimal digits.
pub fn random_name() -> Result<String, std::io::Error> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_when_the_wall_is_set_back() {
        let stamp = |time, mono| Stamp { time, mono };
        let last = stamp(90_000, 1_000);
        assert_eq!(last.next(stamp(90_500, 1_500)), stamp(90_500, 1_500));
        assert_eq!(last.next(stamp(100, 1_800)), stamp(90_700, 1_800));
        // After a boot the other clock starts low: time stands, it never runs back.
        assert_eq!(last.next(stamp(100, 10)), stamp(90_000, 10));
        assert_eq!(stamp(90_000, 10).next(stamp(500, 810)), stamp(90_700, 810));
    }

    #[test]
    fn the_clock_that_does_not_jump_runs() {
        let before = mono();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!((15..5_000).contains(&(mono() - before)));
    }
}

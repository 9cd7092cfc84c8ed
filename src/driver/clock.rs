//! A node's two clocks, and an alarm that keeps running while the machine is suspended.

use std::io;
use std::os::fd::AsFd;

use kirc_core::ids::Millis;
use kirc_core::port::Now;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// This moment.
pub fn now() -> Now {
    Now { wall: millis(ClockId::Realtime), mono: millis(ClockId::Boottime) }
}

fn millis(clock: ClockId) -> Millis {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Rings when the monotonic clock reaches a moment, also if the machine slept in between.
///
/// It is a timer of the system's, read like a pipe: 8 bytes when it rang.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: Receiver,
    set: Option<Millis>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { timer: Receiver::from_owned_fd_unchecked(timer)?, set: None })
    }

    /// Sets it, or takes it back.
    pub(super) fn set(&mut self, at: Option<Millis>) -> io::Result<()> {
        if self.set == at {
            return Ok(());
        }
        // Zero would disarm it.
        let spec = Itimerspec { it_interval: timespec(0), it_value: timespec(at.map_or(0, |at| at.max(1))) };
        timerfd_settime(self.timer.as_fd(), TimerfdTimerFlags::ABSTIME, &spec)?;
        self.set = at;
        Ok(())
    }

    /// Waits until it rings. Once it rang it must be set anew.
    pub(super) async fn rings(&mut self) {
        loop {
            if self.timer.readable().await.is_err() {
                // The runtime is going away.
                return std::future::pending().await;
            }
            if self.timer.try_read(&mut [0; 8]).is_ok() {
                self.set = None;
                return;
            }
        }
    }
}

fn timespec(millis: Millis) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(millis % 1000 * 1_000_000).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn the_alarm_rings_when_it_should_and_can_be_taken_back() {
        let mut alarm = Alarm::new().unwrap();
        let begin = now().mono;
        alarm.set(Some(begin + 60_000)).unwrap();
        alarm.set(Some(begin + 30)).unwrap();
        alarm.rings().await;
        assert!((begin + 30..begin + 5_000).contains(&now().mono));

        alarm.set(Some(begin + 1)).unwrap();
        alarm.rings().await;
        alarm.set(Some(now().mono + 20)).unwrap();
        alarm.set(None).unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(80), alarm.rings()).await;
        assert!(quiet.is_err());
    }
}

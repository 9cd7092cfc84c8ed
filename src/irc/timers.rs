//! The clocks of a connection: registration, silence, floods, readers that don't read.
//!
//! It reads no clock itself: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// How long a registration may take.
const REGISTRATION: Duration = Duration::from_secs(30);
/// After how long a silent client is pinged.
const IDLE: Duration = Duration::from_secs(90);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a client may read nothing while something waits for it.
const STALL: Duration = Duration::from_secs(30);
/// Lines at once.
const BURST: u32 = 20;
/// What a line costs of the time.
const COST: Duration = Duration::from_millis(100);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The client has to be pinged.
    Ping,
    /// The connection ends, for this reason.
    End(&'static str),
}

/// The clocks.
#[derive(Debug)]
pub struct Timers {
    begun: Instant,
    registered: bool,
    heard: Instant,
    pinged: Option<Instant>,
    stalled: Option<Instant>,
    /// When the lines that were taken in are paid for.
    paid: Instant,
}

impl Timers {
    /// For a connection that begins now.
    pub fn new(now: Instant) -> Self {
        Self { begun: now, registered: false, heard: now, pinged: None, stalled: None, paid: now }
    }

    /// The client is in.
    pub fn registered(&mut self) {
        self.registered = true;
    }

    /// Something came from the client.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// Whether everything that was written was taken.
    pub fn wrote(&mut self, now: Instant, progress: bool, all: bool) {
        if all {
            self.stalled = None;
        } else if progress || self.stalled.is_none() {
            self.stalled = Some(now);
        }
    }

    /// Whether a line may be taken in now; it is counted then.
    pub fn take_line(&mut self, now: Instant) -> bool {
        let paid = self.paid.max(now) + COST;
        let fits = paid <= now + COST * BURST;
        if fits {
            self.paid = paid;
        }
        fits
    }

    /// When the next line may be taken in.
    pub fn next_line(&self) -> Instant {
        self.paid + COST - COST * BURST
    }

    /// When to look again.
    pub fn next(&self) -> Instant {
        let silence = match self.pinged {
            Some(at) => at + ANSWER,
            None if self.registered => self.heard + IDLE,
            None => self.begun + REGISTRATION,
        };
        self.stalled.map_or(silence, |at| silence.min(at + STALL))
    }

    /// What is due now.
    pub fn due(&mut self, now: Instant) -> Due {
        if self.stalled.is_some_and(|at| now >= at + STALL) {
            return Due::End("the client does not read");
        }
        if !self.registered {
            let late = now >= self.begun + REGISTRATION;
            return if late { Due::End("registration timeout") } else { Due::Nothing };
        }
        match self.pinged {
            Some(at) if now >= at + ANSWER => Due::End("Ping timeout: 150 seconds"),
            None if now >= self.heard + IDLE => {
                self.pinged = Some(now);
                Due::Ping
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(begun: Instant, seconds: u64) -> Instant {
        begun + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_is_pinged_and_then_ended() {
        let begun = Instant::now();
        let mut timers = Timers::new(begun);
        assert_eq!(timers.due(after(begun, 29)), Due::Nothing);
        timers.registered();
        assert_eq!(timers.due(after(begun, 89)), Due::Nothing);
        assert_eq!(timers.next(), after(begun, 90));
        assert_eq!(timers.due(after(begun, 90)), Due::Ping);
        assert_eq!(timers.due(after(begun, 91)), Due::Nothing);
        timers.heard(after(begun, 100));
        assert_eq!(timers.due(after(begun, 150)), Due::Nothing);
        assert_eq!(timers.due(after(begun, 190)), Due::Ping);
        assert_eq!(timers.due(after(begun, 250)), Due::End("Ping timeout: 150 seconds"));
    }

    #[test]
    fn a_registration_has_an_end() {
        let begun = Instant::now();
        let mut timers = Timers::new(begun);
        timers.heard(after(begun, 29));
        assert_eq!(timers.due(after(begun, 30)), Due::End("registration timeout"));
    }

    #[test]
    fn a_burst_is_taken_and_then_ten_lines_a_second() {
        let begun = Instant::now();
        let mut timers = Timers::new(begun);
        let burst = (0..100).filter(|_| timers.take_line(begun)).count();
        assert_eq!(burst, 20);
        assert_eq!(timers.next_line(), begun + COST);
        let later = after(begun, 1);
        assert_eq!((0..100).filter(|_| timers.take_line(later)).count(), 10);
    }

    #[test]
    fn who_does_not_read_is_ended() {
        let begun = Instant::now();
        let mut timers = Timers::new(begun);
        timers.registered();
        timers.wrote(begun, true, false);
        timers.wrote(after(begun, 20), true, false);
        timers.heard(after(begun, 49));
        assert_eq!(timers.due(after(begun, 49)), Due::Nothing);
        timers.wrote(after(begun, 49), false, false);
        assert_eq!(timers.due(after(begun, 50)), Due::End("the client does not read"));
    }
}

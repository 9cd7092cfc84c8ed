//! Bytes of a connection, cut into lines. It keeps at most one line of the longest kind.

use super::codec::{LINE, Line, LineError, TAGS};

/// Bytes that are kept of what was read.
const MOST: usize = 32 * 1024;

/// What was read and is no whole line yet, and lines that wait for their turn.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Up to where `bytes` is known to have no line end.
    seen: usize,
    /// The rest of a line that is too long is thrown away.
    skipping: bool,
}

impl Inbox {
    /// Takes in what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.bytes.len() < MOST
    }

    /// Whether [`Inbox::next`] has something to do.
    pub fn is_ready(&mut self) -> bool {
        if self.bytes[self.seen..].contains(&b'\n') {
            return true;
        }
        self.seen = self.bytes.len();
        self.bytes.len() > if self.skipping { 0 } else { TAGS + LINE }
    }

    /// The next line; empty ones are passed over.
    pub fn next(&mut self) -> Option<Result<Line, LineError>> {
        loop {
            let Some(at) = self.bytes[self.seen..].iter().position(|b| *b == b'\n') else {
                self.seen = self.bytes.len();
                if self.skipping {
                    self.clear();
                } else if self.bytes.len() > TAGS + LINE {
                    self.clear();
                    self.skipping = true;
                    return Some(Err(LineError::Long));
                }
                return None;
            };
            let end = self.seen + at;
            let mut line = &self.bytes[..end];
            while let Some(shorter) = line.strip_suffix(b"\r") {
                line = shorter;
            }
            let parsed = (!line.is_empty() && !self.skipping).then(|| Line::parse(line));
            self.bytes.drain(..=end);
            self.skipping = false;
            self.seen = 0;
            if self.bytes.is_empty() {
                self.clear();
            }
            if parsed.is_some() {
                return parsed;
            }
        }
    }

    /// Gives the memory back: most connections are silent most of the time.
    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(inbox: &mut Inbox) -> Vec<Result<String, LineError>> {
        std::iter::from_fn(|| inbox.next()).map(|line| line.map(|l| l.to_text())).collect()
    }

    #[test]
    fn lines_come_in_pieces_and_several_at_once() {
        let mut inbox = Inbox::default();
        inbox.push(b"PING a\r\n\r\nPING b\nPI");
        assert_eq!(all(&mut inbox), [Ok("PING a".into()), Ok("PING b".into())]);
        inbox.push(b"NG c\r");
        assert_eq!(all(&mut inbox), []);
        inbox.push(b"\n");
        assert_eq!(all(&mut inbox), [Ok("PING c".into())]);
    }

    #[test]
    fn a_line_of_ten_megabytes_is_refused_once_and_not_kept() {
        let mut inbox = Inbox::default();
        let mut errors = 0;
        for _ in 0..2_500 {
            assert!(inbox.has_room());
            inbox.push(&[b'x'; 4096]);
            errors += all(&mut inbox).len();
        }
        assert_eq!(errors, 1);
        inbox.push(b"x\r\nPING a\r\n");
        assert_eq!(all(&mut inbox), [Ok("PING a".into())]);
    }

    #[test]
    fn a_bad_line_costs_only_itself() {
        let mut inbox = Inbox::default();
        inbox.push(b"PRIVMSG a :\xff\xfe\r\nPI\0NG\r\n:\r\nPING a\r\n");
        let heard = all(&mut inbox);
        assert_eq!(heard[..3], [Err(LineError::Utf8), Err(LineError::Form), Err(LineError::Form)]);
        assert_eq!(heard[3], Ok("PING a".into()));
    }
}

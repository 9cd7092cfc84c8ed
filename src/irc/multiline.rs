//! Messages of several lines (IRCv3 draft/multiline): from clients, and to them.

use super::SERVER;
use super::caps::{Cap, Caps};
use super::client::Client;
use super::codec::Line;

/// Lines and bytes of one message.
const LINES: usize = kirc_core::limits::LINES;
const BYTES: usize = 48 * 1024;
/// The tag of a line that goes on where the one before ended.
const CONCAT: &str = "draft/multiline-concat";

/// Why a batch is refused: a code and a sentence.
type Refused = (&'static str, &'static str);

/// A message that a client is about to send.
#[derive(Debug)]
struct Open {
    name: String,
    target: String,
    /// The line that opened it, and then the command of the lines in it.
    first: Line,
    texts: Vec<String>,
}

/// The message that a client is about to send, if it is.
#[derive(Debug, Default)]
pub struct Multiline(Option<Open>);

impl Multiline {
    /// A batch begins.
    pub fn open(&mut self, caps: Caps, name: &str, line: &Line) -> Result<(), Refused> {
        let kind = line.get(1).unwrap_or_default();
        if !caps.has(Cap::Multiline) || kind != "draft/multiline" {
            return Err(("UNKNOWN_TYPE", "Batches of clients are of the type draft/multiline"));
        }
        let target = line.get(2).ok_or(("MULTILINE_INVALID", "It has no target"))?;
        let mut first = line.clone();
        first.command.clear();
        self.0 = Some(Open { name: name.to_owned(), target: target.to_owned(), first, texts: Vec::new() });
        Ok(())
    }

    /// A line comes; nothing if it belongs to no batch that is open.
    pub fn add(&mut self, line: &Line) -> Option<Result<(), Refused>> {
        let open = self.0.as_mut().filter(|open| line.tag_value("batch") == Some(&open.name))?;
        let added = open.add(line);
        if added.is_err() {
            self.0 = None;
        }
        Some(added)
    }

    /// It ends: the command and the tags, the target, and the lines.
    pub fn close(&mut self, name: &str) -> Result<(Line, String, Vec<String>), Refused> {
        let open = self.0.take().filter(|open| open.name == name);
        let open = open.ok_or(("MULTILINE_INVALID", "There is no such batch"))?;
        if open.texts.iter().all(String::is_empty) {
            return Err(("MULTILINE_INVALID", "There is no text in it"));
        }
        Ok((open.first, open.target, open.texts))
    }
}

impl Open {
    fn add(&mut self, line: &Line) -> Result<(), Refused> {
        if !matches!(line.command.as_str(), "PRIVMSG" | "NOTICE") {
            return Err(("MULTILINE_INVALID", "Only PRIVMSG or NOTICE can be in it"));
        }
        let command = &mut self.first.command;
        if command.is_empty() {
            line.command.clone_into(command);
        }
        if *command != line.command || line.params.first() != Some(&self.target) {
            return Err(("MULTILINE_INVALID_TARGET", "All lines have one command and one target"));
        }
        let text = line.params.get(1).map_or("", String::as_str);
        match self.texts.last_mut().filter(|_| line.tag_value(CONCAT).is_some()) {
            Some(last) => last.push_str(text),
            None => self.texts.push(text.to_owned()),
        }
        if self.texts.len() > LINES {
            return Err(("MULTILINE_MAX_LINES", "It has too many lines"));
        }
        if self.texts.iter().map(|t| t.len() + 1).sum::<usize>() > BYTES {
            return Err(("MULTILINE_MAX_BYTES", "It is too long"));
        }
        Ok(())
    }
}

/// The lines of one message: as they are, or a batch for clients that know it. The second of each
/// pair says whether it goes on where the one before ended.
pub fn join(
    client: &mut Client,
    source: &str,
    target: &str,
    tags: Vec<(String, String)>,
    lines: Vec<(Line, bool)>,
) -> Vec<Line> {
    let caps = client.caps;
    if lines.len() < 2 || !caps.has(Cap::Multiline) || !caps.has(Cap::Batch) {
        let with_tags = |(i, (line, _)): (usize, (Line, bool))| {
            // Only the first of several has the message's id: ids are unique.
            let tags = tags.iter().filter(|(name, _)| i == 0 || name != "msgid").cloned().collect();
            Line { tags, ..line }
        };
        return lines.into_iter().enumerate().map(with_tags).collect();
    }
    let inside = lines.into_iter().map(|(line, on)| {
        // In a batch an empty line is one.
        let blank = line.params.last().is_some_and(|text| text == " ");
        let line = if blank { Line { params: vec![target.to_owned(), String::new()], ..line } } else { line };
        if on { line.tag(CONCAT, "") } else { line }
    });
    let mut all = client.batches.wrap(caps, "draft/multiline", &[target], inside.collect());
    if let Some(first) = all.first_mut() {
        first.source = Some(if source.is_empty() { SERVER.to_owned() } else { source.to_owned() });
        first.tags = tags;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn lines_become_one_message() {
        let caps = Caps::default().with(Cap::Multiline, true);
        let mut multiline = Multiline::default();
        multiline.open(caps, "x", &line("@label=1 BATCH +x draft/multiline #net")).unwrap();
        for text in [
            "@batch=x PRIVMSG #net :one",
            "@batch=x PRIVMSG #net :",
            "@batch=x PRIVMSG #net :two ",
            "@batch=x;draft/multiline-concat PRIVMSG #net :and more",
        ] {
            assert_eq!(multiline.add(&line(text)), Some(Ok(())));
        }
        assert_eq!(multiline.add(&line("@batch=y PRIVMSG #net :no")), None);
        let (first, target, texts) = multiline.close("x").unwrap();
        assert_eq!((first.command.as_str(), target.as_str()), ("PRIVMSG", "#net"));
        assert_eq!(texts, ["one", "", "two and more"]);
        assert!(multiline.close("x").is_err());
    }

    #[test]
    fn what_is_too_much_or_mixed_is_refused() {
        let caps = Caps::default().with(Cap::Multiline, true);
        let mut multiline = Multiline::default();
        assert!(multiline.open(Caps::default(), "x", &line("BATCH +x draft/multiline #net")).is_err());
        multiline.open(caps, "x", &line("BATCH +x draft/multiline #net")).unwrap();
        assert!(matches!(multiline.add(&line("@batch=x PRIVMSG bob :a")), Some(Err(_))));
        multiline.open(caps, "x", &line("BATCH +x draft/multiline #net")).unwrap();
        let added: Vec<_> = (0..=LINES).map(|_| multiline.add(&line("@batch=x PRIVMSG #net :a"))).collect();
        assert!(matches!(added.last(), Some(Some(Err(("MULTILINE_MAX_LINES", _))))));
    }
}

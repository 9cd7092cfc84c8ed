//! IRC lines as bytes and as a type: parsing and writing, with message tags.
//!
//! It owns the syntax (RFC 1459, RFC 2812, IRCv3 message tags) and its limits. It knows no command.

/// Bytes of the tags of a line, with `@` and the space behind.
pub const TAGS: usize = 8191;
/// Bytes of the rest of a line, with CR LF.
pub const LINE: usize = 512;
/// Parameters of a line.
const PARAMS: usize = 32;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Tags in order; an empty value is a tag without one.
    pub tags: Vec<(String, String)>,
    /// Who says it: `nick!user@host` or a server.
    pub source: Option<String>,
    /// The command, in upper case, or a numeric.
    pub command: String,
    /// Parameters.
    pub params: Vec<String>,
    /// Whether the last parameter is text, which is written behind a colon whatever it is.
    pub text: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// It is longer than allowed.
    Long,
    /// It is not UTF-8.
    Utf8,
    /// There is a NUL or a CR in it, or no command.
    Form,
}

impl Line {
    /// A line of a command.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), ..Self::default() }
    }

    /// Sets who says it.
    #[must_use]
    pub fn from(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.params.push(param.into());
        self
    }

    /// Adds the last parameter, which is text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.params.push(text.into());
        self.text = true;
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// The value of a tag; of several the last one counts.
    pub fn tag_value(&self, name: &str) -> Option<&str> {
        self.tags.iter().rfind(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A parameter, if it is there and not empty.
    pub fn get(&self, at: usize) -> Option<&str> {
        self.params.get(at).map(String::as_str).filter(|p| !p.is_empty())
    }

    /// Reads a line without its line end.
    pub fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        let text = std::str::from_utf8(bytes).map_err(|_| LineError::Utf8)?;
        if text.contains(['\0', '\r', '\n']) {
            return Err(LineError::Form);
        }
        let mut line = Self::default();
        let mut rest = text;
        if let Some(tagged) = rest.strip_prefix('@') {
            let (tags, behind) = tagged.split_once(' ').ok_or(LineError::Form)?;
            if tags.len() + 2 > TAGS {
                return Err(LineError::Long);
            }
            line.tags = tags.split(';').filter(|tag| !tag.is_empty()).map(parse_tag).collect();
            rest = behind;
        }
        if rest.len() + 2 > LINE {
            return Err(LineError::Long);
        }
        rest = rest.trim_start_matches(' ');
        if let Some(sourced) = rest.strip_prefix(':') {
            let (source, behind) = sourced.split_once(' ').ok_or(LineError::Form)?;
            line.source = Some(source.to_owned());
            rest = behind.trim_start_matches(' ');
        }
        let (command, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if command.is_empty() || !command.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(LineError::Form);
        }
        line.command = command.to_ascii_uppercase();
        loop {
            rest = rest.trim_start_matches(' ');
            if let Some(text) = rest.strip_prefix(':') {
                line.params.push(text.to_owned());
                line.text = true;
                return Ok(line);
            }
            if rest.is_empty() || line.params.len() == PARAMS {
                return Ok(line);
            }
            let (param, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            line.params.push(param.to_owned());
            rest = behind;
        }
    }

    /// Writes the line with CR LF at the end of a buffer. What is too long is cut at a character.
    pub fn write(&self, out: &mut Vec<u8>) {
        if !self.tags.is_empty() {
            let mut sign = b'@';
            for (name, value) in &self.tags {
                out.push(sign);
                out.extend_from_slice(name.as_bytes());
                if !value.is_empty() {
                    out.push(b'=');
                    escape(value, out);
                }
                sign = b';';
            }
            out.push(b' ');
        }
        let start = out.len();
        if let Some(source) = &self.source {
            out.push(b':');
            out.extend_from_slice(source.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(self.command.as_bytes());
        for (i, param) in self.params.iter().enumerate() {
            let last = i + 1 == self.params.len();
            out.push(b' ');
            let colon = param.is_empty() || param.starts_with(':') || param.contains(' ');
            if last && (self.text || colon) {
                out.push(b':');
            }
            // A line end inside of a parameter would begin a line of somebody else's making.
            out.extend(param.bytes().map(|b| if matches!(b, 0 | b'\r' | b'\n') { b' ' } else { b }));
        }
        if out.len() - start > LINE - 2 {
            let mut end = start + LINE - 2;
            while end > start && out.get(end).is_some_and(|b| b & 0xC0 == 0x80) {
                end -= 1;
            }
            out.truncate(end);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The line as text, without its line end.
    #[cfg(test)]
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        out.truncate(out.len() - 2);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// Cuts a text into pieces of at most so many bytes, at characters.
pub fn pieces(text: &str, most: usize) -> Vec<&str> {
    let most = most.max(4);
    let (mut out, mut rest) = (Vec::new(), text);
    while rest.len() > most {
        let mut end = most;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        // A word stays whole if that costs little.
        let end = match rest[..end].rfind(' ') {
            Some(blank) if blank + 40 > end && blank > 0 => blank + 1,
            _ => end,
        };
        let (piece, behind) = rest.split_at(end);
        out.push(piece);
        rest = behind;
    }
    out.push(rest);
    out
}

fn parse_tag(tag: &str) -> (String, String) {
    let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
    (name.to_owned(), unescape(value))
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(':') => out.push(';'),
                Some('s') => out.push(' '),
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

fn escape(value: &str, out: &mut Vec<u8>) {
    for byte in value.bytes() {
        match byte {
            b';' => out.extend_from_slice(b"\\:"),
            b' ' => out.extend_from_slice(b"\\s"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\0' => {}
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Line {
        Line::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn lines_as_clients_write_them() {
        let line = parse("@+a=b\\:\\s\\\\;label=1;c :bob!u@h privmsg  #net  :two  words ");
        assert_eq!(line.tag_value("+a"), Some("b; \\"));
        assert_eq!((line.tag_value("label"), line.tag_value("c")), (Some("1"), Some("")));
        assert_eq!((line.source.as_deref(), line.command.as_str()), (Some("bob!u@h"), "PRIVMSG"));
        assert_eq!(line.params, ["#net", "two  words "]);
        assert_eq!(parse("NICK alice ").params, ["alice"]);
        assert_eq!(parse("TOPIC #net :").params, ["#net", ""]);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for (bytes, error) in [
            (&b""[..], LineError::Form),
            (b":bob", LineError::Form),
            (b"@a", LineError::Form),
            (b"PING \0", LineError::Form),
            (b"PI\rNG", LineError::Form),
            (b"PRIVMSG #net :\xff", LineError::Utf8),
        ] {
            assert_eq!(Line::parse(bytes), Err(error), "{bytes:?}");
        }
        let long = format!("PRIVMSG #net :{}", "x".repeat(LINE - 16));
        assert!(Line::parse(long.as_bytes()).is_ok());
        assert_eq!(Line::parse(format!("{long}x").as_bytes()), Err(LineError::Long));
        let tags = format!("@a={} PING x", "y".repeat(TAGS - 4));
        assert!(Line::parse(tags.as_bytes()).is_ok());
        let longer = Line::parse(tags.replace("@a", "@aa").as_bytes());
        assert!(longer == Err(LineError::Long), "one byte more");
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let line = Line::new("PRIVMSG").param("#net").text("ä".repeat(400));
        let mut out = Vec::new();
        line.write(&mut out);
        assert!(out.len() <= LINE && out.ends_with(b"\r\n"));
        assert!(std::str::from_utf8(&out).is_ok());
    }

    #[test]
    fn no_parameter_begins_a_line_of_its_own() {
        let line = Line::new("NOTICE").param("a").text("x\r\nQUIT").tag("t", "\r\n");
        let text = line.to_text();
        assert!(!text.contains(['\r', '\n']), "{text:?}");
    }

    proptest! {
        #[test]
        fn a_written_line_is_read_as_it_was(
            tags in proptest::collection::vec(("[+a-z/.-]{1,9}", "\\PC{0,12}|[ ;\\\\\r\n]{0,4}"), 0..4),
            source in proptest::option::of("[a-z!@.]{1,12}"),
            command in "[A-Z]{1,9}|[0-9]{3}",
            params in proptest::collection::vec("[^ :\0\r\n][^ \0\r\n]{0,9}", 0..5),
            text in proptest::option::of("[^\0\r\n]{0,20}"),
        ) {
            let mut line = Line { tags, source, command, params, text: false };
            if let Some(text) = text {
                line = line.text(text);
            }
            prop_assert_eq!(Line::parse(line.to_text().as_bytes()), Ok(line));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(line) = Line::parse(&bytes) {
                let _ = line.to_text();
            }
        }

        #[test]
        fn pieces_are_the_text(text in "[a-zäß€🦀 ]{0,200}", most in 4usize..60) {
            let pieces = pieces(&text, most);
            prop_assert!(pieces.iter().all(|p| p.len() <= most));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}

//! From a client's first line to its login: CAP, PASS, NICK, USER, AUTHENTICATE.
//!
//! It is a state machine without I/O: lines go in, steps come out. It does not check passwords; it
//! says which one to check.

use kirc_core::names::Nick;
use kirc_core::numeric::{self, Numeric};

use super::SERVER;
use super::caps::{self, Cap, Caps};
use super::codec::Line;
use super::login::Login;
use super::sasl::{Heard, Sasl};

/// Wrong passwords of one connection.
const FAILURES: u8 = 3;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Say this.
    Say(Line),
    /// Check this login, and read no line before [`Registration::checked`] knows the verdict.
    Check(Login),
    /// The client is in.
    Done,
    /// Say why, and end the connection.
    Close(String),
}

/// What the check of a login found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the owner.
    Owner,
    /// The name or the password is wrong.
    Wrong,
    /// It can't be checked; a sentence.
    Unable(String),
}

/// How a login that is being checked came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Pass,
    Sasl,
}

/// A client that is not in yet.
#[derive(Debug, Default)]
pub struct Registration {
    nick: Option<String>,
    user: Option<String>,
    pass: Option<Login>,
    sasl: Sasl,
    caps: Caps,
    negotiating: bool,
    checking: Option<Way>,
    owner: bool,
    failures: u8,
}

/// Who came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The nick that the client believes to have.
    pub nick: String,
    /// What it said in USER: clients with the same name count as the same client.
    pub user: String,
    /// What it asked for.
    pub caps: Caps,
}

impl Registration {
    /// What a line leads to.
    pub fn line(&mut self, line: &Line) -> Vec<Step> {
        match line.command.as_str() {
            "CAP" => {
                let before = line.get(0).unwrap_or_default().to_ascii_uppercase();
                match before.as_str() {
                    "LS" | "REQ" => self.negotiating = true,
                    "END" => self.negotiating = false,
                    _ => {}
                }
                let nick = self.shown_nick().to_owned();
                let answer = cap(&mut self.caps, &nick, line);
                answer.into_iter().map(Step::Say).chain(self.proceed()).collect()
            }
            "PASS" => match line.get(0) {
                Some(pass) => {
                    self.pass = Some(Login::from_pass(pass));
                    Vec::new()
                }
                None => vec![self.too_few("PASS")],
            },
            "NICK" => self.on_nick(line),
            "USER" => match (line.get(0), line.params.len()) {
                (Some(user), 4..) => {
                    self.user = Some(user.chars().take(64).collect());
                    self.proceed()
                }
                _ => vec![self.too_few("USER")],
            },
            "AUTHENTICATE" => self.on_authenticate(line),
            "PING" => {
                let token = line.params.first().map_or("", String::as_str);
                vec![Step::Say(Line::new("PONG").from(SERVER).param(SERVER).text(token))]
            }
            "PONG" => Vec::new(),
            "QUIT" => vec![Step::Close("Closing link: quit".into())],
            "ERROR" => Vec::new(),
            _ => vec![self.numeric(numeric::ERR_NOTREGISTERED, &[&line.command], "")],
        }
    }

    /// What the verdict on a login leads to.
    pub fn checked(&mut self, verdict: Verdict) -> Vec<Step> {
        let Some(way) = self.checking.take() else { return Vec::new() };
        self.owner = verdict == Verdict::Owner;
        self.failures += u8::from(!self.owner);
        let nick = self.shown_nick().to_owned();
        match (way, verdict) {
            (Way::Pass, Verdict::Owner) => self.proceed(),
            (Way::Pass, Verdict::Wrong) => self.refuse("The name or the password is wrong"),
            (Way::Pass, Verdict::Unable(why)) => self.refuse(&why),
            (Way::Sasl, Verdict::Owner) => {
                let mask = format!("{nick}!*@*");
                let text = "You are logged in as the owner of this node";
                let mut steps = vec![
                    self.numeric(numeric::RPL_LOGGEDIN, &[&mask, "owner"], text),
                    self.numeric(numeric::RPL_SASLSUCCESS, &[], ""),
                ];
                steps.extend(self.proceed());
                steps
            }
            (Way::Sasl, refused) => {
                let why = match refused {
                    Verdict::Unable(why) => why,
                    _ => String::new(),
                };
                let mut steps = vec![self.numeric(numeric::ERR_SASLFAIL, &[], &why)];
                if self.failures >= FAILURES {
                    steps.push(Step::Close("Closing link: too many failed logins".into()));
                }
                steps
            }
        }
    }

    /// Who came in, after [`Step::Done`].
    pub fn registered(self) -> Registered {
        let nick = self.nick.unwrap_or_default();
        Registered { nick, user: self.user.unwrap_or_default(), caps: self.caps }
    }

    fn shown_nick(&self) -> &str {
        self.nick.as_deref().unwrap_or("*")
    }

    fn numeric(&self, numeric: Numeric, params: &[&str], text: &str) -> Step {
        Step::Say(reply(numeric, self.shown_nick(), params, text))
    }

    fn too_few(&self, command: &str) -> Step {
        self.numeric(numeric::ERR_NEEDMOREPARAMS, &[command], "")
    }

    fn on_nick(&mut self, line: &Line) -> Vec<Step> {
        let Some(nick) = line.get(0) else {
            return vec![self.numeric(numeric::ERR_NONICKNAMEGIVEN, &[], "")];
        };
        match Nick::parse(nick) {
            Ok(_) => {
                self.nick = Some(nick.to_owned());
                self.proceed()
            }
            Err(why) => {
                let shown: String = nick.chars().filter(|c| *c != ' ').take(64).collect();
                let shown = if shown.starts_with(':') { "*".to_owned() } else { shown };
                vec![self.numeric(numeric::ERR_ERRONEUSNICKNAME, &[&shown], &why.to_string())]
            }
        }
    }

    fn on_authenticate(&mut self, line: &Line) -> Vec<Step> {
        if self.owner {
            return vec![self.numeric(numeric::ERR_SASLALREADY, &[], "")];
        }
        let Some(param) = line.get(0) else { return vec![self.too_few("AUTHENTICATE")] };
        match self.sasl.hear(param) {
            Heard::More => vec![Step::Say(Line::new("AUTHENTICATE").param("+"))],
            Heard::Part => Vec::new(),
            Heard::Login(login) => {
                self.checking = Some(Way::Sasl);
                vec![Step::Check(login)]
            }
            Heard::Aborted => vec![self.numeric(numeric::ERR_SASLABORTED, &[], "")],
            Heard::TooLong => vec![self.numeric(numeric::ERR_SASLTOOLONG, &[], "")],
            Heard::Unknown => vec![
                self.numeric(numeric::RPL_SASLMECHS, &["PLAIN"], ""),
                self.numeric(numeric::ERR_SASLFAIL, &[], ""),
            ],
            Heard::Malformed => vec![self.numeric(numeric::ERR_SASLFAIL, &[], "")],
        }
    }

    /// Goes on as far as what is known allows.
    fn proceed(&mut self) -> Vec<Step> {
        if self.nick.is_none() || self.user.is_none() || self.negotiating || self.checking.is_some() {
            return Vec::new();
        }
        if self.owner {
            return vec![Step::Done];
        }
        match self.pass.take() {
            Some(login) => {
                self.checking = Some(Way::Pass);
                vec![Step::Check(login)]
            }
            None => self.refuse(
                "Log in as the owner of this node: with SASL PLAIN, or send its password as the server \
                 password. Set one with: kirc account passwd",
            ),
        }
    }

    fn refuse(&self, why: &str) -> Vec<Step> {
        let close = Step::Close(format!("Closing link: {why}"));
        vec![self.numeric(numeric::ERR_PASSWDMISMATCH, &[], why), close]
    }
}

/// A numeric of the server.
pub fn reply(numeric: Numeric, nick: &str, params: &[&str], text: &str) -> Line {
    let mut line = Line::new(numeric.code).from(SERVER).param(nick);
    line.params.extend(params.iter().map(|p| (*p).to_owned()));
    match if text.is_empty() { numeric.text } else { text } {
        "" => line,
        text => line.text(text),
    }
}

/// What a CAP of a client is answered by, before its registration and after.
pub fn cap(caps: &mut Caps, nick: &str, line: &Line) -> Vec<Line> {
    let list = line.params.get(1).map_or("", String::as_str);
    let answer = |what: &str, text: String| Line::new("CAP").from(SERVER).param(nick).param(what).text(text);
    let subcommand = line.get(0).unwrap_or_default().to_ascii_uppercase();
    match subcommand.as_str() {
        "LS" => {
            let version = list.parse().unwrap_or(0);
            if version >= 302 {
                *caps = caps.with(Cap::Notify, true);
            }
            vec![answer("LS", caps::offered(version).join(" "))]
        }
        "LIST" => vec![answer("LIST", caps.names())],
        "REQ" => match caps.requested(list) {
            Some(new) => {
                *caps = new;
                vec![answer("ACK", list.to_owned())]
            }
            None => vec![answer("NAK", list.to_owned())],
        },
        "END" => Vec::new(),
        other => {
            let shown = if other.is_empty() { "*" } else { other };
            vec![reply(numeric::ERR_INVALIDCAPCMD, nick, &[shown], "")]
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as B64;

    use super::*;

    /// Says lines; gives what was said and done, as text.
    fn say(registration: &mut Registration, lines: &[&str]) -> Vec<String> {
        let parsed = lines.iter().map(|l| Line::parse(l.as_bytes()).unwrap());
        parsed.flat_map(|l| registration.line(&l)).map(text).collect()
    }

    fn text(step: Step) -> String {
        match step {
            Step::Say(line) => line.to_text().replace(&format!(":{SERVER} "), ""),
            Step::Check(login) => format!("check {login:?}"),
            Step::Done => "done".into(),
            Step::Close(_) => "close".into(),
        }
    }

    #[test]
    fn a_password_is_checked_once_nick_and_user_are_there() {
        let mut r = Registration::default();
        let said = say(&mut r, &["PASS alice:secret", "NICK weechat", "USER me 0 * :Me"]);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("check") && !said[0].contains("secret"), "{said:?}");
        assert!(matches!(r.checked(Verdict::Owner)[..], [Step::Done]));
        let registered = r.registered();
        assert_eq!((registered.nick.as_str(), registered.user.as_str()), ("weechat", "me"));
    }

    #[test]
    fn without_a_login_or_with_a_wrong_one_nobody_comes_in() {
        let mut r = Registration::default();
        let said = say(&mut r, &["NICK a", "USER me 0 * :Me"]);
        assert!(said[0].starts_with("464 a :") && said[0].contains("kirc account passwd"), "{said:?}");
        assert_eq!(said[1], "close");
        let mut r = Registration::default();
        say(&mut r, &["PASS x", "NICK a", "USER me 0 * :Me"]);
        let said: Vec<String> = r.checked(Verdict::Wrong).into_iter().map(text).collect();
        assert!(said[0].starts_with("464 a :") && said[1] == "close", "{said:?}");
    }

    #[test]
    fn sasl_comes_before_the_end_of_the_negotiation() {
        let mut r = Registration::default();
        let said = say(&mut r, &["CAP LS 302", "NICK a", "USER me 0 * :Me", "CAP REQ :sasl batch"]);
        assert!(said[0].starts_with("CAP * LS :") && said[0].contains("sasl=PLAIN"), "{said:?}");
        assert_eq!(said[1], "CAP a ACK :sasl batch");
        assert_eq!(say(&mut r, &["AUTHENTICATE PLAIN"]), ["AUTHENTICATE +"]);
        let plain = format!("AUTHENTICATE {}", B64.encode("\0owner\0secret"));
        assert!(say(&mut r, &[&plain])[0].starts_with("check"));
        let said: Vec<String> = r.checked(Verdict::Owner).into_iter().map(text).collect();
        assert!(said[0].starts_with("900 a a!*@* owner :") && said[1].starts_with("903 a :"), "{said:?}");
        assert_eq!(say(&mut r, &["CAP END"]), ["done"]);
        assert!(r.registered().caps.has(Cap::Batch));
    }

    #[test]
    fn three_failures_of_sasl_end_it() {
        let mut r = Registration::default();
        let mut last = Vec::new();
        for _ in 0..3 {
            say(&mut r, &["CAP LS", "AUTHENTICATE PLAIN"]);
            say(&mut r, &[&format!("AUTHENTICATE {}", B64.encode("\0owner\0wrong"))]);
            last = r.checked(Verdict::Wrong).into_iter().map(text).collect();
            assert!(last[0].starts_with("904 "), "{last:?}");
        }
        assert_eq!(last[1], "close");
    }

    #[test]
    fn other_commands_wait_for_the_registration() {
        let mut r = Registration::default();
        let said = say(&mut r, &["JOIN #net", "NICK", "NICK 1x", "USER a", "PING x", "CAP NONSENSE"]);
        let codes: Vec<&str> = said.iter().filter_map(|s| s.split(' ').next()).collect();
        assert_eq!(codes, ["451", "431", "432", "461", "PONG", "410"]);
    }
}

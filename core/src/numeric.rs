//! The IRC numerics that kirc uses, in one table: code, name, default text.
//!
//! It owns the numbers and their texts. Other modules decide when to send them.
use crate::envelope::Envelope;

/// A numeric reply (RFC 2812 §5 and modern.ircdocs.horse).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numeric {
    /// Three digits.
    pub code: &'static str,
    /// Its name, such as `RPL_TOPIC`.
    pub name: &'static str,
    /// Its default text; empty if the text is all content.
    pub text: &'static str,
}

/// The numeric with this three-digit code.
pub fn by_code(code: &str) -> Option<&'static Numeric> {
    ALL.binary_search_by(|n| n.code.cmp(code)).ok().and_then(|i| ALL.get(i))
}

/// Whether a numeric is a refusal. All front ends treat these numerics as refusals, and no others.
pub fn refuses(code: &str) -> bool {
    matches!(code.as_bytes(), [b'4' | b'5', b'0'..=b'9', b'0'..=b'9'])
}

/// A numeric reply to a nick: `command` is the code, `to` the nick, `body` the text (the default
/// text if `text` is empty; no body if that is empty as well).
pub fn reply(n: Numeric, to: &str, params: &[&str], text: &str) -> Envelope {
    let mut out = Envelope::new(n.code).to(to);
    out.params = params.iter().map(|p| (*p).to_owned()).collect();
    let text = if text.is_empty() { n.text } else { text };
    if text.is_empty() { out } else { out.line(text) }
}

macro_rules! numerics {
    ($($name:ident $code:literal $text:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "` ", $text)]
            pub const $name: Numeric = Numeric { code: $code, name: stringify!($name), text: $text };
        )*

        /// All of them, by code.
        pub const ALL: &[Numeric] = &[$($name),*];
    };
}

numerics! {
    RPL_WELCOME "001" "Welcome to kirc";
    RPL_YOURHOST "002" "Your host is your own node";
    RPL_CREATED "003" "This node is made of the same code as all others";
    RPL_MYINFO "004" "";
    RPL_ISUPPORT "005" "are supported by this server";
    RPL_UMODEIS "221" "";
    RPL_LUSERCLIENT "251" "";
    RPL_LUSEROP "252" "operators online";
    RPL_LUSERCHANNELS "254" "channels formed";
    RPL_LUSERME "255" "";
    RPL_TRYAGAIN "263" "Please wait a while and try again";
    RPL_WHOISCERTFP "276" "";
    RPL_AWAY "301" "";
    RPL_USERHOST "302" "";
    RPL_ISON "303" "";
    RPL_UNAWAY "305" "You are no longer marked as away";
    RPL_NOWAWAY "306" "You are marked as away";
    RPL_WHOISREGNICK "307" "is a registered nick";
    RPL_WHOISUSER "311" "";
    RPL_WHOISSERVER "312" "";
    RPL_WHOISOPERATOR "313" "is an operator";
    RPL_WHOWASUSER "314" "";
    RPL_ENDOFWHO "315" "End of WHO list";
    RPL_WHOISIDLE "317" "seconds idle, signon time";
    RPL_ENDOFWHOIS "318" "End of WHOIS list";
    RPL_WHOISCHANNELS "319" "";
    RPL_WHOISSPECIAL "320" "";
    RPL_LISTSTART "321" "Users  Name";
    RPL_LIST "322" "";
    RPL_LISTEND "323" "End of LIST";
    RPL_CHANNELMODEIS "324" "";
    RPL_CREATIONTIME "329" "";
    RPL_WHOISACCOUNT "330" "is logged in as";
    RPL_NOTOPIC "331" "No topic is set";
    RPL_TOPIC "332" "";
    RPL_TOPICWHOTIME "333" "";
    RPL_WHOISBOT "335" "is a bot";
    RPL_WHOISACTUALLY "338" "is actually using host";
    RPL_INVITING "341" "";
    RPL_INVEXLIST "346" "";
    RPL_ENDOFINVEXLIST "347" "End of invite exception list";
    RPL_EXCEPTLIST "348" "";
    RPL_ENDOFEXCEPTLIST "349" "End of ban exception list";
    RPL_VERSION "351" "";
    RPL_WHOREPLY "352" "";
    RPL_NAMREPLY "353" "";
    RPL_WHOSPCRPL "354" "";
    RPL_ENDOFNAMES "366" "End of NAMES list";
    RPL_BANLIST "367" "";
    RPL_ENDOFBANLIST "368" "End of ban list";
    RPL_ENDOFWHOWAS "369" "End of WHOWAS list";
    RPL_INFO "371" "";
    RPL_MOTD "372" "";
    RPL_ENDOFINFO "374" "End of INFO list";
    RPL_MOTDSTART "375" "- Message of the day -";
    RPL_ENDOFMOTD "376" "End of message of the day";
    RPL_WHOISHOST "378" "";
    RPL_WHOISMODES "379" "";
    RPL_YOUREOPER "381" "You are the owner of this node";
    RPL_TIME "391" "";
    RPL_VISIBLEHOST "396" "is now your displayed host";
    ERR_UNKNOWNERROR "400" "That did not work";
    ERR_NOSUCHNICK "401" "No such nick or channel";
    ERR_NOSUCHSERVER "402" "No such server";
    ERR_NOSUCHCHANNEL "403" "No such channel";
    ERR_CANNOTSENDTOCHAN "404" "Cannot send to channel";
    ERR_TOOMANYCHANNELS "405" "You are in too many channels";
    ERR_WASNOSUCHNICK "406" "There was no such nick";
    ERR_TOOMANYTARGETS "407" "Too many recipients";
    ERR_NOORIGIN "409" "No origin given";
    ERR_INVALIDCAPCMD "410" "Invalid CAP command";
    ERR_NORECIPIENT "411" "No recipient given";
    ERR_NOTEXTTOSEND "412" "No text to send";
    ERR_BADMASK "415" "Not a valid mask";
    ERR_TOOMANYMATCHES "416" "Too many lines in the output";
    ERR_INPUTTOOLONG "417" "The line is too long";
    ERR_UNKNOWNCOMMAND "421" "Unknown command";
    ERR_NOMOTD "422" "There is no message of the day";
    ERR_NONICKNAMEGIVEN "431" "No nick given";
    ERR_ERRONEUSNICKNAME "432" "Not a valid nick";
    ERR_NICKNAMEINUSE "433" "That nick is in use";
    ERR_NICKCOLLISION "436" "Two bear that nick";
    ERR_UNAVAILRESOURCE "437" "Not available for now";
    ERR_TARGETTOOFAST "439" "That is too fast; wait a moment";
    ERR_USERNOTINCHANNEL "441" "They are not on that channel";
    ERR_NOTONCHANNEL "442" "You are not on that channel";
    ERR_USERONCHANNEL "443" "is already on channel";
    ERR_NOTREGISTERED "451" "You have not registered";
    ERR_NEEDMOREPARAMS "461" "Not enough parameters";
    ERR_ALREADYREGISTERED "462" "You are registered already";
    ERR_PASSWDMISMATCH "464" "The password is wrong";
    ERR_YOUREBANNEDCREEP "465" "You are not welcome on this node";
    ERR_KEYSET "467" "The channel's key is already set";
    ERR_CHANNELISFULL "471" "Cannot join channel (+l): it is full";
    ERR_UNKNOWNMODE "472" "is no mode that is known here";
    ERR_INVITEONLYCHAN "473" "Cannot join channel (+i): you need an invite";
    ERR_BANNEDFROMCHAN "474" "Cannot join channel (+b): you are banned";
    ERR_BADCHANNELKEY "475" "Cannot join channel (+k): the key is missing or wrong";
    ERR_BADCHANMASK "476" "Not a valid channel name";
    ERR_NEEDREGGEDNICK "477" "You need a registered account there";
    ERR_BANLISTFULL "478" "The list is full";
    ERR_NOPRIVILEGES "481" "You may not do that here";
    ERR_CHANOPRIVSNEEDED "482" "You are not a channel operator";
    ERR_CANTKILLSERVER "483" "A server can't be killed";
    ERR_ISCHANSERVICE "484" "They are protected";
    ERR_UNIQOPPRIVSNEEDED "485" "Only an owner of the channel may do that";
    ERR_SECUREONLYCHAN "489" "Cannot join channel (+Z): you need a TLS connection";
    ERR_NOOPERHOST "491" "Nobody can become an operator from there";
    ERR_UMODEUNKNOWNFLAG "501" "Unknown user mode";
    ERR_USERSDONTMATCH "502" "Only your own modes are yours to see and set";
    ERR_HELPNOTFOUND "524" "There is no help on that";
    RPL_STARTTLS "670" "TLS may begin";
    RPL_WHOISSECURE "671" "is using a secure connection";
    ERR_STARTTLS "691" "TLS could not begin";
    ERR_INVALIDMODEPARAM "696" "Not a valid parameter of that mode";
    RPL_HELPSTART "704" "";
    RPL_HELPTXT "705" "";
    RPL_ENDOFHELP "706" "";
    RPL_KNOCK "710" "has asked for an invite";
    RPL_KNOCKDLVR "711" "Your knock was delivered";
    ERR_CHANOPEN "713" "The channel is open";
    ERR_KNOCKONCHAN "714" "You are on that channel already";
    ERR_NOPRIVS "723" "You lack the privilege for that";
    RPL_QUIETLIST "728" "";
    RPL_ENDOFQUIETLIST "729" "End of quiet list";
    RPL_MONONLINE "730" "";
    RPL_MONOFFLINE "731" "";
    RPL_MONLIST "732" "";
    RPL_ENDOFMONLIST "733" "End of MONITOR list";
    ERR_MONLISTFULL "734" "The MONITOR list is full";
    RPL_LOGGEDIN "900" "You are logged in";
    RPL_LOGGEDOUT "901" "You are logged out";
    ERR_NICKLOCKED "902" "You must use the nick of that account";
    RPL_SASLSUCCESS "903" "SASL authentication succeeded";
    ERR_SASLFAIL "904" "SASL authentication failed";
    ERR_SASLTOOLONG "905" "The SASL message is too long";
    ERR_SASLABORTED "906" "SASL authentication was given up";
    ERR_SASLALREADY "907" "You have authenticated with SASL already";
    RPL_SASLMECHS "908" "are the SASL mechanisms that work here";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_and_unique() {
        for pair in ALL.windows(2) {
            assert!(pair[0].code < pair[1].code, "{:?}", pair);
        }
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|n| n.name).collect();
        assert_eq!(names.len(), ALL.len());
        for n in ALL {
            assert!(n.code.len() == 3 && n.code.bytes().all(|b| b.is_ascii_digit()));
            assert!(n.name.starts_with("RPL_") || n.name.starts_with("ERR_"));
            assert_eq!(by_code(n.code), Some(n));
        }
        assert_eq!(by_code("000"), None);
    }

    #[test]
    fn errors_refuse_and_replies_do_not() {
        for n in ALL.iter().filter(|n| n.code < "600") {
            assert_eq!(refuses(n.code), n.name.starts_with("ERR_"), "{}", n.name);
        }
        assert!(!refuses("CLOCK") && !refuses("4x1") && !refuses("40"));
    }

    #[test]
    fn a_reply_falls_back_to_the_usual_text() {
        let e = reply(ERR_NOSUCHNICK, "bob", &["eve"], "");
        assert_eq!((e.command.as_str(), e.to.as_deref()), ("401", Some("bob")));
        assert_eq!(e.params, ["eve"]);
        assert_eq!(e.lines(), [ERR_NOSUCHNICK.text]);
        assert_eq!(reply(RPL_TOPIC, "bob", &["#a"], "hello").lines(), ["hello"]);
        assert_eq!(reply(RPL_UMODEIS, "bob", &["+i"], "").body, None);
    }
}

//! People and a channel for the tests, with helpers that read as sentences.
use std::sync::LazyLock;

use crate::channel::{Act, ActKind, Change, ChannelState, ModeChange, Order};
use crate::crypto::Rng;
use crate::identity::{Address, Card, Identity};
use crate::ids::{ActorId, Count, MsgId, UserId};
use crate::names::{ChannelName, Nick};

/// How many people there are.
pub const PEOPLE: usize = 5;

/// All tests share these keys, because making them takes a while.
static IDENTITIES: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    let mut rng = <Rng as rand_chacha::rand_core::SeedableRng>::seed_from_u64(7);
    (0..PEOPLE).map(|_| Identity::generate(&mut rng, 2048)).collect()
});

const NICKS: [&str; PEOPLE] = ["ann", "bob", "cid", "dan", "eve"];

/// The people of the tests.
pub const ANN: usize = 0;
pub const BOB: usize = 1;
pub const CID: usize = 2;
pub const DAN: usize = 3;
pub const EVE: usize = 4;

pub fn actor(who: usize) -> ActorId {
    IDENTITIES[who].actor()
}

pub fn id(who: usize) -> UserId {
    actor(who).owner()
}

pub fn card_as(who: usize, nick: &str, rev: u64) -> Card {
    let address = Address {
        cluster: "grid.example".to_owned(),
        data_in: "data-in".to_owned(),
        data_out: "data-out".to_owned(),
        rpc_in: "rpc-in".to_owned(),
        rpc_out: "rpc-out".to_owned(),
    };
    let nick = Nick::parse(nick).unwrap();
    Card::create(&IDENTITIES[who], &nick, &address, serde_json::Map::new(), rev)
}

pub fn card(who: usize) -> Card {
    card_as(who, NICKS[who], 1)
}

pub fn join_as(who: usize, key: Option<&str>, registered: bool, tls: bool) -> ActKind {
    let (card, key) = (Some(Box::new(card(who))), key.map(str::to_owned));
    ActKind::Join { card, hosted: None, key, registered, tls }
}

pub fn join(who: usize) -> ActKind {
    join_as(who, None, true, true)
}

pub fn part() -> ActKind {
    ActKind::Part { reason: String::new() }
}

pub fn kick(who: usize) -> ActKind {
    ActKind::Kick { target: id(who), reason: "out".to_owned() }
}

pub fn invite(who: usize) -> ActKind {
    ActKind::Invite { target: id(who) }
}

pub fn topic(text: &str) -> ActKind {
    ActKind::Topic { text: text.to_owned() }
}

pub fn nick(who: usize, nick: &str, rev: u64) -> ActKind {
    ActKind::Card { card: Box::new(card_as(who, nick, rev)) }
}

pub fn rotate() -> ActKind {
    ActKind::Nothing { command: "ROTATE".to_owned() }
}

/// A channel, and a clock that advances with every act.
pub struct Room {
    pub state: ChannelState,
    pub time: u64,
}

impl Room {
    /// `#room`, founded by Ann, with Bob, Cid and Dan in it. Eve is outside.
    pub fn new() -> Self {
        let mut room = Self::of_ann();
        for who in [BOB, CID, DAN] {
            room.does(who, join(who));
        }
        room
    }

    /// `#room` with Ann alone.
    pub fn of_ann() -> Self {
        let name = ChannelName::parse("#room").unwrap();
        let first = MsgId::generate(1, 0, MsgId::default());
        Self { state: ChannelState::found(&name, &card(ANN), first), time: 1 }
    }

    /// The author's next act of this kind.
    pub fn act(&mut self, who: usize, kind: ActKind) -> Act {
        self.time += 1;
        let n = self.state.members.get(&id(who)).map_or(Count(1), |m| m.n.next());
        let member = self.state.members.get(&id(who));
        Act {
            actor: actor(who),
            author: id(who),
            n,
            after: member.map(|m| crate::channel::after(m.last)),
            id: MsgId::generate(self.time, 0, MsgId::default()),
            ts: self.time,
            kind,
        }
    }

    /// An author does something that is allowed.
    #[track_caller]
    pub fn does(&mut self, who: usize, kind: ActKind) -> Change {
        let act = self.act(who, kind);
        assert_eq!(self.state.order(&act), Order::Next);
        assert_eq!(self.state.check(&act), Ok(()));
        self.state.apply(&act)
    }

    /// An author tries something that is refused; returns the code and the parameters of the
    /// refusal.
    #[track_caller]
    pub fn refused(&mut self, who: usize, kind: ActKind) -> (String, Vec<String>) {
        let act = self.act(who, kind);
        let refusal = self.state.check(&act).expect_err("it was allowed");
        assert!(!refusal.text.is_empty());
        (refusal.code, refusal.params)
    }

    /// The code of a refusal.
    #[track_caller]
    pub fn code(&mut self, who: usize, kind: ActKind) -> String {
        self.refused(who, kind).0
    }

    /// A MODE as a user types it; nicks are those of members.
    #[track_caller]
    pub fn mode(&self, text: &str) -> ActKind {
        let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let request = self.state.parse_modes(&args).expect("MODE reads");
        assert!(request.lists.is_empty());
        ActKind::Mode { changes: request.changes }
    }

    /// An author sets modes and is allowed to.
    #[track_caller]
    pub fn sets(&mut self, who: usize, text: &str) -> Vec<ModeChange> {
        let kind = self.mode(text);
        self.does(who, kind).modes
    }

    /// An author sets modes and is refused; returns the code.
    #[track_caller]
    pub fn sets_not(&mut self, who: usize, text: &str) -> String {
        let kind = self.mode(text);
        self.code(who, kind)
    }

    /// The modes that took effect, in IRC's notation, in one line.
    pub fn shown(&self, changes: &[ModeChange]) -> String {
        let nick_of = |user: &UserId| Some(self.state.nick(user)?.to_string());
        let (letters, params) = crate::channel::render_modes(changes, nick_of);
        [vec![letters], params].concat().join(" ")
    }
}

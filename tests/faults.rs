//! Real services and nodes that fail while three people talk: everything that was taken in is shown
//! once, in one order, everywhere.
//!
//! What breaks a service has services of its own. `cargo test --test faults` runs them short, as CI
//! does; `scripts/faults` long, with 20,000 messages, and prints the table of docs/faults.md.

mod common;

use std::time::{Duration, Instant};

use common::forwarder::Forwarder;
use common::party::Heard;
use common::screen::Screen;
use common::services::Cluster;
use common::stage::{CHANNEL, LONG, NAMES, Stage};
use kirc::config::Secret;
use kirc::mailbox::Mechanism;

/// After a kill the next leader relays within this while people talk.
const KILLED: Duration = Duration::from_secs(8);
/// The same when nobody talks: the life of the leader key and 4 s.
const KILLED_IN_SILENCE: Duration = Duration::from_secs(34);
/// After an orderly stop.
const STOPPED: Duration = Duration::from_secs(2);
/// How long a key that is pressed may take to be seen.
const KEY: Duration = Duration::from_secs(1);
/// The life of the leader key.
const LEASE: Duration = Duration::from_secs(30);

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// What is said while a service is broken and mended again; `shown` is its name in STATUS.
fn broken(
    test: &str,
    shown: &str,
    stage: &mut Stage,
    break_it: impl FnOnce(&Stage),
    mend: impl FnOnce(&Stage),
) {
    let begin = Instant::now();
    break_it(stage);
    if !stage.lives[1].wait(LONG, |h| h.away.contains(shown)) {
        // Whether it is that node or the service that goes on, the others know.
        for life in &stage.lives {
            let heard = life.heard();
            let last = heard.times.last().map(Instant::elapsed);
            println!("{}: away {:?}, last line {last:?} ago, {}", life.name, heard.away, heard.status);
        }
        panic!("{} was not told that the {shown} is away", stage.lives[1].name);
    }
    println!("{test}: told after {:.1?}", begin.elapsed());
    mend(stage);
    let mended = Instant::now();
    stage.lives[1].until("told that it is back", LONG, |h| !h.away.contains(shown));
    stage.goes_on(test, 1, mended);
    stage.end(test, &[]);
    stage.without_gaps();
    let (quiet, _) = stage.lives[1].heard().silence(begin);
    println!("{test}: nothing was heard for {quiet:.1?} at the longest");
}

/// A service is killed, is away for a while, and comes back.
fn away(test: &str, service: &str, shown: &str, away: Duration) {
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let begin = Instant::now();
    let kill = |stage: &Stage| drop(stage.own().run(&["kill", service]));
    broken(test, shown, &mut stage, kill, |stage| {
        // What is said while it is away must be kept too.
        std::thread::sleep(away.saturating_sub(begin.elapsed()));
        stage.own().run(&["restart", service]);
    });
}

#[test]
fn a_broker_that_is_killed_and_comes_back() {
    let long = std::env::var("KIRC_TEST_FAULT_AWAY").ok().and_then(|s| s.parse().ok());
    away("broker killed", "kafka", "mailbox", Duration::from_secs(long.unwrap_or(8)));
}

#[test]
fn a_valkey_that_is_killed_and_comes_back() {
    away("valkey killed", "valkey", "signals", Duration::from_secs(4));
}

#[test]
fn a_postgresql_that_is_killed_and_comes_back() {
    away("postgresql killed", "postgres", "store", Duration::from_secs(4));
}

/// A service does not answer, or not as it should, until it is mended.
fn unwell(test: &str, breaks: [&str; 2], mends: [&str; 2], shown: &str) {
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let (breaks, mends) = (|s: &Stage| drop(s.own().run(&breaks)), |s: &Stage| drop(s.own().run(&mends)));
    broken(test, shown, &mut stage, breaks, mends);
}

#[test]
fn a_broker_that_does_not_answer() {
    unwell("broker stands still", ["pause", "kafka"], ["continue", "kafka"], "mailbox");
}

#[test]
fn a_valkey_that_does_not_answer() {
    unwell("valkey stands still", ["pause", "valkey"], ["continue", "valkey"], "signals");
}

#[test]
fn a_broker_whose_certificate_has_expired() {
    unwell("certificate expired", ["expire", "kafka"], ["renew", "kafka"], "mailbox");
}

#[test]
fn a_broker_whose_disk_is_full() {
    unwell("broker's disk full", ["full", "kafka"], ["room", "kafka"], "mailbox");
}

#[test]
fn a_password_that_is_no_longer_right() {
    let test = "password changed";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let set = |stage: &Stage, password: &str| {
        let services = stage.own().services();
        let (user, password) = (services.get("KIRC_KAFKA_USER").to_owned(), Secret::new(password));
        run(async {
            let admin = common::services::administration(&services, Cluster::First);
            let done = admin.set_scram_user(&user, &password, Mechanism::ScramSha512, 4096).await;
            done.expect("a password can be set");
        });
    };
    let right = stage.own().services().get("KIRC_KAFKA_PASSWORD").to_owned();
    let change = |stage: &Stage| {
        set(stage, "another one");
        // Connections that stand are not cut by that.
        stage.own().run(&["kill", "kafka"]);
        stage.own().run(&["restart", "kafka"]);
    };
    broken(test, "mailbox", &mut stage, change, |stage| set(stage, &right));
}

#[test]
fn a_postgresql_that_is_out_of_connections() {
    let test = "postgresql out of connections";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let taken = std::cell::RefCell::new(Vec::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let take = |stage: &Stage| {
        let services = stage.own().services();
        runtime.block_on(async {
            let admin = services.postgres_at(services.get("KIRC_POSTGRES_ADMIN")).await;
            let admin = admin.expect("an administrator");
            let (_, place) = services.get("KIRC_POSTGRES").split_once('@').expect("an address");
            let others = format!("postgres://others:others@{place}");
            // Theirs are ended, and none is given to them until others have all that there are.
            for statement in [
                "CREATE ROLE others LOGIN PASSWORD 'others'",
                "GRANT CONNECT ON DATABASE kirc TO others",
                "ALTER ROLE kirc CONNECTION LIMIT 0",
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'kirc'",
            ] {
                admin.batch_execute(statement).await.expect(statement);
            }
            // A node that tries has a place until it is refused: a refusal says nothing yet.
            let places = admin
                .query_one(
                    "SELECT sum(setting::int * CASE name WHEN 'max_connections' THEN 1 ELSE -1 END)::int
                     FROM pg_settings WHERE name IN
                     ('max_connections', 'superuser_reserved_connections', 'reserved_connections')",
                    &[],
                )
                .await;
            let places = places.expect("settings").get::<_, i32>(0);
            // The administrator keeps one of them.
            let mut all = Vec::new();
            let begin = Instant::now();
            while (all.len() as i32) < places - 1 {
                assert!(begin.elapsed() < LONG, "{} of {places} could be taken", all.len());
                if let Ok(client) = services.postgres_at(&others).await {
                    all.push(client);
                }
            }
            admin.batch_execute("ALTER ROLE kirc CONNECTION LIMIT -1").await.expect("a limit can be set");
            all.push(admin);
            taken.replace(all);
        });
        assert!(taken.borrow().len() >= 10, "{} connections were there to be had", taken.borrow().len());
    };
    broken(test, "store", &mut stage, take, |stage| {
        // They try again all the time, and go on waiting.
        std::thread::sleep(Duration::from_secs(4));
        assert!(stage.lives[1].heard().away.contains("store"), "there were connections after all");
        taken.borrow_mut().clear();
    });
}

#[test]
fn a_way_between_one_node_and_one_service_that_is_cut() {
    let test = "way cut";
    let Some(mut stage) = Stage::empty(test) else { return };
    let services = stage.world.services().clone();
    let port = |address: &str| -> u16 {
        let digits = address.rsplit(':').next().expect("a port").split('/').next().expect("a port");
        digits.parse().expect("a port")
    };
    // Kafka tells clients where to come, so its way has a listener of its own.
    let (kafka, way) = (services.get("KIRC_KAFKA_FAR"), services.get("KIRC_KAFKA_WAY"));
    let mailbox = Forwarder::start(port(way), port(kafka));
    stage.world.set_for("carol", "KIRC_KAFKA", way);
    let mut detour = |name: &str| {
        let address = services.get(name);
        let forwarder = Forwarder::start(0, port(address));
        let by = address.replace(&format!(":{}", port(address)), &format!(":{}", forwarder.port));
        stage.world.set_for("carol", name, &by);
        forwarder
    };
    let (signals, store) = (detour("KIRC_VALKEY"), detour("KIRC_POSTGRES"));
    stage.fill();
    stage.talk();
    let carol = NAMES.len() - 1;
    for (shown, forwarder) in [("signals", signals), ("store", store), ("mailbox", mailbox)] {
        let what = format!("way to the {shown} cut");
        let begin = Instant::now();
        forwarder.cut();
        stage.lives[carol].until("told that it is cut off", LONG, |h| h.away.contains(shown));
        println!("{what}: told after {:.1?}", begin.elapsed());
        forwarder.mend();
        let mended = Instant::now();
        stage.lives[carol].until("told that it is back", LONG, |h| !h.away.contains(shown));
        stage.goes_on(&what, carol, mended);
        for other in &stage.lives[..carol] {
            let (quiet, _) = other.heard().silence(begin);
            assert!(quiet < STOPPED, "{} heard nothing for {quiet:?}", other.name);
            assert!(other.heard().away.is_empty(), "{} misses {:?}", other.name, other.heard().away);
        }
    }
    stage.end(test, &[]);
    stage.without_gaps();
}

#[test]
fn a_leader_that_is_killed() {
    let test = "leader killed";
    let Some(mut stage) = Stage::shared(test) else { return };
    stage.talk();
    let leader = stage.leader();
    let name = stage.lives[leader].name.clone();
    stage.lives[leader].kill();
    let took = stage.taken_over(test, (leader + 1) % NAMES.len(), &name, Instant::now());
    assert!(took < KILLED, "the next leader relays after {took:?}");
    stage.again(leader);
    stage.end(test, &[leader]);
    stage.without_gaps();
}

#[test]
fn a_member_that_is_killed() {
    let test = "node killed";
    let Some(mut stage) = Stage::shared(test) else { return };
    stage.talk();
    let member = (stage.leader() + 1) % NAMES.len();
    stage.lives[member].kill();
    let begin = Instant::now();
    let again = stage.again(member);
    stage.goes_on(test, again, begin);
    stage.end(test, &[member]);
    stage.without_gaps();
}

#[test]
fn a_leader_that_is_stopped_for_longer_than_its_lease() {
    let test = "leader stopped and continued";
    let Some(mut stage) = Stage::shared(test) else { return };
    stage.talk();
    let leader = stage.leader();
    let name = stage.lives[leader].name.clone();
    stage.lives[leader].signal("STOP");
    let begin = Instant::now();
    stage.taken_over(test, (leader + 1) % NAMES.len(), &name, begin);
    std::thread::sleep((LEASE + Duration::from_secs(2)).saturating_sub(begin.elapsed()));
    stage.lives[leader].signal("CONT");
    let continued = Instant::now();
    stage.lives[leader].until("following", LONG, |h| h.leader.as_ref().is_some_and(|l| *l != name));
    stage.goes_on(test, leader, continued);
    stage.end(test, &[]);
    stage.without_gaps();
}

#[test]
fn a_leader_that_ends_in_order_and_one_that_is_killed_in_silence() {
    let test = "leader ended in order";
    let Some(mut stage) = Stage::shared(test) else { return };
    stage.talk();
    let first = stage.leader();
    let name = stage.lives[first].name.clone();
    stage.lives[first].signal("TERM");
    let took = stage.taken_over(test, (first + 1) % NAMES.len(), &name, Instant::now());
    assert!(took < STOPPED, "the next leader relays after {took:?}");
    stage.lives[first].until("ended", LONG, |h| h.ended);
    stage.again(first);
    stage.end(test, &[first]);
    stage.without_gaps();

    let test = "leader killed in silence";
    let second = stage.leader();
    let name = stage.lives[second].name.clone();
    let other = (0..stage.lives.len()).find(|i| ![first, second].contains(i)).expect("a third one");
    stage.lives[second].kill();
    let begin = Instant::now();
    let another = |h: &Heard| h.leader.as_ref().is_some_and(|l| *l != name);
    stage.lives[other].until("led by another", LONG, another);
    // It leads, so it relays: what is said now is settled at once.
    let line = "is anybody there?";
    stage.lives[other].message(CHANNEL, line);
    stage.lives[other].until("hearing it", LONG, |h| h.lines.iter().any(|(_, _, said)| said == line));
    let took = begin.elapsed();
    println!("{test}: the next leader relays after {took:.1?}");
    assert!(took < KILLED_IN_SILENCE, "the next leader relays after {took:?}");
    stage.end(test, &[first, second]);
    stage.without_gaps();
}

#[test]
fn signals_that_are_emptied() {
    let test = "valkey emptied";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let begin = Instant::now();
    stage.own().services().flush_valkey();
    stage.goes_on(test, 1, begin);
    stage.end(test, &[]);
    stage.without_gaps();
    let (quiet, _) = stage.lives[1].heard().silence(begin);
    println!("{test}: nothing was heard for {quiet:.1?} at the longest");
}

#[test]
fn a_log_that_vanishes() {
    let test = "broker's data gone";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let settled = stage.lives.iter().map(|l| l.heard().lines.len()).max().unwrap_or(0);
    assert!(settled > 0);
    stage.own().run(&["wipe", "kafka"]);
    stage.goes_on(test, 1, Instant::now());
    stage.end_after_loss(test);
}

/// The time of day as the status line has it.
fn minute() -> String {
    let at = std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs() / 60;
    format!("{:02}:{:02}", at / 60 % 24, at % 60)
}

#[test]
fn the_screen_says_what_is_away_since_when_and_what_waits() {
    let test = "screen";
    let Some(mut stage) = Stage::bare(test) else { return };
    stage.world.set_up("alice");
    stage.world.set_up("bob");
    let mut screen = Screen::start(&stage.world, "alice", &["tui"]);
    screen.shows("connected");
    screen.types(&format!("/join {CHANNEL}\r"));
    screen.shows("1 member");
    stage.come("bob");
    screen.shows("2 members");
    for (service, shown) in [("valkey", "signals"), ("kafka", "mailbox"), ("postgres", "store")] {
        let (before, begin) = (minute(), Instant::now());
        stage.own().run(&["kill", service]);
        let since = format!("no {shown} since ");
        screen.shows(&since);
        let told = begin.elapsed();
        let text = screen.text();
        let at: String = text.split(&since).nth(1).expect("it is shown").chars().take(5).collect();
        assert!([before, minute()].contains(&at), "since {at}:\n{text}");
        let line = format!("said without {shown}");
        screen.types(&line);
        let typed = screen.shows_within(&line, KEY);
        screen.types("\r");
        match service {
            // Hints only: it is settled all the same.
            "valkey" => screen.shows(&format!(". ~alice {line}")),
            "kafka" => screen.shows("1 waiting"),
            // The node can't say so now: the line itself does.
            _ => screen.shows(&format!("~ ~alice {line}")),
        }
        // It still does what it is asked to.
        screen.types("/help\r");
        let helped = screen.shows_within("leave a channel", KEY);
        screen.types("\u{1b}");
        println!("{test}: {shown}: told after {told:.1?}, a key after {typed:.1?}, help after {helped:.1?}");
        stage.own().run(&["restart", service]);
        stage.lives[0].until("hearing it", LONG, |h| h.lines.iter().any(|(_, _, said)| *said == line));
        screen.shows_within("connected", LONG);
    }
}

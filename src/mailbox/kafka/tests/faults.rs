//! Kafka's failures, and how the mailbox recovers from them.

use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::rig::{Door, Kafka};
use super::*;
use crate::mailbox::conformance::Rig;
use crate::mailbox::kafka::settings::Pace;

const PATIENCE: Duration = Duration::from_secs(40);

async fn next(reader: &mut mpsc::Receiver<Delivery>) -> Delivery {
    tokio::time::timeout(PATIENCE, reader.recv()).await.expect("nothing came").expect("the reader ended")
}

async fn start(reader: &mut mpsc::Receiver<Delivery>) -> ReaderStart {
    match next(reader).await {
        Delivery::Reading(start) => start,
        Delivery::Records(records) => panic!("{} records", records.len()),
    }
}

async fn values(reader: &mut mpsc::Receiver<Delivery>, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(reader).await {
            Delivery::Records(r) => all.extend(r.into_iter().map(|r| String::from_utf8(r.value).unwrap())),
            Delivery::Reading(start) => panic!("moved to {start:?} after {all:?}"),
        }
    }
    all
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The conformance suite uses the plain door and the administrator's; this is the third.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_opens_the_door() {
    let Some(kafka) = Kafka::new(Door::Cert) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic_named(&mailbox, "data-in-test-cert").await;
    assert_eq!(mailbox.append(&topic, vec![], b"x".to_vec()).await, Ok(0));
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    start(&mut reader).await;
    assert_eq!(values(&mut reader, 1).await, ["x"]);
}

/// librdkafka may stop to fetch a partition: what is done then loses and repeats nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_stalled_goes_on_with_another_client() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "stalled").await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    start(&mut reader).await;
    for round in 0..4 {
        let said: Vec<String> = (0..3).map(|i| format!("{round} {i}")).collect();
        for (i, text) in said.iter().enumerate() {
            if i == round % 3 {
                mailbox.shared.watch.stall();
            }
            mailbox.append(&topic, vec![], text.clone().into_bytes()).await.unwrap();
        }
        assert_eq!(values(&mut reader, 3).await, said);
        assert_eq!(mailbox.shared.taps.count(), 1, "the client that was stalled is not kept");
    }
}

/// A producer that numbered records of the old topic goes on in the new one, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_is_appended_to() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "anew").await;
    let other = Topic { partition: 1, ..topic.clone() };
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let mut life = start(&mut reader).await.incarnation;
    for round in 0..3 {
        for i in 0..5 {
            assert_eq!(mailbox.append(&topic, vec![], format!("{round} {i}").into_bytes()).await, Ok(i));
        }
        assert_eq!(values(&mut reader, 5).await.last(), Some(&format!("{round} 4")));
        kafka.delete(&topic.name).await.unwrap();
        mailbox.append(&topic, vec![], vec![1]).await.unwrap_err();
        mailbox.create_topics(std::slice::from_ref(&topic.name), 2).await.unwrap();
        assert_eq!(mailbox.append(&other, vec![], b"other".to_vec()).await, Ok(0));
        let new = start(&mut reader).await;
        assert!(new.incarnation != life && new.at == 0, "{new:?}");
        life = new.incarnation;
    }
}

/// Nothing is wrong at the place where the reader stands, so only the topic's id can tell: the new
/// topic has gone past it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_and_filled_at_once_is_noticed() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let (mailbox, writer) = (kafka.mailbox(), kafka.mailbox());
    let topic = kafka.topic(&mailbox, "refilled").await;
    assert_eq!(writer.append(&topic, vec![], b"old".to_vec()).await, Ok(0));
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let old = start(&mut reader).await;
    assert_eq!(values(&mut reader, 1).await, ["old"]);
    kafka.delete(&topic.name).await.unwrap();
    writer.create_topics(std::slice::from_ref(&topic.name), 2).await.unwrap();
    for i in 0..10 {
        assert_eq!(writer.append(&topic, vec![], format!("new {i}").into_bytes()).await, Ok(i));
    }
    // Some records of the new life may come at the old place before it is noticed that it is a new
    // one.
    let new = loop {
        if let Delivery::Reading(start) = next(&mut reader).await {
            break start;
        }
    };
    assert!(new.incarnation != old.incarnation && new.at == 0, "{new:?}");
    assert_eq!(values(&mut reader, 10).await[0], "new 0");
}

/// What was given up while nobody read, or between two handfuls, shows as a move with its size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_given_up_later_is_told() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "trimmed").await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    start(&mut reader).await;
    // More than reader and client hold.
    for _ in 0..16 {
        let all: Vec<_> = (0..20).map(|_| mailbox.append(&topic, vec![], vec![7; 250_000])).collect();
        for done in all {
            done.await.unwrap();
        }
    }
    mailbox.trim(&topic, 315).await.unwrap();
    let (mut expected, mut moved) = (0, 0);
    while expected < 320 {
        match next(&mut reader).await {
            Delivery::Reading(start) => {
                assert!(start.at > expected && start.at == 315, "{start:?} at {expected}");
                expected = start.at;
                moved += 1;
            }
            Delivery::Records(records) => {
                for record in records {
                    assert_eq!(record.offset, expected);
                    expected += 1;
                }
            }
        }
    }
    assert_eq!(moved, 1);
}

/// A reader that waits moves to the quiet client, and misses nothing on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_reader_becomes_quiet() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "quiet").await;
    let mut reader = mailbox.read(&topic, ReadFrom::End).await.unwrap();
    start(&mut reader).await;
    let taps = mailbox.shared.taps.clone();
    let mut sent = 0_u64;
    let begin = Instant::now();
    // A record now and then while it moves, seldom enough for it to be calm.
    while taps.reading(Pace::Prompt) > 0 || taps.reading(Pace::Quiet) == 0 {
        assert!(begin.elapsed() < PATIENCE, "it stays prompt");
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        assert_eq!(mailbox.append(&topic, vec![], sent.to_string().into_bytes()).await, Ok(sent));
        assert_eq!(values(&mut reader, 1).await, [sent.to_string()]);
        sent += 1;
    }
    // It wakes at once, though its fetch waits for long.
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let begin = Instant::now();
        drop(mailbox.append(&topic, vec![], sent.to_string().into_bytes()));
        assert_eq!(values(&mut reader, 1).await, [sent.to_string()]);
        best = best.min(begin.elapsed());
        sent += 1;
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
    // Another reader of the same partition begins at once.
    let begin = Instant::now();
    let mut second = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    start(&mut second).await;
    values(&mut second, usize::try_from(sent).unwrap()).await;
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

/// Nothing listens: the mailbox opens all the same, says what is wrong, and is well as soon as
/// Kafka is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_that_kafka_is_away_and_when_it_is_back() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let topic = kafka.topic(&kafka.mailbox(), "away").await;
    let real = kafka.settings.bootstrap.clone();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = KafkaSettings { bootstrap: unused.to_string(), ..kafka.settings.clone() };
    let mailbox = KafkaMailbox::open(settings, "test".to_owned()).unwrap();
    let mut health = mailbox.health();
    assert!(health.borrow().up);
    let error = mailbox.append(&topic, vec![], vec![1]).await.unwrap_err();
    assert!(error.0.contains(&topic.name), "{error}");
    tokio::time::timeout(PATIENCE, health.wait_for(|h| !h.up)).await.unwrap().unwrap();
    let reason = health.borrow().reason.clone();
    assert!(reason.contains("nothing listens at") && reason.contains("powered off"), "{reason}");
    let reading = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap_err();
    assert!(reading.0.contains(&topic.name), "{reading}");
    // It comes up at this address.
    let listener = TcpListener::bind(unused).await.unwrap();
    let pass = tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let real = real.clone();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(real).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    tokio::time::timeout(PATIENCE, health.wait_for(|h| h.up)).await.unwrap().unwrap();
    assert_eq!(mailbox.append(&topic, vec![], b"back".to_vec()).await.map(|o| o < 2), Ok(true));
    let mut reader = mailbox.read(&topic, ReadFrom::End).await.unwrap();
    start(&mut reader).await;
    pass.abort();
}

/// Each wrong setting is said in words, without the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_are_said_in_words() {
    let (Some(plain), Some(sasl)) = (Kafka::new(Door::Plain), Kafka::new(Door::Sasl)) else {
        return;
    };
    let good = sasl.settings.clone();
    let plain = plain.settings.bootstrap.clone();
    let wrong = [
        (
            KafkaSettings { password: crate::config::Secret::new("hunter2"), ..good.clone() },
            "user and password",
        ),
        (KafkaSettings { user: "test-nobody".to_owned(), ..good.clone() }, "user and password"),
        (KafkaSettings { ca: String::new(), ..good.clone() }, "KIRC_CA"),
        (KafkaSettings { bootstrap: "nowhere.invalid:1".to_owned(), ..good.clone() }, "can't be found"),
        (KafkaSettings { bootstrap: plain, ..good.clone() }, "TLS"),
        (KafkaSettings { security: Security::Plaintext, ..good.clone() }, "KIRC_KAFKA_SECURITY"),
        (KafkaSettings { ca: "no certificate".to_owned(), ..good.clone() }, "ssl.ca.pem"),
    ];
    for (settings, expected) in wrong {
        let error = cluster_id(&settings, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.0.contains(expected) && !error.0.contains("hunter2"), "{expected}: {error}");
    }
    assert!(!cluster_id(&good, Duration::from_secs(10)).await.unwrap().is_empty());
}

/// What nobody uses is closed, and opened again when it is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_idle_is_closed() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "idle").await;
    let shared = mailbox.shared.clone();
    for round in 0..2 {
        assert_eq!(mailbox.append(&topic, vec![], vec![1]).await, Ok(round));
        let mut reader = mailbox.read(&topic, ReadFrom::At(round)).await.unwrap();
        start(&mut reader).await;
        values(&mut reader, 1).await;
        drop(reader);
        until("the reader stays", || {
            shared.taps.rest(Duration::ZERO);
            shared.taps.count() == 0
        })
        .await;
        shared.writer.rest(Duration::ZERO);
        assert!(!shared.writer.is_open());
    }
}

/// Nothing is lost when a mailbox is closed right after it was used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_for_is_done_at_the_end() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "end").await;
    mailbox.append(&topic, vec![], vec![0]).await.unwrap();
    let asked: Vec<_> = (0..200).map(|i| mailbox.append(&topic, vec![], vec![i])).collect();
    let begin = Instant::now();
    mailbox.close().await.unwrap();
    println!("closed after {:?}", begin.elapsed());
    for (i, done) in (1..).zip(asked) {
        assert_eq!(done.await, Ok(i));
    }
    let late = mailbox.append(&topic, vec![], vec![1]).await.unwrap_err();
    assert!(late.0.contains("closed"), "{late}");
    mailbox.read(&topic, ReadFrom::End).await.unwrap_err();
    mailbox.end(&topic).await.unwrap_err();
}

/// A producer that is thrown away while records are on their way, as after each disconnection: none
/// is lost, none doubled, and the order stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_is_renewed_keeps_the_order() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "renewed").await;
    for i in 0..500_u64 {
        if i % 50 == 25 {
            mailbox.shared.writer.renew(false);
            tokio::time::sleep(Duration::from_millis(i % 7)).await;
        }
        drop(mailbox.append(&topic, vec![], i.to_string().into_bytes()));
    }
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    start(&mut reader).await;
    let seen = values(&mut reader, 500).await;
    assert!(seen.into_iter().eq((0..500).map(|i| i.to_string())));
    // One that failed for good gives up what it has; what comes after goes on.
    let asked: Vec<_> = (0..20).map(|i| mailbox.append(&topic, vec![], vec![i])).collect();
    mailbox.shared.writer.renew(true);
    let last = mailbox.append(&topic, vec![], b"last".to_vec());
    for done in asked {
        if let Err(error) = done.await {
            assert!(error.0.contains(&topic.name), "{error}");
        }
    }
    assert!(last.await.is_ok());
}

/// Kafka ends and comes back with its data, then without. The command is told which: `restart` or
/// `wipe`; run by hand with, say, `KIRC_TEST_FAULT='./scripts/services $1 kafka --dir DIR'`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it disturbs all others on the same Kafka"]
async fn kafka_comes_back_with_its_data_and_without() {
    let (Some(kafka), Ok(command)) = (Kafka::new(Door::Plain), std::env::var("KIRC_TEST_FAULT")) else {
        return;
    };
    let fault = |what: &'static str| {
        let command = command.clone();
        async move {
            let mut shell = tokio::process::Command::new("sh");
            let done = shell.args(["-c", &command, "sh", what]).output().await.unwrap();
            assert!(done.status.success(), "{done:?}");
        }
    };
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "wiped").await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let old = start(&mut reader).await;
    for i in 0..5 {
        assert_eq!(mailbox.append(&topic, vec![], format!("{i}").into_bytes()).await, Ok(i));
    }
    values(&mut reader, 5).await;
    let mut health = mailbox.health();
    let (_, down) = tokio::join!(fault("restart"), async {
        tokio::time::timeout(PATIENCE, health.wait_for(|h| !h.up)).await.map(|h| h.unwrap().reason.clone())
    });
    println!("while it was away: {down:?}");
    let begin = Instant::now();
    while let Err(error) = mailbox.append(&topic, vec![], b"again".to_vec()).await {
        println!("{error}");
        assert!(begin.elapsed() < PATIENCE, "{error}");
    }
    println!("appended {:?} after the restart", begin.elapsed());
    assert_eq!(values(&mut reader, 1).await, ["again"]);
    println!("read {:?} after the restart", begin.elapsed());
    tokio::time::timeout(PATIENCE, mailbox.health().wait_for(|h| h.up)).await.unwrap().unwrap();

    fault("wipe").await;
    let begin = Instant::now();
    while let Err(error) = mailbox.create_topics(std::slice::from_ref(&topic.name), 2).await {
        println!("{error}");
        assert!(begin.elapsed() < PATIENCE, "{error}");
    }
    while let Err(error) = mailbox.append(&topic, vec![], b"new".to_vec()).await {
        println!("{error}");
        assert!(begin.elapsed() < PATIENCE, "{error}");
    }
    println!("appended {:?} after the data was gone", begin.elapsed());
    let new = start(&mut reader).await;
    assert!(new.incarnation != old.incarnation && new.at == 0, "{new:?}");
    assert_eq!(values(&mut reader, 1).await, ["new"]);
    println!("read {:?} after the data was gone", begin.elapsed());
}

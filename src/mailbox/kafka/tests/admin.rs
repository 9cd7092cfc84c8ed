//! ACLs and users on the real broker: allowed operations work, all others are refused.

use std::time::{Duration, Instant};

use super::rig::{Door, Kafka};
use super::*;
use crate::config::Secret;

/// Brokers apply rules and users a moment after they took them.
async fn soon<T: std::fmt::Debug>(what: &str, mut work: impl AsyncFnMut() -> Result<T, PortError>) -> T {
    let begin = Instant::now();
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) => assert!(begin.elapsed() < Duration::from_secs(20), "{what}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_can_do_what_rules_allow_and_nothing_else() {
    let Some(kafka) = Kafka::new(Door::Sasl) else {
        return;
    };
    let admin = Admin::open(kafka.settings.clone()).unwrap();
    let owner = kafka.mailbox();
    let inbox = kafka.topic(&owner, "inbox").await;
    let outbox = kafka.topic(&owner, "outbox").await;
    let user = format!("test-peer-{}", inbox.name);
    let password = Secret::new("right password");

    for mechanism in [Mechanism::ScramSha512, Mechanism::ScramSha256] {
        admin.set_scram_user(&user, &password, mechanism, 4096).await.unwrap();
    }
    let rules =
        [Acl::allow(&user, Operation::Write, &inbox.name), Acl::allow(&user, Operation::Read, &outbox.name)];
    admin.create_acls(&rules).await.unwrap();
    let whose = format!("User:{user}");
    let told = soon("rules", async || {
        let told = admin.describe_acls(Some(&whose)).await?;
        if told.len() == 2 { Ok(told) } else { Err(PortError(format!("{told:?}"))) }
    })
    .await;
    assert!(rules.iter().all(|r| told.contains(r)), "{told:?}");
    let users = soon("users", async || {
        let users = admin.scram_users(std::slice::from_ref(&user)).await?;
        if users.len() == 1 { Ok(users) } else { Err(PortError(format!("{users:?}"))) }
    })
    .await;
    assert_eq!(users[0].0, user);
    assert_eq!(users[0].1.len(), 2);

    // Both mechanisms log in, and may do what they may.
    for mechanism in [Mechanism::ScramSha512, Mechanism::ScramSha256] {
        let settings = KafkaSettings {
            user: user.clone(),
            password: password.clone(),
            mechanism,
            ..kafka.settings.clone()
        };
        let peer = KafkaMailbox::open(settings, "test".to_owned()).unwrap();
        soon("append", async || peer.append(&inbox, vec![], b"from a peer".to_vec()).await).await;
        let outcome = peer.append(&outbox, vec![], vec![1]).await.unwrap_err();
        assert!(outcome.0.contains("may not"), "{outcome}");
        peer.read(&outbox, ReadFrom::At(0)).await.unwrap();
        let mut reader = peer.read(&inbox, ReadFrom::At(0)).await;
        if let Ok(reader) = &mut reader {
            // It may look at the topic, being allowed to write; but no record comes out.
            reader.recv().await.unwrap();
            let more = tokio::time::timeout(Duration::from_millis(700), reader.recv()).await;
            assert!(more.is_err(), "{more:?}");
        }
        let made = peer.create_topics(&[format!("{}-more", inbox.name)], 2).await.unwrap_err();
        assert!(made.0.contains("may not"), "{made}");
        peer.trim(&outbox, 0).await.unwrap(); // Nothing to do.
        peer.trim(&inbox, 1).await.unwrap_err();
        let not_admin = Admin::open(KafkaSettings {
            user: user.clone(),
            password: password.clone(),
            mechanism,
            ..kafka.settings.clone()
        })
        .unwrap();
        for refused in [
            not_admin.create_acls(&rules).await.unwrap_err(),
            not_admin.set_scram_user(&user, &password, mechanism, 4096).await.unwrap_err(),
        ] {
            assert!(refused.0.contains("may not"), "{refused}");
        }
        assert!(not_admin.describe_acls(None).await.unwrap_err().0.contains("may not"));
        assert!(not_admin.scram_users(&[]).await.unwrap_err().0.contains("may not"));
    }
    assert!(owner.end(&inbox).await.unwrap() >= 2);
    assert_eq!(owner.end(&outbox).await, Ok(0));

    // Taken away again.
    assert_eq!(admin.delete_acls(&rules).await, Ok(2));
    assert_eq!(admin.delete_acls(&rules).await, Ok(0));
    for mechanism in [Mechanism::ScramSha512, Mechanism::ScramSha256] {
        assert_eq!(admin.delete_scram_user(&user, mechanism).await, Ok(true));
    }
    soon("user gone", async || match admin.delete_scram_user(&user, Mechanism::ScramSha512).await? {
        false => Ok(()),
        true => Err(PortError("still there".to_owned())),
    })
    .await;
    let settings = KafkaSettings { user: user.clone(), password, ..kafka.settings.clone() };
    soon("login refused", async || match cluster_id(&settings, Duration::from_secs(5)).await {
        Err(error) if error.0.contains("refused the login") => Ok(()),
        other => Err(PortError(format!("{other:?}"))),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_make_no_sense_are_refused() {
    let Some(kafka) = Kafka::new(Door::Sasl) else {
        return;
    };
    let admin = Admin::open(kafka.settings.clone()).unwrap();
    let password = Secret::new("p");
    admin.set_scram_user("x", &password, Mechanism::Plain, 4096).await.unwrap_err();
    let weak = admin.set_scram_user("test-weak", &password, Mechanism::ScramSha256, 1).await.unwrap_err();
    assert!(weak.0.contains("test-weak"), "{weak}");
    admin
        .create_acls(&[Acl { principal: "no\0body".to_owned(), ..Acl::allow("x", Operation::All, "y") }])
        .await
        .unwrap_err();
    assert_eq!(admin.create_acls(&[]).await, Ok(()));
    assert_eq!(admin.delete_acls(&[]).await, Ok(0));
}

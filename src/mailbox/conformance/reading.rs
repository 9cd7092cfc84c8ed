//! The rules for readers: where they start, how they are woken and moved, and that they miss
//! nothing.
//!
//! This module owns only these rules; the others are in the parent module.

use super::*;

/// At the beginning, in the middle, at the end.
pub async fn a_reader_starts_where_it_is_told(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    fill(&mailbox, &topic, 10).await;
    for (from, at) in
        [(ReadFrom::At(0), 0), (ReadFrom::At(7), 7), (ReadFrom::At(10), 10), (ReadFrom::End, 10)]
    {
        let mut reader = mailbox.read(&topic, from).await.unwrap();
        let start = started(&mut reader).await;
        assert_eq!((start.start, start.end, start.at), (0, 10, at), "{from:?}");
        assert!(!start.incarnation.is_empty());
        if at < 10 {
            assert_eq!(take(&mut reader, 10 - at as usize).await[0].offset, at);
        }
    }
}

/// A reader that asks for what is not there is told the nearest place, and reads from it.
pub async fn a_place_that_is_not_there_is_moved(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    fill(&mailbox, &topic, 10).await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(99)).await.unwrap();
    assert_eq!(started(&mut reader).await.at, 10);
    fill(&mailbox, &topic, 1).await;
    assert_eq!(take(&mut reader, 1).await[0].offset, 10);

    mailbox.trim(&topic, 4).await.unwrap();
    let mut reader = mailbox.read(&topic, ReadFrom::At(1)).await.unwrap();
    let start = started(&mut reader).await;
    assert_eq!((start.start, start.end, start.at), (4, 11, 4));
    assert_eq!(take(&mut reader, 7).await[0].offset, 4);
}

/// Who waits is woken by what another process appends.
pub async fn a_waiting_reader_gets_what_others_append(rig: &dyn Rig) {
    let (one, two) = (rig.open(), rig.open());
    let topic = topic(&one).await;
    let mut reader = one.read(&topic, ReadFrom::End).await.unwrap();
    started(&mut reader).await;
    for i in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let by = if i % 2 == 0 { &two } else { &one };
        assert_eq!(by.append(&topic, vec![], vec![i]).await, Ok(u64::from(i)));
        assert_eq!(take(&mut reader, 1).await[0].value, [i]);
    }
}

/// Who reads late reads in deliveries of limited size, and misses nothing.
pub async fn a_slow_reader_misses_nothing(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let count = BATCH_RECORDS * (BATCHES + 3);
    fill(&mailbox, &topic, count as u64).await;
    let asked: Vec<_> = (0..12).map(|_| mailbox.append(&topic, vec![], vec![7; limits::RECORD])).collect();
    for done in asked {
        done.await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    started(&mut reader).await;
    let mut offset = 0;
    while offset < count as u64 + 12 {
        let Delivery::Records(records) = next(&mut reader).await else {
            panic!("moved at {offset}");
        };
        let bytes: usize = records.iter().map(|r| r.value.len()).sum();
        assert!(records.len() <= BATCH_RECORDS && bytes <= BATCH_BYTES);
        for record in records {
            assert_eq!(record.offset, offset);
            offset += 1;
        }
    }
}

/// A reader whose next record was given up is moved, and told.
pub async fn a_reader_is_told_what_was_trimmed(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let count = (BATCH_RECORDS * (BATCHES + 4)) as u64;
    fill(&mailbox, &topic, count).await;
    mailbox.trim(&topic, count - 10).await.unwrap();
    let life = started(&mut reader).await.incarnation;
    let mut expected = 0;
    let mut moved = 0;
    while expected < count {
        match next(&mut reader).await {
            Delivery::Reading(start) => {
                assert!(start.at > expected && start.incarnation == life);
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
    assert!(moved == 1 || moved == 0 && rig.reads_ahead());
}

/// A topic that was deleted and made anew: readers are told, and begin again.
pub async fn a_new_life_has_a_new_incarnation(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    fill(&mailbox, &topic, 5).await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let old = started(&mut reader).await;
    take(&mut reader, 5).await;
    rig.delete(&topic.name).await.unwrap();
    mailbox.append(&topic, vec![], vec![1]).await.unwrap_err();
    let names = [topic.name.clone()];
    rig.open().create_topics(&names, 2).await.unwrap();
    let new = started(&mut reader).await;
    assert_ne!(new.incarnation, old.incarnation);
    assert_eq!(new.at, 0);
    assert_eq!(mailbox.append(&topic, vec![], b"new".to_vec()).await, Ok(0));
    assert_eq!(text(&take(&mut reader, 1).await[0]), "new");
}

/// Readers that are gone disturb neither others nor writers.
pub async fn readers_come_and_go(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let mut kept = mailbox.read(&topic, ReadFrom::End).await.unwrap();
    started(&mut kept).await;
    for i in 0..50 {
        let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
        started(&mut reader).await;
        drop(reader);
        fill(&mailbox, &topic, 1).await;
        assert_eq!(take(&mut kept, 1).await[0].offset, i);
    }
}

//! Copies the write-ahead log into the database file, off the threads that serve requests.
//!
//! This module owns one thread that sleeps until enough has been written. A checkpoint calls
//! `fsync`, which takes milliseconds; readers and writers continue meanwhile.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::place::Place;

/// Bytes that are written between two checkpoints.
const BETWEEN: usize = 4 << 20;
/// A log of this size is cut back even if writers have to wait for it.
const LARGE: u64 = 64 << 20;

/// Counts what is written and has it taken over.
#[derive(Debug)]
pub struct Checkpoint {
    written: usize,
    start: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoint {
    /// For this place.
    pub fn new(place: Place) -> std::io::Result<Self> {
        let (start, started) = channel();
        let thread = std::thread::Builder::new()
            .name("kirc-checkpoint".to_owned())
            .spawn(move || run(&place, &started))?;
        Ok(Self { written: 0, start: Some(start), thread: Some(thread) })
    }

    /// So many bytes were committed. Pages are written whole, so each commit counts for some.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes + 8192;
        if self.written >= BETWEEN {
            self.written = 0;
            if let Some(start) = &self.start {
                let _ = start.send(());
            }
        }
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        self.start = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(place: &Place, started: &Receiver<()>) {
    while started.recv().is_ok() {
        while started.try_recv().is_ok() {}
        let _ = take_over(place, false);
    }
    // The last word: if nobody else uses it, whoever looks at the folder later finds all in one
    // file.
    let _ = take_over(place, true);
}

fn take_over(place: &Place, last: bool) -> Result<(), super::Fault> {
    place.with_file(|conn| {
        let [wal, _] = super::db::companions(place.path());
        let large = std::fs::metadata(&wal).is_ok_and(|m| m.len() > LARGE);
        if last {
            conn.busy_timeout(Duration::from_millis(20))?;
        }
        let how = if large || last { "TRUNCATE" } else { "PASSIVE" };
        conn.execute_batch(&format!("PRAGMA synchronous=NORMAL; PRAGMA wal_checkpoint({how})"))?;
        Ok(())
    })
}

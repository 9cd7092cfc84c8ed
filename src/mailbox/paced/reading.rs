//! Reads at the pace of the budget: one task for each reader delivers records as the gate admits
//! them.
//!
//! This module keeps each reader's order, and takes no record out of the service much before it is
//! needed: queues are short, and a delay here stops the underlying reader. New records never wait
//! here; catching up waits for them.

use std::sync::Arc;

use kirc_core::ids::Offset;
use tokio::sync::mpsc;

use super::bucket::Gate;
use super::meter::Meter;
use super::{Delivery, cost};

/// Deliveries that wait for who reads.
pub const DELIVERIES: usize = 2;

/// Nobody listens any more.
struct Over;

/// One reader.
pub struct Reading {
    pub gate: Arc<Gate>,
    pub meter: Arc<Meter>,
    pub to: mpsc::Sender<Delivery>,
}

impl Reading {
    /// Hands on what comes, until one of the two ends is gone.
    pub async fn run(self, mut from: mpsc::Receiver<Delivery>) {
        let mut end = 0;
        loop {
            let delivery = tokio::select! {
                delivery = from.recv() => delivery,
                () = self.to.closed() => return,
            };
            let Some(delivery) = delivery else { return };
            if self.hand_on(delivery, &mut end).await.is_err() {
                return;
            }
        }
    }

    async fn hand_on(&self, delivery: Delivery, end: &mut Offset) -> Result<(), Over> {
        let records = match delivery {
            Delivery::Reading(start) => {
                *end = start.end;
                return self.send(Delivery::Reading(start)).await;
            }
            Delivery::Records(records) => records,
        };
        let mut paid = Vec::new();
        for record in records {
            let bytes = cost(&record.key, &record.value);
            // What was there before is history; what comes since is said now.
            if record.offset >= *end {
                self.gate.charge(bytes);
            } else if !self.gate.try_pass(bytes) {
                if !paid.is_empty() {
                    self.send(Delivery::Records(std::mem::take(&mut paid))).await?;
                }
                tokio::select! {
                    () = self.gate.pass(bytes) => {}
                    () = self.to.closed() => return Err(Over),
                }
            }
            self.meter.read(bytes);
            paid.push(record);
        }
        match paid.is_empty() {
            true => Ok(()),
            false => self.send(Delivery::Records(paid)).await,
        }
    }

    async fn send(&self, delivery: Delivery) -> Result<(), Over> {
        self.to.send(delivery).await.map_err(|_| Over)
    }
}

//! Several statements as one transaction in one round trip.
//!
//! This module owns the order in which they are sent, and sends the commit only after all
//! statements before it were sent.

use std::future::Future;
use std::pin::Pin;

use futures_util::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

/// The values of one column.
pub type Column<'c> = Box<dyn ToSql + Sync + Send + 'c>;

type Sent<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'c>>;

/// Statements that are collected, then sent.
pub struct Pipeline<'c> {
    client: &'c Client,
    begun: bool,
    sent: Vec<Sent<'c>>,
    failed: Option<Error>,
}

impl<'c> Pipeline<'c> {
    /// Nothing yet.
    pub fn new(client: &'c Client) -> Self {
        Self { client, begun: false, sent: Vec::new(), failed: None }
    }

    /// Sends a statement.
    pub fn add<const N: usize>(&mut self, statement: &'c Statement, params: [Column<'c>; N]) {
        let client = self.client;
        if !self.begun {
            self.begun = true;
            self.send(Box::pin(async move { client.batch_execute("BEGIN").await }));
        }
        if self.failed.is_none() {
            self.send(Box::pin(async move { client.execute_raw(statement, params).await.map(drop) }));
        }
    }

    /// Polls for the first time: that is when it is written down and sent.
    fn send(&mut self, mut what: Sent<'c>) {
        match (&mut what).now_or_never() {
            Some(Err(error)) => self.failed = Some(error),
            Some(Ok(())) => {}
            None => self.sent.push(what),
        }
    }

    /// Sends the end, and waits for all answers. The first error counts: what follows one is
    /// refused because of it.
    pub async fn commit(mut self) -> Result<(), Error> {
        if !self.begun {
            return Ok(());
        }
        // What could not be written down was not sent, and the rest without it must not be.
        let end = if self.failed.is_some() { "ROLLBACK" } else { "COMMIT" };
        let client = self.client;
        self.send(Box::pin(async move { client.batch_execute(end).await }));
        let mut first = self.failed;
        for answer in self.sent {
            if let Err(error) = answer.await {
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }
}

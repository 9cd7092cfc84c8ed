//! Messages of a conversation, on PostgreSQL.

use kirc_core::port::{Answer, MessageRow, Point, Window};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::queries::text;
use crate::embedded::db::{int, number};

/// A place between messages: behind those up to this one.
type Place = (i64, Vec<u8>);

/// What stands before the first message and behind the last one.
const BEFORE_ALL: Place = (i64::MIN, Vec::new());
const BEHIND_ALL: Place = (i64::MAX, Vec::new());

/// The position of a message. Without the sum the planner may walk the conversation by position,
/// instead of looking for the id.
const PLACE: &str = "SELECT min(seq + 0) FROM message WHERE target = $1 AND id = $2";

/// The position of the first message of a time or later. Times grow with positions, but for clocks
/// that differ: so it is found by halving, without an index, in one round trip.
const FIRST_AT: &str = "WITH RECURSIVE part (low, high) AS ( \
     SELECT (SELECT seq FROM message WHERE target = $1 ORDER BY seq LIMIT 1), \
            (SELECT seq + 1 FROM message WHERE target = $1 ORDER BY seq DESC LIMIT 1) \
     UNION ALL \
     SELECT CASE WHEN next.ts < $2 THEN next.seq + 1 ELSE part.low END, \
            CASE WHEN next.ts < $2 THEN part.high ELSE part.low + (part.high - part.low) / 2 END \
     FROM part CROSS JOIN LATERAL (SELECT seq, ts FROM message WHERE target = $1 \
            AND seq >= part.low + (part.high - part.low) / 2 ORDER BY seq, id LIMIT 1) AS next \
     WHERE part.low < part.high) \
     SELECT low FROM part WHERE low >= high LIMIT 1";

/// What is said alone in a channel has one position, in the order of ids: the last message there
/// before the time.
const SHARED: &str = "SELECT p.seq, (SELECT id FROM message WHERE target = $1 AND seq = p.seq AND id < \
     (SELECT id FROM message WHERE target = $1 AND seq = p.seq AND ts >= $2 ORDER BY id LIMIT 1) \
     ORDER BY id DESC LIMIT 1) \
     FROM (SELECT seq FROM message WHERE target = $1 AND seq < $3 ORDER BY seq DESC LIMIT 1) p";

/// Answers a question for them.
pub async fn of(client: &Client, target: &str, window: &Window, limit: u32) -> Result<Answer, Error> {
    let (rows, more) = match window {
        Window::Newest { after, before } | Window::Oldest { after, before } => {
            let newest = matches!(window, Window::Newest { .. });
            let after = bound(client, target, after.as_ref(), BEFORE_ALL).await?;
            let before = bound(client, target, before.as_ref(), BEHIND_ALL).await?;
            match (after, before) {
                (Some(after), Some(before)) => {
                    between(client, target, (&after, &before), newest, limit).await?
                }
                _ => (Vec::new(), false),
            }
        }
        Window::Around(point) => match place(client, target, point).await? {
            Some(mut at) => {
                if matches!(point, Point::Message(_)) {
                    // Behind the message itself.
                    at.1.push(0);
                }
                let half = limit - limit / 2;
                let (mut rows, more) = between(client, target, (&BEFORE_ALL, &at), true, half).await?;
                let rest = limit - u32::try_from(rows.len()).unwrap_or(limit);
                rows.extend(between(client, target, (&at, &BEHIND_ALL), false, rest).await?.0);
                (rows, more)
            }
            None => (Vec::new(), false),
        },
    };
    let trimmed = window.is_open_to_the_past() && !more && {
        let went = "SELECT EXISTS (SELECT FROM trimmed WHERE target = $1)";
        client.query_typed_one(went, &[(&target.as_bytes(), Type::BYTEA)]).await?.try_get(0)?
    };
    Ok(Answer::History { rows, more, trimmed })
}

async fn bound(
    client: &Client,
    target: &str,
    point: Option<&Point>,
    none: Place,
) -> Result<Option<Place>, Error> {
    match point {
        Some(point) => place(client, target, point).await,
        None => Ok(Some(none)),
    }
}

/// The place of a point. `None` if it is a message that is not here.
async fn place(client: &Client, target: &str, point: &Point) -> Result<Option<Place>, Error> {
    let key = target.as_bytes();
    match point {
        Point::Message(id) => {
            let id = id.as_bytes();
            let row = client.query_typed_one(PLACE, &[(&key, Type::BYTEA), (&id, Type::BYTEA)]).await?;
            Ok(row.try_get::<_, Option<i64>>(0)?.map(|seq| (seq, id.to_vec())))
        }
        Point::Time(time) => {
            let time = int(*time);
            let rows = client.query_typed(FIRST_AT, &[(&key, Type::BYTEA), (&time, Type::INT8)]).await?;
            let first: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
            let first = first.unwrap_or(i64::MAX);
            let inside = [(&key as _, Type::BYTEA), (&time as _, Type::INT8), (&first as _, Type::INT8)];
            let row = client.query_typed(SHARED, &inside).await?;
            let inside = row.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()?;
            Ok(Some(match inside {
                Some((seq, Some(id))) => (seq, [id, b"\0".as_slice()].concat()),
                _ => (first, Vec::new()),
            }))
        }
    }
}

/// The newest or oldest messages between two places, oldest first, and whether there are more.
async fn between(
    client: &Client,
    target: &str,
    (after, before): (&Place, &Place),
    newest: bool,
    limit: u32,
) -> Result<(Vec<MessageRow>, bool), Error> {
    let order = if newest { "seq DESC, id DESC, author DESC" } else { "seq, id, author" };
    let sql = format!(
        "SELECT id, author, seq, ts, state, sealed FROM message WHERE target = $1 \
         AND (seq, id) > ($2, $3) AND (seq, id) < ($4, $5) ORDER BY {order} LIMIT $6"
    );
    let (key, most) = (target.as_bytes(), i64::from(limit) + 1);
    let rows = client
        .query_typed(
            &sql,
            &[
                (&key, Type::BYTEA),
                (&after.0, Type::INT8),
                (&after.1, Type::BYTEA),
                (&before.0, Type::INT8),
                (&before.1, Type::BYTEA),
                (&most, Type::INT8),
            ],
        )
        .await?;
    let mut rows: Vec<MessageRow> = rows.iter().map(|row| message(target, row)).collect::<Result<_, _>>()?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    if newest {
        rows.reverse();
    }
    Ok((rows, more))
}

fn message(target: &str, row: &Row) -> Result<MessageRow, Error> {
    Ok(MessageRow {
        target: target.to_owned(),
        id: text(row, 0)?,
        author: text(row, 1)?,
        seq: number(row.try_get(2)?),
        ts: number(row.try_get(3)?),
        state: text(row, 4)?,
        sealed: row.try_get(5)?,
    })
}

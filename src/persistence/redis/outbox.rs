//! The outbox of the Redis engines: a stream whose ids are `epoch-sequence`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redis::{Value, from_redis_value};

use super::engine::Shared;
use super::reply::{Reply, corrupt, corrupt_because};
use super::scripts::invocation;
use crate::domain::{CouponId, Grant, MemberId, Sequence, Timestamp, Traceparent};
use crate::ports::{EngineError, Epoch, Outbox, OutboxEntry};

/// Bound on the entries of one answer.
const MAX_ENTRIES: usize = 4_096;

/// Reads and trims the outbox, also while the engine is fenced: its entries have been decided, and the engine is
/// verified the sooner, the sooner they are in the database.
#[derive(Clone)]
pub struct RedisOutbox {
    shared: Arc<Shared>,
}

impl fmt::Debug for RedisOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOutbox").field("connection", &self.shared.connection).finish()
    }
}

impl RedisOutbox {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

#[async_trait]
impl Outbox for RedisOutbox {
    async fn pending(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let epoch = self.shared.memory_of(coupon).await?.epoch;
        pending(&self.shared, coupon, epoch, after, limit).await
    }

    async fn trim(&self, coupon: &CouponId, through: Sequence) -> Result<(), EngineError> {
        let epoch = self.shared.memory_of(coupon).await?.epoch;
        let mut run = invocation(&self.shared.scripts.trim, coupon);
        run.arg(epoch).arg(through.saturating_add(1));
        Reply::expect_ok(self.shared.connection.invoke(&run).await?).map(drop)
    }

    async fn depth(&self, coupon: &CouponId) -> Result<u64, EngineError> {
        let run = invocation(&self.shared.scripts.depth, coupon);
        Reply::expect_ok(self.shared.connection.invoke(&run).await?)?.next()
    }
}

/// Entries of `epoch` above `after`, at most `limit`.
pub(super) async fn pending(
    shared: &Shared,
    coupon: &CouponId,
    epoch: Epoch,
    after: Sequence,
    limit: usize,
) -> Result<Vec<OutboxEntry>, EngineError> {
    let mut run = invocation(&shared.scripts.pending, coupon);
    run.arg(epoch).arg(after).arg(limit.min(MAX_ENTRIES));
    let reply = Reply::expect_ok(shared.connection.invoke(&run).await?)?;
    reply.rest().map(|value| entry(value, epoch)).collect()
}

fn entry(value: Value, epoch: Epoch) -> Result<OutboxEntry, EngineError> {
    let (id, fields): (String, HashMap<String, String>) = from_redis_value(value).map_err(corrupt_because)?;
    let sequence = id
        .split_once('-')
        .filter(|(prefix, _)| prefix.parse() == Ok(epoch))
        .and_then(|(_, sequence)| sequence.parse().ok())
        .ok_or_else(|| corrupt("the id of an outbox entry is not its epoch and a sequence"))?;
    let field = |name: &str| {
        fields
            .get(name)
            .ok_or_else(|| EngineError::Corrupt(format!("outbox entry {id} has no field {name:?}")))
    };
    let issued_at_ms = field("t")?.parse().map_err(corrupt_because)?;
    Ok(OutboxEntry {
        member: MemberId::parse(field("m")?).map_err(corrupt_because)?,
        grant: Grant { sequence, issued_at: Timestamp::from_ms(issued_at_ms) },
        traceparent: fields.get("p").and_then(|text| Traceparent::parse(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::{EngineError, Value, entry};

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn stored(id: &str, fields: &[&str]) -> Value {
        Value::Array(vec![text(id), Value::Array(fields.iter().map(|field| text(field)).collect())])
    }

    #[test]
    fn an_entry_is_parsed() {
        let entry = entry(stored("9-3", &["m", "kim", "t", "1700000000000"]), 9).unwrap();
        assert_eq!((entry.member.as_str(), entry.grant.sequence), ("kim", 3));
        assert_eq!((entry.grant.issued_at.as_ms(), entry.traceparent), (1_700_000_000_000, None));
    }

    #[test]
    fn a_malformed_entry_is_corrupt() {
        for value in [
            stored("8-3", &["m", "kim", "t", "1"]),
            stored("9", &["m", "kim", "t", "1"]),
            stored("9-3", &["m", "kim"]),
            stored("9-3", &["t", "1"]),
            stored("9-3", &["m", "", "t", "1"]),
            stored("9-3", &["m", "kim", "t", "soon"]),
        ] {
            assert!(matches!(entry(value, 9), Err(EngineError::Corrupt(_))));
        }
    }
}

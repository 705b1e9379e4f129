//! This node's memory of each coupon, against which answers of Redis are checked for lost data.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::{CouponId, Sequence};
use crate::ports::{EngineError, Epoch, NodeReport, OutboxEntry};
use crate::sync::Locked;

/// Decisions kept per coupon because the database may lack them. The oldest are dropped first: they are the most likely
/// to have arrived.
const DECISIONS_MAX: usize = 65_536;

/// This node's memory of one epoch of a coupon. A rebuild gives the coupon a new epoch, and so a new memory.
#[derive(Debug)]
pub(super) struct NodeMemory {
    pub(super) epoch: Epoch,
    /// Whether this node has announced the loading to the other nodes.
    announced: AtomicBool,
    memory: Locked<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The largest sequence in any answer of Redis; members may have been answered from it.
    issued: Sequence,
    /// Decisions above the watermark.
    decided: BTreeMap<Sequence, OutboxEntry>,
    watermark: Sequence,
    /// Number of node reports so far. An answer to an earlier query is discarded: the report lacks it.
    reports: u64,
    /// Set by a node report, cleared by `resume`.
    halted: bool,
}

/// Ties an answer of Redis to the state of the memory at the time of the query.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryToken {
    /// Number of issuances that this node knows of. Redis has lost data if it has fewer.
    pub(super) known: Sequence,
    reports: u64,
}

impl NodeMemory {
    fn new(epoch: Epoch) -> Self {
        Self { epoch, announced: AtomicBool::new(false), memory: Locked::default() }
    }

    /// Gives the token of a new query.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] between a node report and `resume`.
    pub(super) fn begin_query(&self) -> Result<QueryToken, EngineError> {
        let memory = self.memory.lock();
        if memory.halted {
            return Err(EngineError::Fenced("this node waits until the engine has been verified".to_owned()));
        }
        Ok(QueryToken { known: memory.issued, reports: memory.reports })
    }

    /// Records an answer of Redis before any member hears of it. Answers may overtake one another; the largest counts.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] if this node has reported since the query: the answer must be discarded.
    pub(super) fn record_answer(
        &self,
        query: QueryToken,
        issued: Sequence,
        granted: impl IntoIterator<Item = OutboxEntry>,
    ) -> Result<(), EngineError> {
        let mut memory = self.memory.lock();
        if memory.reports != query.reports {
            return Err(EngineError::Fenced(
                "the answer came after this node's report for a recovery".to_owned(),
            ));
        }
        memory.issued = memory.issued.max(issued);
        for entry in granted {
            memory.record_decision(entry);
        }
        Ok(())
    }

    /// Forgets the decisions up to `watermark`, which the database holds.
    pub(super) fn forget_through(&self, watermark: Sequence) {
        let mut memory = self.memory.lock();
        if watermark > memory.watermark {
            memory.watermark = watermark;
            memory.decided = memory.decided.split_off(&watermark.saturating_add(1));
        }
    }

    /// The first sequence that the database may lack.
    pub(super) fn first_unconfirmed(&self) -> Option<Sequence> {
        self.memory.lock().decided.first_key_value().map(|(sequence, _)| *sequence)
    }

    /// Fences this node's queries until `resume`, and reports its memory.
    pub(super) fn halt_and_report(&self) -> NodeReport {
        let mut memory = self.memory.lock();
        memory.halted = true;
        memory.reports += 1;
        let decided = memory.decided.values().cloned().collect();
        NodeReport { epoch: self.epoch, issued: memory.issued, decided }
    }

    /// The largest sequence that this node has seen, halted or not.
    pub(super) fn issued(&self) -> Sequence {
        self.memory.lock().issued
    }

    pub(super) fn resume(&self, issued: Sequence) {
        let mut memory = self.memory.lock();
        memory.halted = false;
        memory.issued = memory.issued.max(issued);
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }

    pub(super) fn set_announced(&self) {
        self.announced.store(true, Ordering::Relaxed);
    }
}

impl Memory {
    fn record_decision(&mut self, entry: OutboxEntry) {
        if entry.grant.sequence > self.watermark {
            self.decided.insert(entry.grant.sequence, entry);
        }
        if self.decided.len() > DECISIONS_MAX {
            self.decided.pop_first();
        }
    }
}

/// The memories of all coupons, kept as long as the process lives. The lock is held for a look-up only, never across a
/// call to Redis.
#[derive(Debug, Default)]
pub(super) struct NodeMemories(RwLock<HashMap<CouponId, Arc<NodeMemory>>>);

impl NodeMemories {
    pub(super) fn find(&self, coupon: &CouponId) -> Option<Arc<NodeMemory>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(coupon).cloned()
    }

    /// Gives the memory of `epoch`. The memory of another epoch is dropped.
    pub(super) fn find_or_begin(&self, coupon: &CouponId, epoch: Epoch) -> Arc<NodeMemory> {
        let mut memories = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = memories.get(coupon).filter(|memory| memory.epoch == epoch) {
            return Arc::clone(memory);
        }
        let memory = Arc::new(NodeMemory::new(epoch));
        memories.insert(coupon.clone(), Arc::clone(&memory));
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::{CouponId, DECISIONS_MAX, EngineError, NodeMemories, NodeMemory, OutboxEntry, Sequence};
    use crate::domain::Grant;
    use crate::domain::{MemberId, Timestamp};

    fn entry(sequence: Sequence) -> OutboxEntry {
        OutboxEntry {
            member: MemberId::parse(&format!("m{sequence}")).unwrap(),
            grant: Grant { sequence, issued_at: Timestamp::from_ms(1) },
            traceparent: None,
        }
    }

    fn reported_sequences(memory: &NodeMemory) -> Vec<Sequence> {
        memory.halt_and_report().decided.iter().map(|entry| entry.grant.sequence).collect()
    }

    #[test]
    fn another_epoch_begins_with_an_empty_memory() {
        let memories = NodeMemories::default();
        let drop = CouponId::parse("drop").unwrap();
        assert!(memories.find(&drop).is_none());
        let memory = memories.find_or_begin(&drop, 7);
        let query = memory.begin_query().unwrap();
        memory.record_answer(query, 5, []).unwrap();
        memory.record_answer(query, 3, []).unwrap();
        memory.set_announced();
        assert_eq!(memories.find_or_begin(&drop, 7).begin_query().unwrap().known, 5);
        let empty = memories.find_or_begin(&drop, 8);
        assert_eq!((empty.issued(), empty.is_announced()), (0, false));
    }

    #[test]
    fn each_decision_above_the_watermark_is_remembered_once() {
        let memory = NodeMemory::new(1);
        let query = memory.begin_query().unwrap();
        memory.record_answer(query, 4, [entry(3), entry(4), entry(3)]).unwrap();
        assert_eq!(memory.first_unconfirmed(), Some(3));
        memory.forget_through(3);
        memory.record_answer(query, 4, [entry(2)]).unwrap();
        assert_eq!(reported_sequences(&memory), [4]);
    }

    #[test]
    fn a_report_discards_replies_in_flight_and_halts_queries() {
        let memory = NodeMemory::new(1);
        let query = memory.begin_query().unwrap();
        assert_eq!(memory.halt_and_report().issued, 0);
        assert!(matches!(memory.begin_query(), Err(EngineError::Fenced(_))));
        memory.resume(2);
        assert!(memory.record_answer(query, 3, [entry(3)]).is_err(), "the query began before the report");
        assert_eq!((memory.begin_query().unwrap().known, memory.first_unconfirmed()), (2, None));
    }

    #[test]
    fn memory_is_bounded() {
        let memory = NodeMemory::new(1);
        let many = u32::try_from(DECISIONS_MAX).unwrap() + 10;
        memory.record_answer(memory.begin_query().unwrap(), many, (1..=many).map(entry)).unwrap();
        assert_eq!(memory.first_unconfirmed(), Some(11));
    }
}

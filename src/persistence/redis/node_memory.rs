//! What this node remembers of each coupon, so that Redis cannot forget it unnoticed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::domain::{CouponId, Sequence};
use crate::ports::{EngineError, Epoch, NodeReport, OutboxEntry};

/// How many decisions that may not be in the database are kept in mind for one coupon. The oldest go first: they have had
/// the most time to arrive.
const DECIDED_MAX: usize = 65_536;

/// What this node knows of one life of a coupon.
#[derive(Debug)]
pub(super) struct NodeMemory {
    /// Which life it is: a coupon rebuilt after a loss has another.
    pub(super) epoch: Epoch,
    /// Whether other nodes have been told that it was loaded.
    announced: AtomicBool,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The largest sequence this node has seen issued, and may have told somebody.
    issued: Sequence,
    /// Who holds what, above `settled`.
    decided: BTreeMap<Sequence, OutboxEntry>,
    /// The database holds every sequence up to this.
    settled: Sequence,
    /// How often this node has testified. An answer to what was asked before is void: the testimony lacks it.
    node_reports: u64,
    /// Whether it has testified and not resumed since.
    halted: bool,
}

/// A question that was put to Redis.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryToken {
    /// The least that Redis must have issued to be believed.
    pub(super) known: Sequence,
    node_reports: u64,
}

impl NodeMemory {
    fn of(epoch: Epoch) -> Self {
        Self { epoch, announced: AtomicBool::new(false), memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a question.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] after this node has testified and before it resumes.
    pub(super) fn ask(&self) -> Result<QueryToken, EngineError> {
        let memory = self.memory();
        if memory.halted {
            return Err(EngineError::Fenced("this node waits until the engine has been verified".to_owned()));
        }
        Ok(QueryToken { known: memory.issued, node_reports: memory.node_reports })
    }

    /// Remembers what Redis said, before anybody is told. Answers may overtake one another; the largest counts.
    ///
    /// # Errors
    /// [`EngineError::Fenced`] if this node has testified since it asked: nobody may be told.
    pub(super) fn accept(
        &self,
        question: QueryToken,
        issued: Sequence,
        told: impl IntoIterator<Item = OutboxEntry>,
    ) -> Result<(), EngineError> {
        let mut memory = self.memory();
        if memory.node_reports != question.node_reports {
            return Err(EngineError::Fenced("the answer came after this node had testified".to_owned()));
        }
        memory.issued = memory.issued.max(issued);
        for entry in told {
            memory.remember(entry);
        }
        Ok(())
    }

    /// Remembers that the database holds everything up to `through`.
    pub(super) fn forget_through(&self, through: Sequence) {
        let mut memory = self.memory();
        if through > memory.settled {
            memory.settled = through;
            memory.decided = memory.decided.split_off(&through.saturating_add(1));
        }
    }

    /// The first sequence that may not be in the database.
    pub(super) fn first_unconfirmed(&self) -> Option<Sequence> {
        self.memory().decided.first_key_value().map(|(sequence, _)| *sequence)
    }

    /// Halts this node and gives what it knows.
    pub(super) fn halt_and_report(&self) -> NodeReport {
        let mut memory = self.memory();
        memory.halted = true;
        memory.node_reports += 1;
        let decided = memory.decided.values().cloned().collect();
        NodeReport { epoch: self.epoch, issued: memory.issued, decided }
    }

    /// The largest sequence this node has seen issued, halted or not.
    pub(super) fn issued(&self) -> Sequence {
        self.memory().issued
    }

    /// Lets this node ask again.
    pub(super) fn resume(&self, issued: Sequence) {
        let mut memory = self.memory();
        memory.halted = false;
        memory.issued = memory.issued.max(issued);
    }

    /// Whether other nodes have been told that it was loaded.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }

    /// Remembers that they have.
    pub(super) fn announced(&self) {
        self.announced.store(true, Ordering::Relaxed);
    }
}

impl Memory {
    fn remember(&mut self, entry: OutboxEntry) {
        if entry.grant.sequence > self.settled {
            self.decided.insert(entry.grant.sequence, entry);
        }
        if self.decided.len() > DECIDED_MAX {
            self.decided.pop_first();
        }
    }
}

/// The coupons this node knows: one entry each, kept as long as the process lives. The lock is held for a look-up
/// only, and never while anybody waits for Redis.
#[derive(Debug, Default)]
pub(super) struct KnownCoupons(RwLock<HashMap<CouponId, Arc<NodeMemory>>>);

impl KnownCoupons {
    /// What is known of `coupon`.
    pub(super) fn find(&self, coupon: &CouponId) -> Option<Arc<NodeMemory>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(coupon).cloned()
    }

    /// Remembers that `coupon` lives in `epoch`. What was known of another life of it is forgotten.
    pub(super) fn learn(&self, coupon: &CouponId, epoch: Epoch) -> Arc<NodeMemory> {
        let mut coupons = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = coupons.get(coupon).filter(|known| known.epoch == epoch) {
            return Arc::clone(known);
        }
        let known = Arc::new(NodeMemory::of(epoch));
        coupons.insert(coupon.clone(), Arc::clone(&known));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::{CouponId, DECIDED_MAX, EngineError, KnownCoupons, NodeMemory, OutboxEntry, Sequence};
    use crate::domain::Grant;
    use crate::domain::{MemberId, Timestamp};

    fn entry(sequence: Sequence) -> OutboxEntry {
        OutboxEntry {
            member: MemberId::parse(&format!("m{sequence}")).unwrap(),
            grant: Grant { sequence, issued_at: Timestamp::from_ms(1) },
            traceparent: None,
        }
    }

    fn sequences(known: &NodeMemory) -> Vec<Sequence> {
        known.halt_and_report().decided.iter().map(|entry| entry.grant.sequence).collect()
    }

    #[test]
    fn the_same_life_is_remembered_and_another_begins_anew() {
        let (coupons, drop) = (KnownCoupons::default(), CouponId::parse("drop").unwrap());
        assert!(coupons.find(&drop).is_none());
        let known = coupons.learn(&drop, 7);
        let question = known.ask().unwrap();
        known.accept(question, 5, []).unwrap();
        known.accept(question, 3, []).unwrap();
        known.announced();
        assert_eq!(coupons.learn(&drop, 7).ask().unwrap().known, 5);
        let anew = coupons.learn(&drop, 8);
        assert_eq!((anew.issued(), anew.is_announced()), (0, false));
    }

    #[test]
    fn what_the_database_may_not_have_is_kept_in_mind_once() {
        let known = NodeMemory::of(1);
        let question = known.ask().unwrap();
        known.accept(question, 4, [entry(3), entry(4), entry(3)]).unwrap();
        assert_eq!(known.first_unconfirmed(), Some(3));
        known.forget_through(3);
        known.accept(question, 4, [entry(2)]).unwrap();
        assert_eq!(sequences(&known), [4]);
    }

    #[test]
    fn after_a_testimony_nothing_is_asked_or_told_until_it_resumes() {
        let known = NodeMemory::of(1);
        let question = known.ask().unwrap();
        assert_eq!(known.halt_and_report().issued, 0);
        assert!(matches!(known.ask(), Err(EngineError::Fenced(_))));
        known.resume(2);
        assert!(known.accept(question, 3, [entry(3)]).is_err(), "it was asked before the testimony");
        assert_eq!((known.ask().unwrap().known, known.first_unconfirmed()), (2, None));
    }

    #[test]
    fn memory_is_bounded() {
        let known = NodeMemory::of(1);
        let many = u32::try_from(DECIDED_MAX).unwrap() + 10;
        known.accept(known.ask().unwrap(), many, (1..=many).map(entry)).unwrap();
        assert_eq!(known.first_unconfirmed(), Some(11));
    }
}

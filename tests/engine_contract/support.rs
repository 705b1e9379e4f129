//! What the cases are written with: coupons, members, asking, and looking at the whole truth.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use openrun::domain::{
    AdmissionRequest, AmendmentError, CodeSalt, Coupon, CouponId, Grant, Inventory, Lifecycle, MemberId,
    NewCoupon, Reconfiguration, Rejection, SalePeriod, Sequence, Standing, Terms, Timestamp, Verdict,
};
use openrun::ports::{AdmissionEngine, BatchAnswer, EngineError, MAX_BATCH};

/// A minute, which no test waits for.
pub(crate) const MINUTE_MS: i64 = 60_000;

pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp::from_ms(i64::try_from(since_1970.as_millis()).expect("before the year 9999"))
}

pub(crate) fn id(text: &str) -> CouponId {
    CouponId::parse(text).expect("a coupon id")
}

pub(crate) fn member(text: &str) -> MemberId {
    MemberId::parse(text).expect("a member id")
}

/// The members `member-<first>` up to but not including `member-<end>`.
pub(crate) fn members(range: std::ops::Range<u32>) -> Vec<MemberId> {
    range.map(|n| member(&format!("member-{n}"))).collect()
}

/// A window that began a minute ago and does not end.
pub(crate) fn open_window() -> SalePeriod {
    window(-MINUTE_MS, None)
}

/// A window given in milliseconds from now.
pub(crate) fn window(opens_in_ms: i64, closes_in_ms: Option<i64>) -> SalePeriod {
    let closes = closes_in_ms.map(|ms| now().plus_ms(ms));
    SalePeriod::new(now().plus_ms(opens_in_ms), closes).expect("a window")
}

/// A coupon that is open now.
pub(crate) fn open_coupon(name: &str, total: u32) -> Coupon {
    coupon_in(name, total, open_window())
}

pub(crate) fn coupon_in(name: &str, total: u32, window: SalePeriod) -> Coupon {
    let new = NewCoupon {
        id: id(name),
        terms: Terms::new("A coupon", "For tests.", "10%").expect("terms"),
        inventory: Inventory::new(total).expect("a total"),
        window,
        valid_until: None,
    };
    Coupon::create(new, CodeSalt::from_bytes([7; 32]), now()).expect("a coupon")
}

/// Asks for a batch as it is, whose answer must have one verdict each.
pub(crate) async fn ask_batch(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    who: &[MemberId],
) -> BatchAnswer {
    let batch: Vec<_> =
        who.iter().map(|member| AdmissionRequest { member: member.clone(), traceparent: None }).collect();
    let answer = engine.admit(coupon, &batch).await.expect("an answer");
    assert_eq!(answer.verdicts.len(), who.len(), "one verdict a request");
    answer
}

/// Asks for one member.
pub(crate) async fn ask(engine: &dyn AdmissionEngine, coupon: &CouponId, who: &MemberId) -> Verdict {
    ask_batch(engine, coupon, std::slice::from_ref(who)).await.verdicts[0]
}

/// Asks for any number of members, in the largest batches there are.
pub(crate) async fn ask_all(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    who: &[MemberId],
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for batch in who.chunks(MAX_BATCH) {
        verdicts.extend(ask_batch(engine, coupon, batch).await.verdicts);
    }
    verdicts
}

/// The grant of a coupon that was issued just now.
pub(crate) fn issued(verdict: Verdict) -> Grant {
    match verdict {
        Verdict::Issued(grant) => grant,
        other => panic!("expected a coupon to be issued, not {other:?}"),
    }
}

/// What the member holds after this verdict.
pub(crate) fn held(verdict: Verdict) -> Option<Grant> {
    match verdict {
        Verdict::Issued(grant) | Verdict::Again(grant) => Some(grant),
        Verdict::Rejected(_) => None,
    }
}

pub(crate) fn rejected(rejection: Rejection) -> Verdict {
    Verdict::Rejected(rejection)
}

pub(crate) fn total(total: u32) -> Reconfiguration {
    Reconfiguration { total: Some(total), ..Reconfiguration::default() }
}

pub(crate) fn lifecycle(lifecycle: Lifecycle) -> Reconfiguration {
    Reconfiguration { lifecycle: Some(lifecycle), ..Reconfiguration::default() }
}

pub(crate) fn moved(window: SalePeriod) -> Reconfiguration {
    Reconfiguration { window: Some(window), ..Reconfiguration::default() }
}

/// Applies a change that the rules allow.
pub(crate) async fn change(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    change: Reconfiguration,
) -> Standing {
    engine.reconfigure(coupon, change).await.expect("an answer").expect("an allowed change")
}

/// Applies a change that must be refused, and checks that nothing has changed.
pub(crate) async fn refused(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    change: Reconfiguration,
) -> AmendmentError {
    let before =
        (engine.standing(coupon).await.expect("a standing"), engine.revision().await.expect("a number"));
    let refusal = engine.reconfigure(coupon, change).await.expect("an answer").expect_err("a refusal");
    let after =
        (engine.standing(coupon).await.expect("a standing"), engine.revision().await.expect("a number"));
    assert_eq!(what_decides(before.0), what_decides(after.0), "a refused change changes nothing");
    assert_eq!(before.1, after.1, "a refused change is no new revision");
    refusal
}

/// A standing without its moment.
pub(crate) fn what_decides(standing: Standing) -> (Inventory, SalePeriod, Lifecycle) {
    (standing.inventory, standing.window, standing.lifecycle)
}

/// Every winner, page by page, each as often as it comes.
pub(crate) async fn all_winners(engine: &dyn AdmissionEngine, coupon: &CouponId) -> Vec<MemberId> {
    const PAGES_MAX: usize = 100_000;
    let (mut cursor, mut found) = (0, Vec::new());
    for _ in 0..PAGES_MAX {
        let page = engine.holders(coupon, cursor).await.expect("a page");
        found.extend(page.holders.into_iter().map(|(member, _)| member));
        match page.next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
    panic!("the pages of winners do not end");
}

/// Who holds which coupon as the engine tells it now, having checked that exactly `count` are issued, to as many
/// members, with the sequences 1 to `count`.
pub(crate) async fn truth(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    count: u32,
) -> BTreeMap<Sequence, (MemberId, Grant)> {
    let winners: std::collections::HashSet<_> = all_winners(engine, coupon).await.into_iter().collect();
    let mut held = BTreeMap::new();
    for member in winners {
        let grant = engine.find(coupon, &member).await.expect("an answer").expect("a winner holds a coupon");
        let before = held.insert(grant.sequence, (member, grant));
        assert_eq!(before, None, "sequence {} is held twice", grant.sequence);
    }
    let sequences: Vec<Sequence> = held.keys().copied().collect();
    let dense: Vec<Sequence> = (1..=count).collect();
    assert_eq!(sequences, dense, "sequences are dense from 1 to what is issued");
    let standing = engine.standing(coupon).await.expect("a standing");
    assert_eq!(standing.inventory.issued(), count, "the count agrees with those who hold one");
    held
}

/// Fails unless `result` says that the coupon is unknown.
pub(crate) fn assert_unknown<T: std::fmt::Debug>(question: &str, result: &Result<T, EngineError>) {
    assert!(matches!(result, Err(EngineError::UnknownCoupon)), "{question}: {result:?}");
}

/// Mixes `items` in an order that is the same in every run.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for end in (1..items.len()).rev() {
        items.swap(end, random.below(end + 1));
    }
}

/// Numbers that look random and are the same in every run (xorshift64, Marsaglia 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }
}

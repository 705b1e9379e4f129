//! Helpers of the cases: coupons, members, requests, and checks of the complete state.

use std::collections::BTreeMap;

use openrun::domain::{
    AdmissionRequest, AmendmentError, CodeSalt, Coupon, CouponId, Grant, Inventory, Lifecycle, MemberId,
    NewCoupon, Reconfiguration, Rejection, SalePeriod, Sequence, Standing, Terms, Verdict,
};
use openrun::ports::{AdmissionEngine, BatchAnswer, EngineError, MAX_BATCH};

/// Longer than any test runs.
pub(crate) const MINUTE_MS: i64 = 60_000;

pub(crate) use openrun::clock::now;

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

/// A sale period that began a minute ago and does not end.
pub(crate) fn open_window() -> SalePeriod {
    window(-MINUTE_MS, None)
}

/// A sale period in milliseconds from now.
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

/// Sends one batch, and checks that its answer has one verdict per request.
pub(crate) async fn admit_batch(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    ids: &[MemberId],
) -> BatchAnswer {
    let batch: Vec<_> =
        ids.iter().map(|member| AdmissionRequest { member: member.clone(), traceparent: None }).collect();
    let answer = engine.admit(coupon, &batch).await.expect("an answer");
    assert_eq!(answer.verdicts.len(), ids.len(), "one verdict per request");
    answer
}

pub(crate) async fn admit_one(engine: &dyn AdmissionEngine, coupon: &CouponId, member: &MemberId) -> Verdict {
    admit_batch(engine, coupon, std::slice::from_ref(member)).await.verdicts[0]
}

/// Sends any number of requests in the largest batches.
pub(crate) async fn admit_all(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    ids: &[MemberId],
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for batch in ids.chunks(MAX_BATCH) {
        verdicts.extend(admit_batch(engine, coupon, batch).await.verdicts);
    }
    verdicts
}

/// Panics unless the request led to a new issuance.
pub(crate) fn expect_issued(verdict: Verdict) -> Grant {
    match verdict {
        Verdict::Issued(grant) => grant,
        other => panic!("expected a coupon to be issued, not {other:?}"),
    }
}

/// The issuance that the member has after this verdict.
pub(crate) fn grant_of(verdict: Verdict) -> Option<Grant> {
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

pub(crate) fn window_change(window: SalePeriod) -> Reconfiguration {
    Reconfiguration { window: Some(window), ..Reconfiguration::default() }
}

/// Applies an allowed change.
pub(crate) async fn change(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    change: Reconfiguration,
) -> Standing {
    engine.reconfigure(coupon, change).await.expect("an answer").expect("an allowed change")
}

/// Checks that a change is refused and has no effect.
pub(crate) async fn expect_refusal(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    change: Reconfiguration,
) -> AmendmentError {
    let before =
        (engine.standing(coupon).await.expect("a standing"), engine.revision().await.expect("a number"));
    let refusal = engine.reconfigure(coupon, change).await.expect("an answer").expect_err("a refusal");
    let after =
        (engine.standing(coupon).await.expect("a standing"), engine.revision().await.expect("a number"));
    assert_eq!(rules_of(before.0), rules_of(after.0), "a refused change changes nothing");
    assert_eq!(before.1, after.1, "a refused change is no new revision");
    refusal
}

/// A standing without its time.
pub(crate) fn rules_of(standing: Standing) -> (Inventory, SalePeriod, Lifecycle) {
    (standing.inventory, standing.window, standing.lifecycle)
}

/// The holders of all pages, including repetitions.
pub(crate) async fn all_holders(engine: &dyn AdmissionEngine, coupon: &CouponId) -> Vec<MemberId> {
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
    panic!("the pages of holders do not end");
}

/// All issuances of the engine. Checks that exactly `count` are issued, to `count` members, with the sequences 1 to
/// `count`.
pub(crate) async fn checked_holders(
    engine: &dyn AdmissionEngine,
    coupon: &CouponId,
    count: u32,
) -> BTreeMap<Sequence, (MemberId, Grant)> {
    let holders: std::collections::HashSet<_> = all_holders(engine, coupon).await.into_iter().collect();
    let mut held = BTreeMap::new();
    for member in holders {
        let grant = engine.find(coupon, &member).await.expect("an answer").expect("a holder has an issuance");
        let before = held.insert(grant.sequence, (member, grant));
        assert_eq!(before, None, "sequence {} is held twice", grant.sequence);
    }
    let sequences: Vec<Sequence> = held.keys().copied().collect();
    let dense: Vec<Sequence> = (1..=count).collect();
    assert_eq!(sequences, dense, "sequences are dense from 1 to the number of issuances");
    let standing = engine.standing(coupon).await.expect("a standing");
    assert_eq!(standing.inventory.issued(), count, "the count agrees with the holders");
    held
}

/// Fails unless `result` says that the coupon is unknown.
pub(crate) fn assert_unknown<T: std::fmt::Debug>(question: &str, result: &Result<T, EngineError>) {
    assert!(matches!(result, Err(EngineError::UnknownCoupon)), "{question}: {result:?}");
}

/// Shuffles `items` in the same way in every run.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for end in (1..items.len()).rev() {
        items.swap(end, random.below(end + 1));
    }
}

/// A pseudo-random generator with the same numbers in every run (xorshift64, Marsaglia 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }
}

//! The pages of holders and of coupons, and the lookup of one member.

use std::collections::{BTreeSet, HashMap, HashSet};

use openrun::ports::AdmissionEngine;

use crate::suite::Fixture;
use crate::support::{admit_all, all_holders, grant_of, member, members, open_coupon};

/// Bound on the pages, so that a cursor that never ends fails the test.
const PAGES_MAX: u32 = 10_000;

pub(crate) async fn the_pages_agree_with_the_verdicts(fixture: &mut dyn Fixture) {
    let (coupon, other) = (open_coupon("drop", 2_500), open_coupon("drop-2", 10));
    for coupon in [&coupon, &other] {
        fixture.introduce(coupon).await;
    }
    let engine = fixture.engine();
    let empty = engine.holders(&coupon.id, 0).await.expect("a page");
    assert_eq!((empty.holders, empty.next), (vec![], None));
    admit_all(&*engine, &other.id, &members(9_000..9_010)).await;
    // The last members are rejected: the coupon is sold out.
    let ids = members(0..2_700);
    let verdicts = admit_all(&*engine, &coupon.id, &ids).await;
    let grants: HashMap<_, _> = ids
        .into_iter()
        .zip(verdicts)
        .filter_map(|(member, verdict)| Some((member, grant_of(verdict)?)))
        .collect();
    assert_eq!(grants.len(), 2_500);
    for node in [engine, fixture.second_node_engine()] {
        assert_eq!(read_pages(&*node, &coupon.id, async || ()).await, grants);
    }
}

pub(crate) async fn earlier_holders_are_on_the_pages_while_others_are_added(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 50_000);
    fixture.introduce(&coupon).await;
    let (engine, ids) = (fixture.engine(), members(0..3_000));
    let verdicts = admit_all(&*engine, &coupon.id, &ids).await;
    let mut latecomers = (3_000..).step_by(700);
    // A growing Redis hash is rehashed while its pages are read.
    let found = read_pages(&*engine, &coupon.id, async || {
        let first = latecomers.next().expect("an endless range");
        if first < 40_000 {
            admit_all(&*engine, &coupon.id, &members(first..first + 700)).await;
        }
    })
    .await;
    for (member, verdict) in ids.iter().zip(verdicts) {
        assert_eq!(found.get(member).copied(), grant_of(verdict), "{member}");
    }
}

/// Reads all pages and calls `after_page` after each.
async fn read_pages(
    engine: &dyn AdmissionEngine,
    coupon: &openrun::domain::CouponId,
    mut after_page: impl AsyncFnMut(),
) -> HashMap<openrun::domain::MemberId, openrun::domain::Grant> {
    let (mut cursor, mut found) = (0, HashMap::new());
    for _ in 0..PAGES_MAX {
        let page = engine.holders(coupon, cursor).await.expect("a page");
        for (member, grant) in page.holders {
            let before = found.insert(member, grant);
            assert!(before.is_none_or(|before| before == grant), "a holder has two grants");
        }
        after_page().await;
        match page.next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
    panic!("the pages do not end");
}

/// An engine that keeps coupons outside the catalogue lists all of them, which exposes one that the catalogue has lost.
pub(crate) async fn an_engine_with_its_own_coupons_lists_all_of_them(fixture: &mut dyn Fixture) {
    let ids: BTreeSet<_> = (0..1_500).map(|number| format!("drop-{number}")).collect();
    for id in &ids {
        fixture.introduce(&open_coupon(id, 1)).await;
    }
    let engine = fixture.engine();
    let mut listed = BTreeSet::new();
    let mut cursor = Some(0);
    for _ in 0..PAGES_MAX {
        let Some(from) = cursor else { break };
        let page = engine.coupons(from).await.expect("a page");
        listed.extend(page.coupons.iter().map(ToString::to_string));
        cursor = page.next;
    }
    assert_eq!(cursor, None, "the pages end");
    let expected = if engine.name().starts_with("redis-") { ids } else { BTreeSet::new() };
    assert_eq!(listed, expected);
}

pub(crate) async fn the_pages_contain_exactly_the_holders(fixture: &mut dyn Fixture) {
    let (coupon, other) = (open_coupon("drop", 5_000), open_coupon("drop-2", 10));
    fixture.introduce(&coupon).await;
    fixture.introduce(&other).await;
    let engine = fixture.engine();
    admit_all(&*engine, &other.id, &members(9_000..9_010)).await;
    // The last members are rejected: the coupon is sold out.
    let ids = members(0..5_300);
    let verdicts = admit_all(&*engine, &coupon.id, &ids).await;
    let expected: HashSet<_> = ids
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| grant_of(**verdict).is_some())
        .map(|(member, _)| member.clone())
        .collect();
    assert_eq!(expected.len(), 5_000);
    for node in [engine, fixture.second_node_engine()] {
        let found: HashSet<_> = all_holders(&*node, &coupon.id).await.into_iter().collect();
        assert_eq!(found, expected);
    }
}

pub(crate) async fn a_coupon_without_issuances_has_no_holders(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 5);
    fixture.introduce(&coupon).await;
    assert_eq!(all_holders(&*fixture.engine(), &coupon.id).await, []);
}

pub(crate) async fn finding_a_member_without_an_issuance_gives_none(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 5);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let verdicts = admit_all(&*engine, &coupon.id, &members(0..8)).await;
    for (member, verdict) in members(0..8).iter().zip(verdicts) {
        assert_eq!(engine.find(&coupon.id, member).await.expect("an answer"), grant_of(verdict));
    }
    assert_eq!(engine.find(&coupon.id, &member("nobody")).await.expect("an answer"), None);
}

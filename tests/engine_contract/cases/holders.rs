//! Those who hold one, with what they hold.

use std::collections::{BTreeSet, HashMap};

use openrun::ports::AdmissionEngine;

use crate::suite::Fixture;
use crate::support::{ask_all, held, members, open_coupon};

/// Pages after which something must be wrong.
const PAGES_MAX: u32 = 10_000;

pub(crate) async fn the_pages_tell_what_each_holder_was_told(fixture: &mut dyn Fixture) {
    let (coupon, other) = (open_coupon("drop", 2_500), open_coupon("drop-2", 10));
    for coupon in [&coupon, &other] {
        fixture.introduce(coupon).await;
    }
    let engine = fixture.engine();
    let nobody = engine.holders(&coupon.id, 0).await.expect("a page");
    assert_eq!((nobody.holders, nobody.next), (vec![], None));
    ask_all(&*engine, &other.id, &members(9_000..9_010)).await;
    // Some ask when it is sold out: they hold none.
    let who = members(0..2_700);
    let verdicts = ask_all(&*engine, &coupon.id, &who).await;
    let told: HashMap<_, _> = who
        .into_iter()
        .zip(verdicts)
        .filter_map(|(member, verdict)| Some((member, held(verdict)?)))
        .collect();
    assert_eq!(told.len(), 2_500);
    for node in [engine, fixture.second_node_engine()] {
        assert_eq!(all(&*node, &coupon.id, async || ()).await, told);
    }
}

pub(crate) async fn whoever_held_one_before_the_first_page_is_on_one_while_others_get_theirs(
    fixture: &mut dyn Fixture,
) {
    let coupon = open_coupon("drop", 50_000);
    fixture.introduce(&coupon).await;
    let (engine, who) = (fixture.engine(), members(0..3_000));
    let verdicts = ask_all(&*engine, &coupon.id, &who).await;
    let mut latecomers = (3_000..).step_by(700);
    // The hash grows while it is read, which moves what is in it to other places.
    let found = all(&*engine, &coupon.id, async || {
        let first = latecomers.next().expect("it does not end");
        if first < 40_000 {
            ask_all(&*engine, &coupon.id, &members(first..first + 700)).await;
        }
    })
    .await;
    for (member, verdict) in who.iter().zip(verdicts) {
        assert_eq!(found.get(member).copied(), held(verdict), "{member}");
    }
}

/// All pages, with something done after each.
async fn all(
    engine: &dyn AdmissionEngine,
    coupon: &openrun::domain::CouponId,
    mut meanwhile: impl AsyncFnMut(),
) -> HashMap<openrun::domain::MemberId, openrun::domain::Grant> {
    let (mut cursor, mut found) = (0, HashMap::new());
    for _ in 0..PAGES_MAX {
        let page = engine.holders(coupon, cursor).await.expect("a page");
        for (member, grant) in page.holders {
            let before = found.insert(member, grant);
            assert!(before.is_none_or(|before| before == grant), "a holder has two grants");
        }
        meanwhile().await;
        match page.next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
    panic!("the pages do not end");
}

/// An engine that keeps coupons apart from the catalogue names them all, so that one which the catalogue has lost is noticed.
pub(crate) async fn every_coupon_it_keeps_by_itself_is_told(fixture: &mut dyn Fixture) {
    let ids: BTreeSet<_> = (0..1_500).map(|number| format!("drop-{number}")).collect();
    for id in &ids {
        fixture.introduce(&open_coupon(id, 1)).await;
    }
    let (engine, mut told, mut cursor) = (fixture.engine(), BTreeSet::new(), Some(0));
    for _ in 0..PAGES_MAX {
        let Some(from) = cursor else { break };
        let page = engine.coupons(from).await.expect("a page");
        told.extend(page.coupons.iter().map(ToString::to_string));
        cursor = page.next;
    }
    assert_eq!(cursor, None, "the pages end");
    let expected = if engine.name().starts_with("redis-") { ids } else { BTreeSet::new() };
    assert_eq!(told, expected);
}

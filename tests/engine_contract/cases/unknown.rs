//! A coupon that the engine was never told of.

use openrun::domain::Lifecycle;

use crate::suite::Fixture;
use crate::support::{assert_unknown, id, lifecycle, member, open_coupon};

pub(crate) async fn every_question_about_an_unknown_coupon_says_so(fixture: &mut dyn Fixture) {
    // Something is known: an engine that knows nothing might be right by accident.
    fixture.introduce(&open_coupon("known", 5)).await;
    let (engine, nothing) = (fixture.engine(), id("unknown"));
    let request = openrun::domain::AdmissionRequest { member: member("kim"), traceparent: None };
    assert_unknown("admit", &engine.admit(&nothing, &[request]).await);
    assert_unknown("admit nobody", &engine.admit(&nothing, &[]).await);
    assert_unknown("find", &engine.find(&nothing, &member("kim")).await);
    assert_unknown("standing", &engine.standing(&nothing).await);
    assert_unknown("holders", &engine.holders(&nothing, 0).await);
    assert_unknown("holders later", &engine.holders(&nothing, 7).await);
    assert_unknown("reconfigure", &engine.reconfigure(&nothing, lifecycle(Lifecycle::Paused)).await);
}

//! Calls about a coupon that was never loaded.

use openrun::domain::Lifecycle;

use crate::suite::Fixture;
use crate::support::{assert_unknown, id, lifecycle, member, open_coupon};

pub(crate) async fn every_call_reports_an_unknown_coupon(fixture: &mut dyn Fixture) {
    // Another coupon is loaded, so that an empty engine does not pass by accident.
    fixture.introduce(&open_coupon("known", 5)).await;
    let (engine, nothing) = (fixture.engine(), id("unknown"));
    let request = openrun::domain::AdmissionRequest { member: member("kim"), traceparent: None };
    assert_unknown("admit", &engine.admit(&nothing, &[request]).await);
    assert_unknown("admit an empty batch", &engine.admit(&nothing, &[]).await);
    assert_unknown("find", &engine.find(&nothing, &member("kim")).await);
    assert_unknown("standing", &engine.standing(&nothing).await);
    assert_unknown("holders", &engine.holders(&nothing, 0).await);
    assert_unknown("holders later", &engine.holders(&nothing, 7).await);
    assert_unknown("reconfigure", &engine.reconfigure(&nothing, lifecycle(Lifecycle::Paused)).await);
}

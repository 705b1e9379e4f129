//! Messages that no node has published: one that contradicts a row, and an unreadable one.

use serde_json::json;

use super::Done;
use crate::chaos::amqp::Broker;
use crate::chaos::testbed::{DATABASE, TestBed};

/// A coupon that always has a row.
const COUPON: &str = "probe";

/// Publishes the sequence of a row with another member and another code.
pub(super) async fn contradiction(testbed: &mut TestBed) -> Done {
    let query = format!("SELECT min(sequence) FROM coupon_issuances WHERE coupon_id = '{COUPON}'");
    let sequence = testbed.sql(DATABASE, &query).await?;
    let sequence: u32 = sequence.parse().map_err(|_| format!("no row of {COUPON} to contradict"))?;
    let number = testbed.planted.conflicts.len();
    let (member, code) = (format!("ghost-{number}"), format!("GH0ST-00000-00000-{number:05}"));
    let issued_at = "2026-01-01T00:00:00.000Z";
    let message = json!({
        "specversion": "1.0", "type": "openrun.coupon.issued.v1", "id": code,
        "source": format!("/openrun/coupons/{COUPON}"), "subject": member, "time": issued_at,
        "datacontenttype": "application/json", "sequence": format!("{sequence:010}"),
        "data": {
            "coupon_id": COUPON, "member_id": member, "sequence": sequence, "code": code,
            "status": "UNUSED", "issued_at": issued_at,
        },
    });
    Broker::connect(testbed).await?.publish(message.to_string().as_bytes()).await?;
    testbed.planted.conflicts.push((COUPON.to_owned(), sequence, member));
    Ok(())
}

pub(super) async fn poison(testbed: &mut TestBed) -> Done {
    let text = format!("not even JSON, number {}", testbed.planted.poison.len());
    Broker::connect(testbed).await?.publish(text.as_bytes()).await?;
    testbed.planted.poison.push(text);
    Ok(())
}

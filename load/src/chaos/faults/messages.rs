//! Messages that nobody has issued: one that contradicts a row, and one that is none.

use serde_json::json;

use super::Done;
use crate::chaos::amqp::Broker;
use crate::chaos::arena::{Arena, DATABASE};

/// The coupon of which there is always a row.
const COUPON: &str = "probe";

/// The sequence of a row, given to another member with another code.
pub(super) async fn contradiction(arena: &mut Arena) -> Done {
    let query = format!("SELECT min(sequence) FROM coupon_issuances WHERE coupon_id = '{COUPON}'");
    let sequence = arena.sql(DATABASE, &query).await?;
    let sequence: u32 = sequence.parse().map_err(|_| format!("no row of {COUPON} to contradict"))?;
    let number = arena.planted.conflicts.len();
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
    Broker::connect(arena).await?.publish(message.to_string().as_bytes()).await?;
    arena.planted.conflicts.push((COUPON.to_owned(), sequence, member));
    Ok(())
}

pub(super) async fn poison(arena: &mut Arena) -> Done {
    let text = format!("not even JSON, number {}", arena.planted.poison.len());
    Broker::connect(arena).await?.publish(text.as_bytes()).await?;
    arena.planted.poison.push(text);
    Ok(())
}

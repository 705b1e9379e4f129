//! The event of an issuance: CloudEvents 1.0 in JSON. A message has one, or several (see `batch`).

pub(super) mod batch;

use serde::{Deserialize, Serialize};

use crate::domain::{
    CouponId, IssuanceStatus, IssueCode, IssuedCoupon, MemberId, Sequence, Timestamp, Traceparent,
};
use crate::ports::CouponIssued;

/// The content type of a message with one event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The type of every event. Another meaning of the data gets another number.
pub const EVENT_TYPE: &str = "openrun.coupon.issued.v1";
/// The most bytes an event is read for; the longest of ours has about 3,000.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

const SPEC_VERSION: &str = "1.0";
const DATA_CONTENT_TYPE: &str = "application/json";

/// The event around the data. `source` names the coupon, `subject` the member within it, and `id` is the code, so that
/// source and id together are unique, as CloudEvents asks.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<D> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<String>,
    /// The extension for order: a text that sorts as the numbers do.
    sequence: String,
    /// The extension for distributed tracing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    data: D,
}

#[derive(Debug, Serialize, Deserialize)]
struct Data {
    coupon_id: String,
    member_id: String,
    sequence: Sequence,
    code: String,
    status: String,
    issued_at: Timestamp,
}

/// The event's bytes.
///
/// # Panics
/// Never: texts and numbers always have a JSON form.
#[must_use]
pub fn encode(event: &CouponIssued) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(event, &mut bytes);
    bytes
}

/// Adds the event's bytes to what is there.
fn write(event: &CouponIssued, bytes: &mut Vec<u8>) {
    let issuance = &event.issuance;
    let envelope = Envelope {
        specversion: SPEC_VERSION.to_owned(),
        id: issuance.code.as_str().to_owned(),
        source: source(&issuance.coupon_id),
        kind: EVENT_TYPE.to_owned(),
        subject: issuance.member_id.as_str().to_owned(),
        time: issuance.issued_at,
        datacontenttype: Some(DATA_CONTENT_TYPE.to_owned()),
        sequence: sortable(issuance.sequence),
        traceparent: event.traceparent.as_ref().map(|trace| trace.as_str().to_owned()),
        data: Data {
            coupon_id: issuance.coupon_id.as_str().to_owned(),
            member_id: issuance.member_id.as_str().to_owned(),
            sequence: issuance.sequence,
            code: issuance.code.as_str().to_owned(),
            status: issuance.status.as_str().to_owned(),
            issued_at: issuance.issued_at,
        },
    };
    serde_json::to_writer(bytes, &envelope).expect("texts and numbers have a JSON form");
}

/// Reads an event. Attributes it does not know are left alone, as CloudEvents asks; what it knows must be right, and
/// must agree with itself.
///
/// # Errors
/// The reason in words, for an operator who looks at a dead letter.
pub fn decode(content_type: Option<&str>, payload: &[u8]) -> Result<CouponIssued, String> {
    if let Some(found) = content_type {
        expect("content type", media_type(found), CONTENT_TYPE)?;
    }
    if payload.len() > MAX_MESSAGE_BYTES {
        return Err(format!("{} bytes are more than any event has", payload.len()));
    }
    // The type is looked at before the data, whose shape depends on it.
    let envelope: Envelope<serde_json::Value> =
        serde_json::from_slice(payload).map_err(|error| format!("it is no CloudEvent in JSON: {error}"))?;
    expect("specversion", &envelope.specversion, SPEC_VERSION)?;
    expect("type", &envelope.kind, EVENT_TYPE)?;
    if let Some(found) = &envelope.datacontenttype {
        expect("datacontenttype", found, DATA_CONTENT_TYPE)?;
    }
    let data = Data::deserialize(&envelope.data)
        .map_err(|error| format!("its data is of another shape: {error}"))?;
    let issuance = parse(&data)?;
    expect("id", &envelope.id, issuance.code.as_str())?;
    expect("source", &envelope.source, &source(&issuance.coupon_id))?;
    expect("subject", &envelope.subject, issuance.member_id.as_str())?;
    expect("time", &envelope.time.to_string(), &issuance.issued_at.to_string())?;
    expect("sequence", &envelope.sequence, &sortable(issuance.sequence))?;
    // A trace context that cannot be read is as if it had not been sent.
    let traceparent = envelope.traceparent.as_deref().and_then(Traceparent::parse);
    Ok(CouponIssued { issuance, traceparent })
}

/// The id of an event that may be no valid one, if it has a text for it.
pub(super) fn id(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_slice(payload).ok().map(|Named { id }| id)
}

/// The content type without what may follow it, such as a charset.
fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn parse(data: &Data) -> Result<IssuedCoupon, String> {
    if data.sequence == 0 {
        return Err("its sequence is 0, but sequences begin at 1".to_owned());
    }
    Ok(IssuedCoupon {
        coupon_id: CouponId::parse(&data.coupon_id)
            .map_err(|error| format!("its coupon_id is none: {error}"))?,
        member_id: MemberId::parse(&data.member_id)
            .map_err(|error| format!("its member_id is none: {error}"))?,
        sequence: data.sequence,
        code: IssueCode::parse(&data.code).ok_or_else(|| format!("its code is none: {:?}", data.code))?,
        status: IssuanceStatus::parse(&data.status)
            .ok_or_else(|| format!("its status is none: {:?}", data.status))?,
        issued_at: data.issued_at,
    })
}

fn expect(what: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("its {what} is {found:?} and not {wanted:?}")) }
}

fn source(coupon: &CouponId) -> String {
    format!("/openrun/coupons/{coupon}")
}

fn sortable(sequence: Sequence) -> String {
    format!("{sequence:010}")
}

#[cfg(test)]
mod tests;

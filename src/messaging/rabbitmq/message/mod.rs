//! The event of an issuance as CloudEvents 1.0 in JSON. A message has one event or several (see `batch`).

pub(super) mod batch;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::{
    CouponId, IssuanceStatus, IssueCode, IssuedCoupon, MemberId, Sequence, Timestamp, Traceparent,
};
use crate::ports::CouponIssued;

/// Content type of a message with one event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Type of every event. A change of the data's meaning needs another number.
pub const EVENT_TYPE: &str = "openrun.coupon.issued.v1";
/// Upper limit of the bytes of a readable event; the longest of openrun has about 3,000.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Beginning of an event's source; the coupon's id follows.
const SOURCE: &str = "/openrun/coupons/";
const SPEC_VERSION: &str = "1.0";
const DATA_CONTENT_TYPE: &str = "application/json";

/// The event around the data. `source` names the coupon, `subject` the member, and `id` is the code, so that source and
/// id together are unique, as CloudEvents requires.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<'a, D> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    time: Timestamp,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<Cow<'a, str>>,
    /// Extension for order: zero-padded, so that it sorts like the numbers.
    #[serde(borrow)]
    sequence: Cow<'a, str>,
    /// Extension for distributed tracing.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    data: D,
}

#[derive(Debug, Serialize, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    coupon_id: Cow<'a, str>,
    #[serde(borrow)]
    member_id: Cow<'a, str>,
    sequence: Sequence,
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    issued_at: Timestamp,
}

/// Serializes one event.
///
/// # Panics
/// Never: strings and numbers always have a JSON form.
#[must_use]
pub fn encode(event: &CouponIssued) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(event, &mut bytes);
    bytes
}

fn write(event: &CouponIssued, bytes: &mut Vec<u8>) {
    let issuance = &event.issuance;
    let (coupon_id, member_id) = (issuance.coupon_id.as_str(), issuance.member_id.as_str());
    let code = issuance.code.as_str();
    let envelope = Envelope {
        specversion: SPEC_VERSION.into(),
        id: code.into(),
        source: format!("{SOURCE}{coupon_id}").into(),
        kind: EVENT_TYPE.into(),
        subject: member_id.into(),
        time: issuance.issued_at,
        datacontenttype: Some(DATA_CONTENT_TYPE.into()),
        sequence: sortable(issuance.sequence).into(),
        traceparent: event.traceparent.as_ref().map(|trace| trace.as_str().into()),
        data: Data {
            coupon_id: coupon_id.into(),
            member_id: member_id.into(),
            sequence: issuance.sequence,
            code: code.into(),
            status: issuance.status.as_str().into(),
            issued_at: issuance.issued_at,
        },
    };
    serde_json::to_writer(bytes, &envelope).expect("texts and numbers have a JSON form");
}

/// Parses an event. Ignores unknown attributes, as CloudEvents requires; known ones must be valid and agree with each
/// other.
///
/// # Errors
/// The reason as a sentence, for the operator who inspects the dead letter.
pub fn decode(content_type: Option<&str>, payload: &[u8]) -> Result<CouponIssued, String> {
    if let Some(found) = content_type {
        expect("content type", media_type(found), CONTENT_TYPE)?;
    }
    if payload.len() > MAX_MESSAGE_BYTES {
        return Err(format!("it has {} bytes, an event has at most {MAX_MESSAGE_BYTES}", payload.len()));
    }
    // Checks the type before it parses the data, whose shape depends on the type.
    let envelope: Envelope<'_, &RawValue> =
        serde_json::from_slice(payload).map_err(|error| format!("it is no CloudEvent in JSON: {error}"))?;
    expect("specversion", &envelope.specversion, SPEC_VERSION)?;
    expect("type", &envelope.kind, EVENT_TYPE)?;
    if let Some(found) = &envelope.datacontenttype {
        expect("datacontenttype", found, DATA_CONTENT_TYPE)?;
    }
    let data: Data<'_> = serde_json::from_str(envelope.data.get())
        .map_err(|error| format!("its data has another shape: {error}"))?;
    let issuance = parse(&data)?;
    expect("id", &envelope.id, issuance.code.as_str())?;
    if envelope.source.strip_prefix(SOURCE) != Some(issuance.coupon_id.as_str()) {
        expect("source", &envelope.source, &format!("{SOURCE}{}", issuance.coupon_id))?;
    }
    expect("subject", &envelope.subject, issuance.member_id.as_str())?;
    if envelope.time != issuance.issued_at {
        expect("time", &envelope.time.to_string(), &issuance.issued_at.to_string())?;
    }
    expect("sequence", &envelope.sequence, &sortable(issuance.sequence))?;
    // An invalid trace context is ignored.
    let traceparent = envelope.traceparent.as_deref().and_then(Traceparent::parse);
    Ok(CouponIssued { issuance, traceparent })
}

/// The `id` of an event that may be invalid otherwise.
pub(super) fn id(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_slice(payload).ok().map(|Named { id }| id)
}

/// The content type without parameters such as a charset.
fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn parse(data: &Data<'_>) -> Result<IssuedCoupon, String> {
    if data.sequence == 0 {
        return Err("its sequence is 0, but sequences begin at 1".to_owned());
    }
    Ok(IssuedCoupon {
        coupon_id: CouponId::parse(&data.coupon_id)
            .map_err(|error| format!("its coupon_id is invalid: {error}"))?,
        member_id: MemberId::parse(&data.member_id)
            .map_err(|error| format!("its member_id is invalid: {error}"))?,
        sequence: data.sequence,
        code: IssueCode::parse(&data.code).ok_or_else(|| format!("its code is invalid: {:?}", data.code))?,
        status: IssuanceStatus::parse(&data.status)
            .ok_or_else(|| format!("its status is invalid: {:?}", data.status))?,
        issued_at: data.issued_at,
    })
}

fn expect(attribute: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("its {attribute} is {found:?} and not {wanted:?}")) }
}

fn sortable(sequence: Sequence) -> String {
    format!("{sequence:010}")
}

#[cfg(test)]
mod tests;

//! Foreign messages: issuances that no engine has decided, published as a node would publish them.

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use openrun::domain::{CodeSalt, CouponId, IssuanceStatus, IssuedCoupon, MemberId, Sequence, Timestamp};
use openrun::messaging::rabbitmq::{CONTENT_TYPE, encode};
use openrun::ports::CouponIssued;

use super::node::Stack;

/// An issuance that no engine has decided.
pub(crate) fn stray(coupon: &str, sequence: Sequence, member: &str) -> IssuedCoupon {
    let coupon_id = CouponId::parse(coupon).expect("an id");
    let member_id = MemberId::parse(member).expect("an id");
    IssuedCoupon {
        code: CodeSalt::from_bytes([7; 32]).code(&coupon_id, &member_id),
        coupon_id,
        member_id,
        sequence,
        status: IssuanceStatus::Unused,
        issued_at: Timestamp::from_ms(1_795_226_400_000 + i64::from(sequence)),
    }
}

pub(crate) fn message_of(issuance: &IssuedCoupon) -> Vec<u8> {
    encode(&CouponIssued { issuance: issuance.clone(), traceparent: None })
}

/// Publishes a message with the properties that a node would set.
pub(crate) async fn publish(stack: &Stack, id: Option<&str>, payload: &[u8]) {
    let connection = Connection::connect(&stack.amqp_url, ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ accepts connections");
    let channel = connection.create_channel().await.expect("the connection is open");
    let properties = BasicProperties::default().with_delivery_mode(2).with_content_type(CONTENT_TYPE.into());
    let properties = match id {
        Some(id) => properties.with_message_id(id.into()),
        None => properties,
    };
    let exchange = format!("{}.issuances", stack.amqp_namespace);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let sent = channel.basic_publish(exchange.into(), "coupon.issued".into(), options, payload, properties);
    sent.await.expect("the channel is open").await.expect("it was sent");
    connection.close(200, "done".into()).await.expect("it ends");
}

pub(crate) async fn publish_issuance(stack: &Stack, issuance: &IssuedCoupon) {
    publish(stack, Some(issuance.code.as_str()), &message_of(issuance)).await;
}

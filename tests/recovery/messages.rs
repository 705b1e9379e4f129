//! Messages other than those of a correct publisher: unwritable, repeated and conflicting ones.

use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel};
use openrun::domain::Sequence;
use openrun::messaging::rabbitmq::{BATCH_CONTENT_TYPE, CONTENT_TYPE};
use sqlx::{Connection, PgConnection};

use crate::arrange::{channel, messages};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{create_coupon, metric, postgres_rows, until, until_persisted};
use crate::support::shared::coupon_id;
use crate::support::strays::{message_of, stray};

pub(crate) const TOTAL: u32 = 100;

/// The message of an issuance that the engine did not decide.
pub(crate) fn message(coupon: &str, sequence: Sequence, member: &str) -> Vec<u8> {
    message_of(&stray(coupon, sequence, member))
}

pub(crate) async fn publish(channel: &Channel, stack: &Stack, payload: &[u8]) {
    publish_as(channel, stack, CONTENT_TYPE, payload).await;
}

async fn publish_as(channel: &Channel, stack: &Stack, content_type: &str, payload: &[u8]) {
    let exchange = format!("{}.issuances", stack.amqp_namespace);
    let properties = BasicProperties::default().with_delivery_mode(2).with_content_type(content_type.into());
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(exchange.into(), "coupon.issued".into(), options, payload, properties);
    sent.await.expect("the channel is open").await.expect("it was sent");
}

/// The messages of the dead-letter queue, in its order.
pub(crate) async fn dead_letters(channel: &Channel, stack: &Stack, count: usize) -> Vec<Vec<u8>> {
    let queue = format!("{}.dead-letters", stack.amqp_namespace);
    let mut found = Vec::new();
    until(&format!("{count} dead letters"), async || {
        let options = BasicGetOptions { no_ack: true };
        if let Some(letter) = channel.basic_get(queue.as_str().into(), options).await.expect("it is there") {
            found.push(letter.delivery.data);
        }
        (found.len() >= count).then_some(())
    })
    .await;
    assert_eq!(messages(&stack.amqp_url, &queue).await, 0, "there are further dead letters");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_unwritable_message_is_dead_lettered_and_its_neighbours_are_written() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    create_coupon(node.address(), "drop", TOTAL).await;
    let (_connection, channel) = channel(&stack.amqp_url).await;
    let mut unwritable = vec![
        b"not even JSON".to_vec(),
        // Readable, but the database will never accept them.
        message("drop", TOTAL + 1, "beyond"),
        message("nobody-knows-it", 1, "lost"),
    ];
    for sequence in 1..=TOTAL {
        publish(&channel, &stack, &message("drop", sequence, &format!("m{sequence}"))).await;
        if let Some(index) = [20, 21, 60].iter().position(|at| *at == sequence) {
            publish(&channel, &stack, &unwritable[index]).await;
        }
    }
    let rows = until_persisted(&stack.database_url, "drop", TOTAL).await;
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), (1..=TOTAL).collect::<Vec<_>>());
    let mut dead = dead_letters(&channel, &stack, unwritable.len()).await;
    dead.sort();
    unwritable.sort();
    assert_eq!(dead, unwritable);
    assert!(metric(node.address(), "openrun_dead_lettered_total", "").await >= 3.0);
}

/// The same with unwritable events inside one message.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_unwritable_event_of_a_message_is_dead_lettered_and_its_neighbours_are_written() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    create_coupon(node.address(), "drop", TOTAL).await;
    let (_connection, channel) = channel(&stack.amqp_url).await;
    let mut unwritable = vec![
        b"\"no event\"".to_vec(),
        message("drop", TOTAL + 1, "beyond"),
        message("nobody-knows-it", 1, "lost"),
    ];
    let mut events: Vec<_> = (1..=TOTAL).map(|n| message("drop", n, &format!("m{n}"))).collect();
    events.splice(50..50, unwritable.iter().cloned());
    let batch = [b"[", &*events.join(&b','), b"]"].concat();
    publish_as(&channel, &stack, BATCH_CONTENT_TYPE, &batch).await;
    // An unreadable batch is dead-lettered as a whole.
    publish_as(&channel, &stack, BATCH_CONTENT_TYPE, b"[{},").await;
    unwritable.push(b"[{},".to_vec());
    let rows = until_persisted(&stack.database_url, "drop", TOTAL).await;
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), (1..=TOTAL).collect::<Vec<_>>());
    let mut dead = dead_letters(&channel, &stack, unwritable.len()).await;
    dead.sort();
    unwritable.sort();
    assert_eq!(dead, unwritable);
}

/// The catalogue may lag behind the engine for a moment, so an issuance above its total is not dead-lettered at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuance_above_the_total_waits_a_little_for_the_total_to_be_raised() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let coupon = coupon_id();
    create_coupon(node.address(), &coupon, 1).await;
    let (_connection, channel) = channel(&stack.amqp_url).await;
    publish(&channel, &stack, &message(&coupon, 2, "early")).await;
    until("it has been tried", async || {
        (metric(node.address(), "openrun_persist_retries_total", "").await >= 1.0).then_some(())
    })
    .await;
    let mut database = PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    let raised = sqlx::query("UPDATE coupons SET total = 2").execute(&mut database).await;
    raised.expect("a total may be raised");
    until_persisted(&stack.database_url, &coupon, 1).await;
    assert_eq!(messages(&stack.amqp_url, &format!("{}.dead-letters", stack.amqp_namespace)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_issuance_twice_is_one_row_and_a_contradiction_raises_an_alarm() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    create_coupon(node.address(), "drop", TOTAL).await;
    let (_connection, channel) = channel(&stack.amqp_url).await;
    publish(&channel, &stack, &message("drop", 1, "kim")).await;
    until_persisted(&stack.database_url, "drop", 1).await;
    publish(&channel, &stack, &message("drop", 1, "kim")).await;
    publish(&channel, &stack, &message("drop", 1, "lee")).await;
    publish(&channel, &stack, &message("drop", 2, "kim")).await;
    publish(&channel, &stack, &message("drop", 3, "max")).await;

    until("two conflicts", async || {
        (metric(node.address(), "openrun_conflicts_total", "").await >= 2.0).then_some(())
    })
    .await;
    until_persisted(&stack.database_url, "drop", 2).await;
    let rows = postgres_rows(&stack.database_url, "drop").await;
    let held: Vec<_> = rows.iter().map(|row| (row.0, row.1.as_str())).collect();
    assert_eq!(held, [(1, "kim"), (3, "max")], "the first row stays");
    let mut database = PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    let query = "SELECT sequence, member_id FROM issuance_conflicts ORDER BY 1, 2";
    let conflicts: Vec<(i32, String)> =
        sqlx::query_as(query).fetch_all(&mut database).await.expect("they can be read");
    assert_eq!(conflicts, [(1, "lee".to_owned()), (2, "kim".to_owned())]);
    assert!(metric(node.address(), "openrun_persisted_again_total", "").await >= 1.0);
    assert_eq!(messages(&stack.amqp_url, &format!("{}.dead-letters", stack.amqp_namespace)).await, 0);
}

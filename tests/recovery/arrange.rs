//! Helpers of this crate's tests, beyond a node and a race.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use redis::AsyncTypedCommands;
use serde_json::Value;

use crate::support::node::{NodeBuilder, NodeProcess};
use crate::support::ports::free_port;
use crate::support::races::{self, until};
use crate::support::shared::connect_redis;

/// Starts a node on a port that it keeps after each restart, as clients expect.
pub(crate) async fn start_on_fixed_port(node: NodeBuilder) -> NodeProcess {
    node.set("OPENRUN_BIND", format!("127.0.0.1:{}", free_port())).start().await
}

/// Kills the node when at least `count` coupons are issued; gives the count at that moment or a little earlier.
pub(crate) async fn kill_at(node: &mut NodeProcess, coupon: &str, count: u32) -> u32 {
    let issued = races::until_issued(node.address(), coupon, count).await;
    node.kill();
    issued
}

pub(crate) async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ accepts connections");
    let channel = connection.create_channel().await.expect("the connection is open");
    (connection, channel)
}

/// The number of ready messages in an existing queue.
pub(crate) async fn messages(amqp_url: &str, queue: &str) -> u32 {
    let (connection, channel) = channel(amqp_url).await;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    let count = queue.expect("the queue is there").message_count();
    connection.close(200, "done".into()).await.ok();
    count
}

pub(crate) async fn outbox_depth(redis_url: &str, coupon: &str) -> usize {
    let mut redis = connect_redis(redis_url).await;
    redis.xlen(format!("coupon:{{{coupon}}}:outbox")).await.expect("it is a stream, or not there")
}

pub(crate) async fn until_trimmed(redis_url: &str, coupon: &str) {
    until("an empty outbox", async || (outbox_depth(redis_url, coupon).await == 0).then_some(())).await;
}

/// Calls a lost-numbers route of `node`; gives status and body.
pub(crate) async fn lost_numbers(node: &NodeProcess, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("http://{}/v1/admin/lost-numbers{path}", node.address());
    let request = match body {
        Some(body) => races::http().post(url).json(&body),
        None => races::http().get(url),
    };
    let answer = request.send().await.expect("the node answers");
    (answer.status().as_u16(), answer.json().await.expect("the answer is JSON"))
}

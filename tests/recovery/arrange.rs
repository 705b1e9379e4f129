//! What the tests of this crate begin with, beyond a node and a race.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use redis::AsyncTypedCommands;
use serde_json::Value;

use crate::support::node::{NodeBuilder, NodeProcess};
use crate::support::ports::free_port;
use crate::support::races::{self, until};
use crate::support::shared::connect_redis;

/// Starts a node on a port that it has again after each restart, as clients expect.
pub(crate) async fn start_at_home(node: NodeBuilder) -> NodeProcess {
    node.set("OPENRUN_BIND", format!("127.0.0.1:{}", free_port())).start().await
}

/// Kills the node when at least `count` are issued; gives how many were at that moment or a little earlier.
pub(crate) async fn kill_at(node: &mut NodeProcess, coupon: &str, count: u32) -> u32 {
    let issued = races::until_issued(node.address(), coupon, count).await;
    node.kill();
    issued
}

/// A connection to the broker at `url`, and a channel on it.
pub(crate) async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ accepts connections");
    let channel = connection.create_channel().await.expect("the connection is open");
    (connection, channel)
}

/// How many messages wait in a queue that exists.
pub(crate) async fn messages(amqp_url: &str, queue: &str) -> u32 {
    let (connection, channel) = channel(amqp_url).await;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    let count = queue.expect("the queue is there").message_count();
    connection.close(200, "done".into()).await.ok();
    count
}

/// How many entries the coupon's outbox has.
pub(crate) async fn outbox_depth(redis_url: &str, coupon: &str) -> usize {
    let mut redis = connect_redis(redis_url).await;
    redis.xlen(format!("coupon:{{{coupon}}}:outbox")).await.expect("it is a stream, or not there")
}

/// Waits until nothing is left in the coupon's outbox.
pub(crate) async fn until_trimmed(redis_url: &str, coupon: &str) {
    until("an empty outbox", async || (outbox_depth(redis_url, coupon).await == 0).then_some(())).await;
}

/// Calls a route of `node` about lost numbers; gives status and body.
pub(crate) async fn lost_numbers(node: &NodeProcess, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("http://{}/v1/admin/lost-numbers{path}", node.address());
    let request = match body {
        Some(body) => races::http().post(url).json(&body),
        None => races::http().get(url),
    };
    let answer = request.send().await.expect("the node answers");
    (answer.status().as_u16(), answer.json().await.expect("an operator is answered in JSON"))
}

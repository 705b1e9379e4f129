//! Private services start, die when killed, and restart with their durable data.

use std::process::Command;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, ConnectionProperties};
use redis::AsyncTypedCommands;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use crate::support::process::{Process, Watchdog};
use crate::support::proxy::{Mode, Proxy};
use crate::support::services::{PrivatePostgres, PrivateRabbitMq, PrivateRedis};

const SILENCE: Duration = Duration::from_millis(500);
const BOUND: Duration = Duration::from_secs(20);

async fn redis_at(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

#[tokio::test]
async fn private_redis_keeps_its_data_over_a_kill_and_loses_it_when_wiped() {
    let mut service = PrivateRedis::start().await;
    redis_at(&service.url()).await.unwrap().set("kept", "yes").await.unwrap();

    service.kill();
    redis_at(&service.url()).await.expect_err("a killed Redis refuses connections");

    service.restart().await;
    assert_eq!(redis_at(&service.url()).await.unwrap().get("kept").await.unwrap().as_deref(), Some("yes"));

    service.stop().await;
    service.wipe();
    service.restart().await;
    assert_eq!(redis_at(&service.url()).await.unwrap().get("kept").await.unwrap(), None);
}

#[tokio::test]
async fn private_redis_can_be_frozen_and_resumed() {
    let service = PrivateRedis::start().await;
    let proxy = Proxy::start(service.port()).await;
    let mut connection = redis_at(&service.url_through(proxy.port())).await.unwrap();

    service.pause();
    timeout(SILENCE, connection.ping()).await.ok().and_then(Result::ok).inspect(|pong| panic!("got {pong}"));
    service.resume();
    assert_eq!(timeout(BOUND, connection.ping()).await.unwrap().unwrap(), "PONG");

    // Redis executes the command, and the client gets no reply.
    proxy.set(Mode::SwallowReplies).await;
    let reply = timeout(SILENCE, connection.incr("issued", 1)).await;
    assert!(!matches!(reply, Ok(Ok(_))), "got {reply:?}");
    assert_eq!(redis_at(&service.url()).await.unwrap().get("issued").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn private_postgres_keeps_committed_rows() {
    let mut service = PrivatePostgres::start().await;
    let mut connection = PgConnection::connect(&service.url()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 7 AS number").await.unwrap();

    service.pause();
    assert!(timeout(SILENCE, connection.ping()).await.is_err(), "a frozen PostgreSQL does not answer");
    service.resume();
    assert!(matches!(timeout(BOUND, PgConnection::connect(&service.url())).await, Ok(Ok(_))));

    service.kill();
    PgConnection::connect(&service.url()).await.expect_err("a killed PostgreSQL refuses connections");
    service.restart().await;
    let mut connection = PgConnection::connect(&service.url()).await.unwrap();
    let kept: i32 = sqlx::query_scalar("SELECT number FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 7);

    // An orderly stop does not wait for connected clients.
    timeout(BOUND, service.stop()).await.expect("the server stops");
}

async fn channel(service: &PrivateRabbitMq) -> (lapin::Connection, Channel) {
    let url = service.url();
    let connection = lapin::Connection::connect(&url, ConnectionProperties::default());
    let connection = connection.await.expect("RabbitMQ accepts connections once it has started");
    let channel = connection.create_channel().await.expect("the connection is open");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("the channel is open");
    (connection, channel)
}

#[tokio::test]
async fn private_rabbitmq_keeps_confirmed_messages() {
    let mut service = PrivateRabbitMq::start().await;
    let (connection, writer) = channel(&service).await;
    writer.queue_declare("kept".into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    // Declarations reach the disk some time after their reply, because Mnesia buffers its log. A broker that is killed
    // before then loses the queue with its confirmed messages. A graceful stop writes the log.
    drop((connection, writer));
    service.stop().await;
    service.restart().await;

    let (connection, writer) = channel(&service).await;
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let confirmation = writer
        .basic_publish("".into(), "kept".into(), BasicPublishOptions::default(), b"hello", persistent)
        .await
        .unwrap()
        .await
        .unwrap();
    assert!(matches!(confirmation, Confirmation::Ack(None)));

    service.kill();
    drop((connection, writer));
    service.restart().await;
    let (_connection, reader) = channel(&service).await;
    let message = reader.basic_get("kept".into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(message.expect("the message is still there").data, b"hello");
}

#[tokio::test]
async fn private_processes_and_their_directory_end_with_a_killed_test() {
    let directory = tempfile::tempdir().unwrap();
    let mut watchdog = Watchdog::over(directory.path());
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 600 & echo ready; wait"]);
    let mut process = Process::spawn(&mut command, &directory.path().join("log"), &mut watchdog);
    process.until_logged("ready", BOUND).await;

    watchdog.lose_owner();
    process.until_ended(BOUND).await;
    let gone = async {
        while directory.path().exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(BOUND, gone).await.expect("the directory is removed");
}

//! A broker short of memory blocks publishers, and its client gets no error.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openrun::ports::{BusError, EventBus};

use crate::fixtures::{Stage, events, next, publishes_again};
use crate::support::process::Signal;
use crate::support::services::{Kind, Private, RabbitMq};

/// A RabbitMQ that starts with too little memory, or with enough, as the test sets it.
struct Short {
    broker: RabbitMq,
    of_memory: Arc<AtomicBool>,
}

impl Kind for Short {
    const NAME: &'static str = RabbitMq::NAME;
    const READY: &'static str = RabbitMq::READY;
    const STOP: Signal = RabbitMq::STOP;

    fn url(port: u16) -> String {
        RabbitMq::url(port)
    }

    fn initialise(&self, data: &Path) {
        self.broker.initialise(data);
    }

    fn command(&self, data: &Path, port: u16) -> Command {
        let command = self.broker.command(data, port);
        if self.of_memory.load(Ordering::SeqCst) {
            let file = data.join("rabbitmq.conf");
            let settings = std::fs::read_to_string(&file).expect("the broker's settings were just written");
            let short = settings.replace("watermark.absolute = 1GB", "watermark.absolute = 1MB");
            assert_ne!(short, settings, "the settings have the memory watermark");
            std::fs::write(&file, short).expect("the settings file can be written");
        }
        command
    }

    fn companion(&self) -> Option<Command> {
        self.broker.companion()
    }
}

#[tokio::test]
async fn private_a_blocked_publish_times_out_and_succeeds_later() {
    let of_memory = Arc::new(AtomicBool::new(true));
    let kind = Short { broker: RabbitMq::default(), of_memory: Arc::clone(&of_memory) };
    let mut broker = Private::start_as(kind).await;
    let mut stage = Stage::on(&broker.url());
    stage.settings.reply_timeout_ms = 1_000;
    let bus = stage.ready_bus().await;
    for _ in 0..3 {
        let started = Instant::now();
        let blocked = bus.publish(&events(1..=64)).await;
        assert!(matches!(blocked, Err(BusError::Unavailable(_))), "{blocked:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    of_memory.store(false, Ordering::SeqCst);
    broker.restart().await;
    publishes_again(&bus, &events(1..=64)).await;
    assert!(next(&mut stage.stream(1).await).await.event.is_ok());
}

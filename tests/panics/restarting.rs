//! Actors that an operator restarts during a race: members notice nothing.

use openrun::bootstrap::{Node, Settings};
use serde_json::json;

use crate::operators::{actors, restart};
use crate::stage::{TOTAL, full_stack, in_system, redis_lua};
use crate::support::races::{self, assert_promise_kept, assert_rows, create_coupon, until_persisted};

/// Restarts of each actor.
const TIMES: u64 = 8;

#[test]
fn every_actor_of_a_node_can_be_restarted_during_a_race() {
    in_system(async {
        let (_database, stack, coupon) = full_stack().await;
        let url = secrecy::ExposeSecret::expose_secret(&stack.database).to_owned();
        let node =
            Node::start(Settings { persisters: 2, ..redis_lua(stack) }).await.expect("the node starts");
        create_coupon(node.address, &coupon, TOTAL).await;
        let racing = races::spawn(races::config(node.address, &coupon, 2 * u64::from(TOTAL), 64));
        let names: Vec<String> = actors(node.address)
            .await
            .iter()
            .map(|actor| actor["name"].as_str().expect("a name").to_owned())
            .filter(|name| !name.starts_with("coupon-event/") || *name == format!("coupon-event/{coupon}"))
            .collect();
        for kind in ["coupon-event", "gate-keeper", "outbox", "persister/2", "publisher"] {
            assert!(names.iter().any(|name| name.starts_with(kind)), "{names:?}");
        }
        for time in 1..=TIMES {
            for name in &names {
                let view = restart(node.address, name).await;
                assert_eq!((&view["state"], &view["restarts"]), (&json!("running"), &json!(time)), "{view}");
                assert_eq!(view["last_failure"], json!(null), "a stop signal is no failure: {view}");
            }
        }
        let report = racing.await.expect("the race does not panic");
        eprintln!("{}", races::figures(&report));
        assert_promise_kept(&report, TOTAL);
        assert_eq!((report.shed, report.unknown), (0, 0), "an answer was late: {}", races::figures(&report));
        assert_eq!(races::count_holders(&report.issued_answers), TOTAL as usize, "none is stranded");
        assert_rows(&until_persisted(&url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
        node.stop().await;
    });
}

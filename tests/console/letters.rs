//! Dead letters on the console, on the full stack.

use crate::browser::DESKTOP;
use crate::stage::{MARKUP, assert_clean, console, get};
use crate::support::node::{NodeProcess, Stack};
use crate::support::shared::coupon_id;
use crate::support::strays::{publish_issuance, stray};

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_shown_and_discarded_and_member_ids_stay_text() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let browser = console(&node, DESKTOP).await;
    browser.until_text("[data-tile=letters] dd", "0").await;
    browser.until_text("[data-tile=queue] dd", "0").await;
    let coupon = coupon_id();
    // Issuances of an unknown coupon, which can never be written.
    let (first, second) = (stray(&coupon, 1, MARKUP), stray(&coupon, 2, "plain"));
    publish_issuance(&stack, &first).await;
    publish_issuance(&stack, &second).await;
    browser.until_text("[data-tile=letters] dd", "⚠ 2").await;
    let row = format!("[data-letter=\"{}\"]", first.code.as_str());
    browser.until_contains(&row, MARKUP).await;
    browser.until_contains("#trouble-list", "dead").await;
    assert_clean(&browser).await;
    browser.click(&format!("{row} [data-part=discard]")).await;
    browser.type_into("#ask-dialog[open] [data-part=input]", "a test made it").await;
    browser.click("#ask-dialog [data-part=yes]").await;
    browser.until(&format!("document.querySelector('{row}') === null")).await;
    browser.until_text("[data-tile=letters] dd", "⚠ 1").await;
    assert!(node.log().contains("a test made it"), "the reason is in the log");
    // The replayed letter fails again and returns with a longer history.
    let other = format!("[data-letter=\"{}\"]", second.code.as_str());
    browser.click(&format!("{other} [data-part=replay]")).await;
    browser.click("#ask-dialog[open] [data-part=yes]").await;
    browser.until_contains("#toast", "Back in the queue: 1.").await;
    browser.until_text("[data-tile=letters] dd", "⚠ 1").await;
    let history =
        async || get(&node, "/v1/admin/dead-letters").await[0]["history"].as_array().map_or(0, Vec::len);
    crate::support::races::until("the replayed letter", async || (history().await >= 3).then_some(())).await;
    assert_clean(&browser).await;
}

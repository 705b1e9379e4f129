//! The console: live figures, and the buttons of coupons and actors.

use serde_json::json;

use crate::browser::{Browser, DESKTOP, ENTER, ESCAPE};
use crate::stage::{MARKUP, assert_clean, console, create, get, issue, node};
use crate::support::node::NodeProcess;

const CARD: &str = "[data-coupon=drop]";

/// Waits until this part of the coupon's card has this text.
async fn until_card(browser: &Browser, part: &str, text: &str) {
    browser.until_text(&format!("{CARD} [data-part={part}]"), text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_falls_while_coupons_are_issued() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "name": MARKUP, "total": 4 })).await;
    let browser = console(&node, DESKTOP).await;
    until_card(&browser, "remaining", "4").await;
    until_card(&browser, "name", MARKUP).await;
    browser.run("window.isTheSamePage = true").await;
    issue(&node, "drop", "kim").await;
    until_card(&browser, "remaining", "3").await;
    until_card(&browser, "progress", "1 of 4 issued (25%)").await;
    for member in ["lee", "park", "choi"] {
        issue(&node, "drop", member).await;
    }
    until_card(&browser, "remaining", "0").await;
    browser.until_contains(&format!("{CARD} .state"), "Sold out").await;
    let bar = browser.run(&format!("return document.querySelector('{CARD} progress').value")).await;
    assert_eq!((bar, browser.run("return window.isTheSamePage").await), (json!(4), json!(true)));
    browser.until_contains(".connection", "Live").await;
    assert_clean(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_shown_while_coupons_are_issued() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 1000 })).await;
    let browser = console(&node, DESKTOP).await;
    until_card(&browser, "rate", "0 a second").await;
    let rate = format!("parseFloat(document.querySelector('{CARD} [data-part=rate]').innerText) > 0");
    let issuing = async {
        for member in 0.. {
            issue(&node, "drop", &format!("m{member}")).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = issuing => unreachable!("members never end"),
        () = browser.until(&rate) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_is_paused_resumed_and_closed_after_confirmation_only() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 4 })).await;
    let browser = console(&node, DESKTOP).await;
    let lifecycle = async || get(&node, "/v1/coupons/drop").await["lifecycle"].clone();
    browser.click(&format!("{CARD} [data-part=close]")).await;
    browser.until_contains("#ask-dialog[open] [data-part=question]", "Close drop for good?").await;
    browser.click("#ask-dialog [data-part=cancel]").await;
    browser.until("document.querySelector('#ask-dialog[open]') === null").await;
    assert_eq!(lifecycle().await, "active", "cancelling changes nothing");
    for (call, state, after) in
        [("pause", "Paused", "paused"), ("resume", "Open", "active"), ("close", "Closed", "closed")]
    {
        browser.click(&format!("{CARD} [data-part={call}]")).await;
        browser.click("#ask-dialog[open] [data-part=yes]").await;
        browser.until_contains(&format!("{CARD} .state"), state).await;
        assert_eq!(lifecycle().await, after);
    }
    browser.until_contains("#toast", "drop is closed.").await;
    let shown = "[...document.querySelectorAll('[data-coupon=drop] button')].filter((button) => button.checkVisibility())";
    assert_eq!(browser.run(&format!("return {shown}.length")).await, 0, "a closed coupon has no buttons");
    assert_clean(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_is_restarted_by_its_button() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 4 })).await;
    let browser = console(&node, DESKTOP).await;
    for name in ["gate-keeper", "coupon-event/drop"] {
        let row = format!("[data-actor=\"{name}\"]");
        browser.until_contains(&format!("{row} .state"), "Running").await;
        browser.until_contains(&row, "Restarts 0").await;
        browser.click(&format!("{row} [data-part=restart]")).await;
        browser.until_contains("#ask-dialog[open] [data-part=question]", name).await;
        browser.click("#ask-dialog [data-part=yes]").await;
        browser.until_contains(&row, "Restarts 1").await;
        browser.until_contains(&format!("{row} .state"), "Running").await;
    }
    let actors = get(&node, "/v1/admin/actors").await;
    let restarted = actors.as_array().expect("a list").iter().filter(|actor| actor["restarts"] == 1);
    assert_eq!(restarted.count(), 2, "{actors}");
    assert_clean(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_works_by_keyboard_and_snapshots_keep_the_focus() {
    let node = node().await;
    create(&node, &json!({ "id": "drop", "total": 100 })).await;
    let browser = console(&node, DESKTOP).await;
    let pause = format!("{CARD} [data-part=pause]");
    browser.until(&format!("document.querySelector('{pause}')?.checkVisibility()")).await;
    browser.run(&format!("document.querySelector('{pause}').focus()")).await;
    for (member, left) in [("kim", "99"), ("lee", "98")] {
        issue(&node, "drop", member).await;
        until_card(&browser, "remaining", left).await;
    }
    let focused = "document.activeElement.dataset.part";
    assert_eq!(browser.run(&format!("return {focused}")).await, "pause");
    let label = browser.run("return document.activeElement.getAttribute('aria-label')").await;
    assert_eq!(label, "Pause drop", "the label names the coupon for screen readers");
    browser.press(ENTER).await;
    browser.until("document.querySelector('#ask-dialog[open]')").await;
    assert_eq!(
        browser.run(&format!("return {focused}")).await,
        "cancel",
        "the harmless button has the focus"
    );
    browser.press(ESCAPE).await;
    browser.until("document.querySelector('#ask-dialog[open]') === null").await;
    assert_eq!(browser.run(&format!("return {focused}")).await, "pause", "the focus is back");
    let unnamed = "[...document.querySelectorAll('button, input, progress, a')].filter((node) => \
        !(node.getAttribute('aria-label') || node.innerText || node.textContent || node.labels?.length)).length";
    assert_eq!(browser.run(&format!("return {unnamed}")).await, 0, "every control has a name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_shown() {
    let mut node = node().await;
    create(&node, &json!({ "id": "drop", "total": 4 })).await;
    let browser = console(&node, DESKTOP).await;
    until_card(&browser, "remaining", "4").await;
    node.kill();
    browser.until_contains(".connection", "Connection lost. Showing the state of").await;
    assert_eq!(browser.text(&format!("{CARD} [data-part=remaining]")).await, "4", "the last figures stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_node_ends_open_streams_without_waiting() {
    // The node would wait this long for open requests.
    let mut node = NodeProcess::embedded().set("OPENRUN_SHUTDOWN_TIMEOUT", "50").start().await;
    let browser = console(&node, DESKTOP).await;
    let code = node.terminate().await;
    assert_eq!(code, Some(0));
    browser.until_contains(".connection", "shutting down").await;
    let log = node.log();
    assert!(log.contains("openrun has stopped") && !log.contains("shutdown timeout passed"), "{log}");
}

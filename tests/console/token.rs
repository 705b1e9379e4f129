//! The token: asked for when one is set, and kept where it belongs.

use crate::browser::{Browser, DESK, ENTER};
use crate::stage::is_clean;
use crate::support::node::NodeProcess;

const TOKEN: &str = "correct-horse-battery-staple";

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_asked_for_until_it_is_the_right_one() {
    let mut node = NodeProcess::embedded().set("OPENRUN_ADMIN_TOKEN", TOKEN).start().await;
    let browser = Browser::start(DESK).await;
    browser.go(&node.url("/console")).await;
    let input = "#token-dialog[open] [data-part=input]";
    browser.until("document.activeElement.dataset.part === 'input'").await;
    let wrong = "document.querySelector('#token-dialog [data-part=wrong]').checkVisibility()";
    assert_eq!(browser.run(&format!("return {wrong}")).await, false, "nothing was wrong yet");
    assert_eq!(browser.run("return document.getElementById('main').hidden").await, true);
    browser.type_into(input, &format!("not-{TOKEN}{ENTER}")).await;
    browser.until(&format!("document.querySelector('#token-dialog[open]') && {wrong}")).await;
    browser.type_into(input, &format!("{TOKEN}{ENTER}")).await;
    browser.until("document.getElementById('connection').dataset.state === 'live'").await;
    browser.until_says("[data-actor=gate-keeper]", "Restarts 0").await;
    browser.click("[data-actor=gate-keeper] [data-part=restart]").await;
    browser.click("#ask-dialog[open] [data-part=yes]").await;
    browser.until_says("[data-actor=gate-keeper]", "Restarts 1").await;
    let kept = "return [sessionStorage.getItem('openrun.token'), JSON.stringify({...localStorage}) + document.cookie + location.href]";
    let kept = browser.run(kept).await;
    assert_eq!(kept[0], TOKEN);
    assert!(!kept[1].as_str().expect("a text").contains(TOKEN), "{kept}");
    let asked =
        browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)").await;
    assert!(!asked.to_string().contains(TOKEN), "{asked}");
    // The refused tries are the only complaints.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("401")), "{complaints:?}");
    is_clean(&browser).await;
    browser.click("#forget-token").await;
    browser.until("document.querySelector('#token-dialog[open]')").await;
    assert_eq!(browser.run("return sessionStorage.getItem('openrun.token')").await, serde_json::Value::Null);
    node.terminate().await;
    assert!(!node.log().contains(TOKEN), "the token is in the log");
}

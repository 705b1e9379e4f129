//! The token dialog of the console, and the storage of the token.

use crate::browser::{Browser, DESKTOP, ENTER};
use crate::stage::assert_clean;
use crate::support::node::NodeProcess;

const TOKEN: &str = "correct-horse-battery-staple";

#[tokio::test(flavor = "multi_thread")]
async fn the_console_asks_for_the_token_until_it_is_correct() {
    let mut node = NodeProcess::embedded().set("OPENRUN_ADMIN_TOKEN", TOKEN).start().await;
    let browser = Browser::start(DESKTOP).await;
    browser.go(&node.url("/console")).await;
    let input = "#token-dialog[open] [data-part=input]";
    browser.until("document.activeElement.dataset.part === 'input'").await;
    let wrong = "document.querySelector('#token-dialog [data-part=wrong]').checkVisibility()";
    assert_eq!(browser.run(&format!("return {wrong}")).await, false, "no token was refused yet");
    assert_eq!(browser.run("return document.getElementById('main').hidden").await, true);
    browser.type_into(input, &format!("not-{TOKEN}{ENTER}")).await;
    browser.until(&format!("document.querySelector('#token-dialog[open]') && {wrong}")).await;
    browser.type_into(input, &format!("{TOKEN}{ENTER}")).await;
    browser.until("document.getElementById('connection').dataset.state === 'live'").await;
    browser.until_contains("[data-actor=gate-keeper]", "Restarts 0").await;
    browser.click("[data-actor=gate-keeper] [data-part=restart]").await;
    browser.click("#ask-dialog[open] [data-part=yes]").await;
    browser.until_contains("[data-actor=gate-keeper]", "Restarts 1").await;
    let stored = "return [sessionStorage.getItem('openrun.token'), JSON.stringify({...localStorage}) + document.cookie + location.href]";
    let stored = browser.run(stored).await;
    assert_eq!(stored[0], TOKEN);
    assert!(!stored[1].as_str().expect("a text").contains(TOKEN), "{stored}");
    let urls =
        browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)").await;
    assert!(!urls.to_string().contains(TOKEN), "{urls}");
    // Only the refused tokens are logged as errors.
    let errors = browser.errors().await;
    assert!(errors.iter().all(|line| line.contains("401")), "{errors:?}");
    assert_clean(&browser).await;
    browser.click("#forget-token").await;
    browser.until("document.querySelector('#token-dialog[open]')").await;
    assert_eq!(browser.run("return sessionStorage.getItem('openrun.token')").await, serde_json::Value::Null);
    node.terminate().await;
    assert!(!node.log().contains(TOKEN), "the token is in the log");
}

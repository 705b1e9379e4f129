//! A private headless Chromium, driven over WebDriver.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{Process, Watchdog};

/// Limit of the start of a browser, which is slow if many tests share the CPU.
const START_BOUND: Duration = Duration::from_secs(90);
/// Limit of every call to the driver.
const ANSWER_BOUND: Duration = Duration::from_secs(60);
/// Limit of every wait for a state of the page.
const APPEAR_BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const STARTED: &str = "started successfully on port ";
const PORT_TAKEN: &str = "port not available";
/// The key of an element's id in WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
// Keys as WebDriver encodes them.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";

/// The device that the browser emulates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    /// The value of `Accept-Language`.
    pub(crate) languages: &'static str,
    /// Width and height of the viewport in CSS pixels.
    pub(crate) size: (u32, u32),
    pub(crate) is_phone: bool,
}

pub(crate) const DESKTOP: Device = Device { languages: "en-US,en", size: (1280, 900), is_phone: false };
pub(crate) const PHONE: Device = Device { languages: "ko-KR,ko", size: (360, 740), is_phone: true };

/// A browser with one window, killed on drop.
#[derive(Debug)]
pub(crate) struct Browser {
    session: String,
    client: reqwest::Client,
    // Dropped before the folder that it writes to.
    _driver: Process,
    _watchdog: Watchdog,
    _folder: TempDir,
}

/// Starts chromedriver. It takes a free IPv6 port and then the same IPv4 port. If another process has that one,
/// chromedriver exits, and the loop starts it again.
async fn driver(folder: &Path, watchdog: &mut Watchdog) -> Process {
    let deadline = Instant::now() + START_BOUND;
    loop {
        let mut command = Command::new("chromedriver");
        // All files of the browser are removed with the folder.
        command.arg("--port=0").env("HOME", folder).env("TMPDIR", folder);
        let mut driver = Process::spawn(&mut command, &folder.join("driver.log"), watchdog);
        while driver.is_running() && !driver.logged().contains(STARTED) && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        if driver.is_running() || !driver.logged().contains(PORT_TAKEN) {
            driver.until_logged(STARTED, START_BOUND).await;
            return driver;
        }
    }
}

impl Browser {
    pub(crate) async fn start(device: Device) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().timeout(ANSWER_BOUND).no_proxy().build();
        let client = client.expect("a client can be built");
        let folder = tempfile::Builder::new().prefix("openrun-browser-").tempdir().expect("a directory");
        let mut watchdog = Watchdog::over(folder.path());
        let driver = driver(folder.path(), &mut watchdog).await;
        let port = port_in(&driver.logged());
        let driver_url = format!("http://127.0.0.1:{port}/session");
        let request =
            client.post(&driver_url).timeout(START_BOUND).json(&capabilities(device, folder.path()));
        let session = value(request).await.expect("a browser starts");
        let id = session["sessionId"].as_str().expect("a session has an id");
        let session = format!("{driver_url}/{id}");
        let browser = Self { session, client, _driver: driver, _watchdog: watchdog, _folder: folder };
        browser.set_size(device).await;
        browser
    }

    /// Sets the size of the viewport, not of the window.
    async fn set_size(&self, device: Device) {
        let ((width, height), mobile) = (device.size, device.is_phone);
        let scale = if mobile { 2 } else { 1 };
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
    }

    pub(crate) async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    async fn post(&self, command: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}/{command}", self.session)).json(body);
        value(request).await.unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url })).await;
    }

    /// Runs `script` in the page and returns its value.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until `expression` is true in the page. Panics with the page's text after the limit.
    pub(crate) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + APPEAR_BOUND;
        while self.run(&format!("return Boolean({expression})")).await != json!(true) {
            if Instant::now() >= deadline {
                let text = self.run("return document.body.innerText").await;
                panic!(
                    "not within {APPEAR_BOUND:?}: {expression}\ntext of the page:\n{text}\n{:?}",
                    self.errors().await
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the text of `selector` is `text`.
    pub(crate) async fn until_text(&self, selector: &str, text: &str) {
        self.until(&format!(
            "document.querySelector({})?.innerText.trim() === {}",
            json!(selector),
            json!(text)
        ))
        .await;
    }

    /// Waits until the text of `selector` contains `text`.
    pub(crate) async fn until_contains(&self, selector: &str, text: &str) {
        self.until(&format!(
            "document.querySelector({})?.innerText.includes({})",
            json!(selector),
            json!(text)
        ))
        .await;
    }

    /// The visible text of `selector`.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).innerText", json!(selector));
        self.run(&script).await.as_str().expect("a text").to_owned()
    }

    async fn element(&self, selector: &str) -> String {
        self.until(&format!("document.querySelector({})?.checkVisibility()", json!(selector))).await;
        let found = self.post("element", &json!({ "using": "css selector", "value": selector })).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// Clicks like a person: the element must be visible and uncovered.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.post(&format!("element/{element}/click"), &json!({})).await;
    }

    /// Types keys into an element.
    pub(crate) async fn type_into(&self, selector: &str, keys: &str) {
        let element = self.element(selector).await;
        self.post(&format!("element/{element}/value"), &json!({ "text": keys })).await;
    }

    /// Presses a key on the focused element.
    pub(crate) async fn press(&self, key: &str) {
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("actions", &json!({ "actions": [keyboard] })).await;
    }

    /// Errors that the browser logged since the last call: of scripts, files and the content policy.
    pub(crate) async fn errors(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" })).await;
        let lines = log.as_array().into_iter().flatten().filter(|line| line["level"] == "SEVERE");
        lines.map(|line| line["message"].to_string()).collect()
    }

    /// The number of pixels by which the page is wider than the viewport.
    pub(crate) async fn overflow(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.run(script).await.as_i64().expect("a number")
    }

    /// A screenshot as PNG in base 64.
    pub(crate) async fn picture(&self) -> String {
        let request = self.client.get(format!("{}/screenshot", self.session));
        value(request).await.expect("a picture").as_str().expect("a text").to_owned()
    }
}

fn capabilities(device: Device, folder: &Path) -> Value {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    // The sandbox needs rights that neither root nor a container has, and the pages are trusted.
    let arguments =
        ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"];
    let mut arguments: Vec<&str> = arguments.into();
    arguments.push(&profile);
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "intl.accept_languages": device.languages },
        },
    } } })
}

fn port_in(log: &str) -> u16 {
    let after = log.split(STARTED).nth(1).expect("the driver logs its port");
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a port")
}

/// The value of the driver's response, or its error.
async fn value(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let is_good = answer.status().is_success();
    let mut body: Value = answer.json().await.map_err(|error| error.to_string())?;
    if is_good { Ok(body["value"].take()) } else { Err(body["value"].to_string()) }
}

//! docker-compose.yml and its settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::rules::violations;
use crate::support::node::openrun;

const COMMANDS: [&[&str]; 5] = [&["serve"], &["migrate"], &["coupons"], &["verify"], &["probe"]];

pub(crate) fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn parse(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
}

/// The settings that openrun's help names, and those of the scripts of the race and the gateway.
pub(crate) fn known_settings() -> BTreeSet<String> {
    let mut texts = vec![read("deploy/race.sh"), read("deploy/gateway/run.sh")];
    for command in COMMANDS {
        let help = openrun(&[command, &["--help"]].concat()).output().expect("the program starts");
        texts.push(String::from_utf8_lossy(&help.stdout).into_owned());
    }
    texts.iter().flat_map(|text| words(text)).collect()
}

/// The words of a text that begin with a prefix of settings.
fn words(text: &str) -> impl Iterator<Item = String> {
    let split = |letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
    let is_setting =
        |word: &&str| ["OPENRUN_", "RACE_", "GATEWAY_"].iter().any(|prefix| word.starts_with(prefix));
    text.split(split).filter(is_setting).map(str::to_owned)
}

#[test]
fn every_service_keeps_the_rules() {
    assert_eq!(violations(&parse(&read("docker-compose.yml")), &known_settings()), Vec::<String>::new());
}

/// Every `${NAME:-default}` of the file.
fn variables(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in text.split("${").skip(1) {
        let inner = part.split('}').next().unwrap_or("");
        let (name, default) = inner.split_once(":-").unwrap_or((inner, "(none)"));
        found.entry(name.to_owned()).or_default().insert(default.to_owned());
    }
    found
}

#[test]
fn the_example_environment_has_every_variable_with_its_default() {
    let used = variables(&read("docker-compose.yml"));
    let example = read(".env.example");
    let documented: BTreeMap<String, BTreeSet<String>> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), BTreeSet::from([value.to_owned()])))
        .collect();
    assert_eq!(documented, used);
    // A node that listens beyond loopback refuses a shorter token.
    assert!(used["OPENRUN_ADMIN_TOKEN"].iter().all(|token| token.len() >= 16));
}

#[test]
fn the_monitoring_names_existing_services() {
    let services = parse(&read("docker-compose.yml"));
    let is_service = |host: &str| services["services"].get(host).is_some() || host == "localhost";
    let mut hosts = BTreeSet::new();
    let prometheus = parse(&read("otel/prometheus.yml"));
    for job in prometheus["scrape_configs"].as_array().expect("there are jobs") {
        let named = job["dns_sd_configs"][0]["names"].as_array();
        let fixed = job["static_configs"][0]["targets"].as_array();
        let targets = named.or(fixed).expect("a job has targets").iter().filter_map(Value::as_str);
        hosts.extend(targets.map(|target| target.split(':').next().unwrap_or("").to_owned()));
    }
    let sources = parse(&read("otel/grafana/provisioning/datasources/openrun.yml"));
    for source in sources["datasources"].as_array().expect("there are sources") {
        let url = url::Url::parse(source["url"].as_str().expect("a URL")).expect("a URL");
        hosts.insert(url.host_str().expect("a host").to_owned());
    }
    let collector = parse(&read("otel/collector.yaml"));
    let jaeger = collector["exporters"]["otlp/jaeger"]["endpoint"].as_str().expect("an endpoint");
    hosts.insert(jaeger.split(':').next().unwrap_or("").to_owned());
    let unknown: Vec<_> = hosts.iter().filter(|host| !is_service(host)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(hosts.len() >= 6, "{hosts:?}");
}

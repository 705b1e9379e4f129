//! Rules for every service of a Compose file.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The settings of OpenTelemetry's SDK that services may use.
const OTEL: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// All violations, as sentences. `known` are the settings of openrun, the race and the gateway.
pub(crate) fn violations(compose: &Value, known: &BTreeSet<String>) -> Vec<String> {
    let services = compose["services"].as_object().expect("there are services");
    let mut found = Vec::new();
    for (name, service) in services {
        let problems = [
            image(service),
            limits(service),
            health(service),
            ports(service),
            order(service, services),
            settings(service, known),
            hardened(service),
            volumes(service, compose),
        ];
        found.extend(problems.into_iter().flatten().map(|problem| format!("{name}: {problem}")));
    }
    found
}

/// Whether the tag of the image is a version.
pub(crate) fn is_pinned(image: &str) -> bool {
    image.split_once(':').is_some_and(|(_, tag)| tag.matches('.').count() >= 1 && tag != "latest")
}

fn is_ours(service: &Value) -> bool {
    text(&service["image"]).starts_with("openrun:") || text(&service["image"]).starts_with("openrun-load:")
}

fn runs_once(service: &Value) -> bool {
    service["restart"] == "no"
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn items(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(text)
}

fn image(service: &Value) -> Vec<String> {
    let image = text(&service["image"]);
    let fine = if service.get("build").is_some() { image.ends_with(":demo") } else { is_pinned(image) };
    if fine { Vec::new() } else { vec![format!("the image '{image}' is not pinned")] }
}

fn limits(service: &Value) -> Vec<String> {
    let lacks = |key: &&&str| service[**key].is_null();
    let keys = ["cpus", "mem_limit", "pids_limit", "logging"];
    keys.iter().filter(lacks).map(|key| format!("it has no {key}")).collect()
}

fn health(service: &Value) -> Vec<String> {
    let check = &service["healthcheck"];
    if runs_once(service) {
        let inherited = check["disable"] != true;
        return inherited
            .then(|| "it ends by itself, but its image's health check is on".to_owned())
            .into_iter()
            .collect();
    }
    let lacks = |key: &&&str| check[**key].is_null();
    let keys = ["test", "interval", "timeout", "retries", "start_period"];
    let mut found: Vec<String> =
        keys.iter().filter(lacks).map(|key| format!("its health check has no {key}")).collect();
    if service["restart"] != "unless-stopped" {
        found.push("Docker does not restart it".to_owned());
    }
    found
}

fn ports(service: &Value) -> Vec<String> {
    let open = |port: &&str| !port.starts_with("127.0.0.1:");
    items(&service["ports"])
        .filter(open)
        .map(|port| format!("the port {port} is open beyond loopback"))
        .collect()
}

/// A service waits until the services that it needs are healthy or have finished.
fn order(service: &Value, services: &Map<String, Value>) -> Vec<String> {
    let Some(needs) = service.get("depends_on") else { return Vec::new() };
    let Some(needs) = needs.as_object() else {
        return vec!["its depends_on has no conditions".to_owned()];
    };
    let mut found = Vec::new();
    for (name, need) in needs {
        let Some(other) = services.get(name) else {
            found.push(format!("it waits for {name}, which does not exist"));
            continue;
        };
        let must = if runs_once(other) { "service_completed_successfully" } else { "service_healthy" };
        if need["condition"] != must {
            found.push(format!("it must wait for {name} until {must}"));
        }
    }
    found
}

fn settings(service: &Value, known: &BTreeSet<String>) -> Vec<String> {
    let Some(environment) = service["environment"].as_object() else { return Vec::new() };
    let ours = |name: &&String| {
        ["OPENRUN_", "OTEL_", "RACE_", "GATEWAY_"].iter().any(|prefix| name.starts_with(prefix))
    };
    let unknown = |name: &&String| !known.contains(*name) && !OTEL.contains(&name.as_str());
    environment.keys().filter(ours).filter(unknown).map(|name| format!("{name} is no setting")).collect()
}

/// Services that members reach have stricter rules.
fn hardened(service: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if !items(&service["security_opt"]).any(|option| option == "no-new-privileges:true") {
        found.push("it may gain privileges".to_owned());
    }
    if is_ours(service) || service["ports"].to_string().contains("GATEWAY") {
        if service["read_only"] != true {
            found.push("its root is writable".to_owned());
        }
        if !items(&service["cap_drop"]).any(|capability| capability == "ALL") {
            found.push("it has capabilities".to_owned());
        }
    }
    if service["privileged"] == true {
        found.push("it is privileged".to_owned());
    }
    found
}

/// Mounted files exist, and those of this repository are read-only.
fn volumes(service: &Value, compose: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for volume in items(&service["volumes"]) {
        let source = volume.split(':').next().unwrap_or("");
        if let Some(path) = source.strip_prefix("./") {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            if !root.join(path).exists() {
                found.push(format!("it mounts {source}, which does not exist"));
            }
            if !volume.ends_with(":ro") {
                found.push(format!("it may write to {source}"));
            }
        } else if compose["volumes"].get(source).is_none() {
            found.push(format!("the volume {source} is not declared"));
        }
    }
    found
}

//! What must hold of every service of a Compose file.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Names that a service may be given beside those of openrun: what the SDK of OpenTelemetry reads.
const OTEL: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// Everything that breaks a rule, a sentence each. `known` are the settings that openrun, the race and the gateway read.
pub(crate) fn broken(compose: &Value, known: &BTreeSet<String>) -> Vec<String> {
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

/// An image is pinned if its tag names a version to its last number, or if it is built here.
pub(crate) fn is_pinned(image: &str) -> bool {
    image.split_once(':').is_some_and(|(_, tag)| tag.matches('.').count() >= 1 && tag != "latest")
}

fn is_ours(service: &Value) -> bool {
    text(&service["image"]).starts_with("openrun:") || text(&service["image"]).starts_with("openrun-load:")
}

fn ends_by_itself(service: &Value) -> bool {
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
    if ends_by_itself(service) {
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
        found.push("nobody starts it again".to_owned());
    }
    found
}

fn ports(service: &Value) -> Vec<String> {
    let open = |port: &&str| !port.starts_with("127.0.0.1:");
    items(&service["ports"])
        .filter(open)
        .map(|port| format!("the port {port} is open to everybody"))
        .collect()
}

/// Whoever is waited for is well, or done.
fn order(service: &Value, services: &Map<String, Value>) -> Vec<String> {
    let Some(needs) = service.get("depends_on") else { return Vec::new() };
    let Some(needs) = needs.as_object() else {
        return vec!["it does not say in which state others must be".to_owned()];
    };
    let mut found = Vec::new();
    for (name, need) in needs {
        let Some(other) = services.get(name) else {
            found.push(format!("it waits for {name}, which there is not"));
            continue;
        };
        let must = if ends_by_itself(other) { "service_completed_successfully" } else { "service_healthy" };
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
    environment.keys().filter(ours).filter(unknown).map(|name| format!("nobody reads {name}")).collect()
}

/// What listens to members is held to more.
fn hardened(service: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if !items(&service["security_opt"]).any(|option| option == "no-new-privileges:true") {
        found.push("it may gain privileges".to_owned());
    }
    if is_ours(service) || service["ports"].to_string().contains("GATEWAY") {
        if service["read_only"] != true {
            found.push("its root can be written to".to_owned());
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

/// What is mounted is there, and what is of this repository is not written to.
fn volumes(service: &Value, compose: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for volume in items(&service["volumes"]) {
        let source = volume.split(':').next().unwrap_or("");
        if let Some(path) = source.strip_prefix("./") {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            if !root.join(path).exists() {
                found.push(format!("it mounts {source}, which is not there"));
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

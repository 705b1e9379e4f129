//! The images that are built, and the stand-ins for those that are not.

use crate::compose::{parse, read};
use crate::rules::is_pinned;

/// For which there is no stand-in: `scripts/compose-check` says so.
const NOT_STOOD_IN: [&str; 4] = ["busybox:", "otel/", "jaegertracing/", "grafana/"];

/// The images from outside that a Dockerfile begins with.
fn bases(dockerfile: &str) -> Vec<String> {
    let mut stages = Vec::new();
    let mut found = Vec::new();
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !stages.contains(&words[0]) {
            found.push(words[0].to_owned());
        }
        if let [_, "AS", stage] = words[..] {
            stages.push(stage);
        }
    }
    found
}

#[test]
fn every_image_begins_with_a_pinned_one() {
    for file in ["Dockerfile", "deploy/collector/Dockerfile"] {
        let bases = bases(&read(file));
        assert_eq!(bases.len(), 2, "{file}: {bases:?}");
        assert!(bases.iter().all(|base| is_pinned(base)), "{file}: {bases:?}");
    }
}

#[test]
fn the_image_that_is_shipped_is_the_last_stage_and_runs_as_nobody_of_consequence() {
    let file = read("Dockerfile");
    let last = file.rsplit("\nFROM ").next().expect("there is a stage");
    for line in ["HEALTHCHECK ", "STOPSIGNAL SIGTERM", "ENTRYPOINT [\"openrun\"]", "CMD [\"serve\"]"] {
        assert!(last.contains(line), "{line}: {last}");
    }
    let base = file.split("\nFROM ").find(|stage| stage.contains("AS base")).expect("there is a base");
    assert!(base.contains("\nUSER 10001:10001\n"), "{base}");
    // Kubernetes can tell that it is not root by a number only.
    assert!(!last.contains("\nUSER "), "{last}");
}

#[test]
fn every_image_that_the_check_runs_has_a_stand_in() {
    let compose = parse(&read("docker-compose.yml"));
    let services = compose["services"].as_object().expect("there are services");
    let mut images: Vec<String> = services
        .values()
        .filter(|service| service.get("build").is_none())
        .filter_map(|service| service["image"].as_str().map(str::to_owned))
        .collect();
    images.extend(bases(&read("Dockerfile")));
    images.retain(|image| !NOT_STOOD_IN.iter().any(|name| image.starts_with(name)));
    let told = read("deploy/stand-ins/README.md");
    let lacking: Vec<_> = images.iter().filter(|image| !told.contains(&format!("`{image}`"))).collect();
    assert!(lacking.is_empty() && images.len() >= 7, "{lacking:?} of {images:?}");
    let debian = read("scripts/lib/stand_ins.sh");
    assert!(debian.contains(&format!("DEBIAN_IMAGE={}", bases(&read("Dockerfile"))[1])), "the two differ");
}

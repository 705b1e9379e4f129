//! The images that the repository builds, and the stand-ins for published images.
use crate::compose::{parse, read};
use crate::rules::is_pinned;

/// Published images without a stand-in. `scripts/compose-check` does not run them.
const WITHOUT_STAND_IN: [&str; 4] = ["busybox:", "otel/", "jaegertracing/", "grafana/"];

/// The published images that a Dockerfile is based on.
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
fn every_base_image_is_pinned() {
    for file in ["Dockerfile", "deploy/collector/Dockerfile"] {
        let bases = bases(&read(file));
        assert_eq!(bases.len(), 2, "{file}: {bases:?}");
        assert!(bases.iter().all(|base| is_pinned(base)), "{file}: {bases:?}");
    }
}

#[test]
fn the_last_stage_is_the_service_and_runs_unprivileged() {
    let file = read("Dockerfile");
    let last = file.rsplit("\nFROM ").next().expect("there is a stage");
    for line in ["HEALTHCHECK ", "STOPSIGNAL SIGTERM", "ENTRYPOINT [\"openrun\"]", "CMD [\"serve\"]"] {
        assert!(last.contains(line), "{line}: {last}");
    }
    let base = file.split("\nFROM ").find(|stage| stage.contains("AS base")).expect("there is a base");
    assert!(base.contains("\nUSER 10001:10001\n"), "{base}");
    // Kubernetes can check only a numeric id for not being root.
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
    images.retain(|image| !WITHOUT_STAND_IN.iter().any(|name| image.starts_with(name)));
    let readme = read("deploy/stand-ins/README.md");
    let missing: Vec<_> = images.iter().filter(|image| !readme.contains(&format!("`{image}`"))).collect();
    assert!(missing.is_empty() && images.len() >= 7, "{missing:?} of {images:?}");
    let debian = read("scripts/lib/stand_ins.sh");
    assert!(debian.contains(&format!("DEBIAN_IMAGE={}", bases(&read("Dockerfile"))[1])), "the two differ");
}

//! The layers of the service: imports go down only, and no circle of files crosses folders. A module may use itself and
//! the modules of lower layers; modules of one layer do not use each other, nor do the technologies within a module.

mod circles;
mod planted;
mod source;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use self::source::{Mention, Source, Target};

/// The modules and their layers, from the bottom to the top. The folders of `actors` are modules of their own.
const LAYERS: &[(&str, usize)] = &[
    ("domain", 0),
    ("clock", 1),
    ("ports", 1),
    ("sync", 1),
    ("fault_injection", 2),
    ("retry", 2),
    ("telemetry", 2),
    ("gate", 3),
    ("messaging", 3),
    ("persistence", 3),
    ("actors::runtime", 4),
    ("actors::delivery", 5),
    ("actors::issuing", 6),
    ("actors::cluster", 7),
    ("actors::reconcile", 8),
    ("actors::upkeep", 8),
    ("actors", 8),
    ("http", 9),
    ("bootstrap", 10),
    ("cli", 11),
];

/// Modules with one folder for each technology, which must be replaceable one by one.
const MODULES_OF_TECHNOLOGIES: &[&str] = &["persistence", "messaging"];

/// Crates that only one place may name, so that replacing one is a change of that place.
const OWNED_CRATES: &[(&str, &[&str])] = &[
    ("lapin", &["messaging/rabbitmq"]),
    ("redis", &["persistence/redis"]),
    ("sqlx", &["persistence/postgres", "persistence/sqlite"]),
    ("backoff", &["retry"]),
    ("opentelemetry", &["telemetry/traces"]),
    ("opentelemetry_otlp", &["telemetry/traces"]),
    ("opentelemetry_sdk", &["telemetry/traces"]),
    ("tracing_opentelemetry", &["telemetry/traces"]),
];

/// What would make the domain depend on anything but its arguments.
const NOT_IN_THE_DOMAIN: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "tokio",
    "futures_util",
    "async_trait",
    "sqlx",
    "redis",
    "lapin",
    "backoff",
    "actix",
    "actix_web",
    "actix_rt",
    "reqwest",
];
const CLOCKS: &[&str] = &["now", "now_utc", "now_local", "now_v7"];

const MAX_FILE_LINES: usize = 500;

#[test]
fn imports_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(!files.is_empty(), "no source found under {}", root.display());
    let faults = check(&files);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

pub(crate) fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).expect("src is readable");
    for entry in entries.map(|entry| entry.expect("src is readable")) {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it is below src").to_string_lossy().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).expect("sources are UTF-8")));
        }
    }
}

/// The faults of a tree of files, whose paths are relative to `src/`.
fn check(files: &[(String, String)]) -> Vec<String> {
    let technologies = technologies(files);
    let mut faults = Vec::new();
    for (path, text) in files {
        let lines = text.lines().count();
        if lines > MAX_FILE_LINES {
            faults.push(format!("src/{path}:{lines}: more than {MAX_FILE_LINES} lines: split it"));
        }
        match Source::read(path, text) {
            Ok(source) => {
                let mut report =
                    |line: usize, what: String| faults.push(format!("src/{path}:{line}: {what}"));
                check_layer(&source, &mut report);
                check_technologies(&source, &technologies, &mut report);
                check_owned_crates(&source, &mut report);
                check_domain(&source, &mut report);
            }
            Err(error) => faults.push(format!("src/{path}:1: cannot be read as Rust: {error}")),
        }
    }
    faults.extend(circles::across_folders(files));
    faults.sort();
    faults.dedup();
    faults
}

/// The folders of the modules of technologies, as (module, folder).
fn technologies(files: &[(String, String)]) -> HashSet<(String, String)> {
    files
        .iter()
        .filter_map(|(path, _)| {
            let (module, rest) = path.split_once('/')?;
            let (folder, _) = rest.split_once('/')?;
            MODULES_OF_TECHNOLOGIES.contains(&module).then(|| (module.to_owned(), folder.to_owned()))
        })
        .collect()
}

/// The module of [`LAYERS`] that a path is in: its first segment, or for `actors` the first two.
fn module_of(path: &[String]) -> Option<String> {
    match path {
        [first, second, ..] if first == "actors" => {
            let folder = format!("{first}::{second}");
            Some(if layer_of(&folder).is_some() { folder } else { first.clone() })
        }
        [first, ..] => Some(first.clone()),
        [] => None,
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn inside(mention: &Mention) -> Option<&[String]> {
    match &mention.target {
        Target::Inside(path) => Some(path),
        Target::Outside(_) => None,
    }
}

fn check_layer(source: &Source, report: &mut impl FnMut(usize, String)) {
    // The root of the crate stands above all layers: `lib.rs` lists the modules and `main.rs` enters the topmost.
    let Some(from) = module_of(&source.module) else { return };
    let Some(from_layer) = layer_of(&from) else {
        report(
            1,
            format!("the module `{from}` has no layer: give it one in tests/architecture/layers/mod.rs"),
        );
        return;
    };
    for mention in &source.mentions {
        let Some(to) = inside(mention).and_then(module_of) else { continue };
        let fault = match layer_of(&to) {
            _ if to == from => continue,
            None => format!("{from} -> crate::{to}: no module of that name: import it from its module"),
            Some(layer) if layer > from_layer => format!("{from} -> {to} goes up"),
            Some(layer) if layer == from_layer => format!("{from} -> {to} goes sideways"),
            Some(_) => continue,
        };
        report(mention.line, fault);
    }
}

fn check_technologies(
    source: &Source,
    technologies: &HashSet<(String, String)>,
    report: &mut impl FnMut(usize, String),
) {
    let [module, from, ..] = source.module.as_slice() else { return };
    let is_technology = |name: &String| technologies.contains(&(module.clone(), name.clone()));
    if !is_technology(from) {
        return;
    }
    for mention in &source.mentions {
        if let Some([to_module, to, ..]) = inside(mention)
            && to_module == module
            && to != from
            && is_technology(to)
        {
            report(mention.line, format!("{module}::{from} -> {module}::{to} goes sideways"));
        }
    }
}

fn check_owned_crates(source: &Source, report: &mut impl FnMut(usize, String)) {
    let here = source.module.join("/");
    for mention in &source.mentions {
        let Target::Outside(path) = &mention.target else { continue };
        let Some((name, owners)) = OWNED_CRATES.iter().find(|(name, _)| *name == path[0]) else { continue };
        let is_owner = |owner: &&str| {
            here.strip_prefix(*owner).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !owners.iter().any(is_owner) {
            report(
                mention.line,
                format!("{here} -> {name}: that crate is named in src/{} only", owners.join(" and src/")),
            );
        }
    }
}

fn check_domain(source: &Source, report: &mut impl FnMut(usize, String)) {
    if source.module.first().is_none_or(|room| room != "domain") {
        return;
    }
    for line in &source.async_lines {
        report(*line, "the domain knows no async".to_owned());
    }
    for mention in &source.mentions {
        let Target::Outside(path) = &mention.target else { continue };
        let path = path.join("::");
        let is_below = |banned: &&&str| {
            path.strip_prefix(**banned).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if let Some(banned) = NOT_IN_THE_DOMAIN.iter().find(is_below) {
            report(mention.line, format!("domain -> {banned}: the domain is pure"));
        }
        if path.rsplit_once("::").is_some_and(|(_, last)| CLOCKS.contains(&last)) {
            report(mention.line, format!("domain -> {path}: the domain has no clock, it is given the time"));
        }
    }
}

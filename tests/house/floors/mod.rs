//! The floors of the house: imports go down only. A room may use itself and the rooms below it; rooms on one floor do
//! not know of each other, nor do the technologies within a room.

mod planted;
mod source;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use self::source::{Mention, Source, Target};

/// From the bottom to the top.
const FLOORS: &[(&str, usize)] = &[
    ("domain", 0),
    ("ports", 1),
    ("telemetry", 2),
    ("retry", 2),
    ("sabotage", 2),
    ("gate", 3),
    ("persistence", 3),
    ("messaging", 3),
    ("traced", 3),
    ("actors", 5),
    ("http", 6),
    ("bootstrap", 7),
    ("cli", 8),
];

/// Rooms with one folder a technology, which must be replaceable one by one.
const ROOMS_OF_TECHNOLOGIES: &[&str] = &["persistence", "messaging"];

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

const MAX_FILE_LINES: usize = 350;

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
                check_floor(&source, &mut report);
                check_technologies(&source, &technologies, &mut report);
                check_owned_crates(&source, &mut report);
                check_domain(&source, &mut report);
            }
            Err(error) => faults.push(format!("src/{path}:1: cannot be read as Rust: {error}")),
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

/// The folders of the rooms of technologies, as (room, folder).
fn technologies(files: &[(String, String)]) -> HashSet<(String, String)> {
    files
        .iter()
        .filter_map(|(path, _)| {
            let (room, rest) = path.split_once('/')?;
            let (folder, _) = rest.split_once('/')?;
            ROOMS_OF_TECHNOLOGIES.contains(&room).then(|| (room.to_owned(), folder.to_owned()))
        })
        .collect()
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn inside(mention: &Mention) -> Option<&[String]> {
    match &mention.target {
        Target::Inside(path) => Some(path),
        Target::Outside(_) => None,
    }
}

fn check_floor(source: &Source, report: &mut impl FnMut(usize, String)) {
    // The root of the crate stands above all floors: `lib.rs` lists the rooms and `main.rs` enters the topmost.
    let Some(from) = source.module.first() else { return };
    let Some(from_floor) = floor_of(from) else {
        report(1, format!("the room `{from}` stands on no floor: give it one in tests/house/floors/mod.rs"));
        return;
    };
    for mention in &source.mentions {
        let Some([to, ..]) = inside(mention) else { continue };
        let what = match floor_of(to) {
            _ if to == from => continue,
            None => format!("{from} -> crate::{to}: no room of that name: import it from its room"),
            Some(floor) if floor > from_floor => format!("{from} -> {to} goes up"),
            Some(floor) if floor == from_floor => format!("{from} -> {to} goes sideways"),
            Some(_) => continue,
        };
        report(mention.line, what);
    }
}

fn check_technologies(
    source: &Source,
    technologies: &HashSet<(String, String)>,
    report: &mut impl FnMut(usize, String),
) {
    let [room, from, ..] = source.module.as_slice() else { return };
    let is_technology = |name: &String| technologies.contains(&(room.clone(), name.clone()));
    if !is_technology(from) {
        return;
    }
    for mention in &source.mentions {
        if let Some([to_room, to, ..]) = inside(mention)
            && to_room == room
            && to != from
            && is_technology(to)
        {
            report(mention.line, format!("{room}::{from} -> {room}::{to} goes sideways"));
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

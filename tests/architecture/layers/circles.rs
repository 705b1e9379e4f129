//! Circles of files: a file that depends on itself by way of a file of another folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::source::{Source, Target};

/// A file's module, such as `["actors", "issuing", "handle"]`.
type Module = Vec<String>;

/// The files of a tree, and the names that each of them imports or exports.
struct Tree {
    files: BTreeMap<Module, String>,
    names: HashMap<Module, HashMap<String, Module>>,
}

/// One fault for each circle of files that crosses folders.
pub(super) fn across_folders(files: &[(String, String)]) -> Vec<String> {
    let sources: Vec<(&String, Source)> =
        files.iter().filter_map(|(path, text)| Some((path, Source::read(path, text).ok()?))).collect();
    let tree = Tree {
        files: sources.iter().map(|(path, source)| (source.module.clone(), (*path).clone())).collect(),
        names: sources.iter().map(|(_, source)| (source.module.clone(), source.names.clone())).collect(),
    };
    let arrows: BTreeMap<&str, BTreeSet<String>> = sources
        .iter()
        .filter(|(_, source)| !source.module.is_empty())
        .map(|(path, source)| (path.as_str(), tree.arrows_of(path, source)))
        .collect();
    circles(&arrows)
}

impl Tree {
    /// The files in which the things are defined that `source` mentions.
    fn arrows_of(&self, path: &str, source: &Source) -> BTreeSet<String> {
        let inside = source.mentions.iter().filter_map(|mention| match &mention.target {
            Target::Inside(target) => self.file_that_defines(target),
            Target::Outside(_) => None,
        });
        inside.filter(|target| target != path).collect()
    }

    /// Follows re-exports from module to module, at most as many as there are files.
    fn file_that_defines(&self, path: &[String]) -> Option<String> {
        let mut path = path.to_vec();
        for _ in 0..=self.files.len() {
            let module =
                (1..=path.len()).rev().map(|end| &path[..end]).find(|it| self.files.contains_key(*it))?;
            // A path that ends with a module names no thing in it.
            let name = path.get(module.len())?;
            match self.names.get(module).and_then(|names| names.get(name)) {
                Some(target) if target[..] != path[..] => {
                    path = target.iter().chain(&path[module.len() + 1..]).cloned().collect();
                }
                _ => return self.files.get(module).cloned(),
            }
        }
        None
    }
}

/// Groups of files that reach each other, where these are in more than one folder.
fn circles(arrows: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|file| (*file, reachable(arrows, file))).collect();
    let mut groups: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (file, reached) in &reach {
        let circle: Vec<&str> = reached
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(file)))
            .collect();
        let folders: BTreeSet<&str> = circle.iter().map(|file| folder(file)).collect();
        if folders.len() > 1 {
            groups.insert(circle);
        }
    }
    groups
        .into_iter()
        .map(|circle| format!("a circle of files across folders: src/{}", circle.join(", src/")))
        .collect()
}

fn reachable<'a>(arrows: &'a BTreeMap<&str, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        for next in arrows.get(file).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

//! Both languages have the same texts, and every text that the pages use.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn asset(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console/assets").join(name);
    fs::read_to_string(path).expect("the file exists")
}

/// The texts of a language by key.
fn language(name: &str) -> BTreeMap<String, String> {
    let text = asset(name);
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": \""));
    lines.map(|(key, text)| (key.to_owned(), text.trim_end_matches("\",").to_owned())).collect()
}

/// The sorted names of the placeholders.
fn placeholders(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect();
    names.sort_unstable();
    names
}

#[test]
fn both_languages_have_the_same_keys_and_placeholders() {
    let (english, korean) = (language("words-en.js"), language("words-ko.js"));
    assert!(english.len() > 100, "{}", english.len());
    assert_eq!(english.keys().collect::<Vec<_>>(), korean.keys().collect::<Vec<_>>());
    for (key, text) in &english {
        assert_eq!(placeholders(text), placeholders(&korean[key]), "{key}");
        assert!(!text.is_empty() && !korean[key].is_empty(), "{key}");
    }
}

#[test]
fn every_text_that_the_pages_use_exists() {
    let english = language("words-en.js");
    let mut used = Vec::new();
    for page in ["console.html", "try.html"] {
        let text = asset(page);
        for attribute in ["data-words=\"", "data-words-label=\""] {
            used.extend(
                text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap_or("").to_owned()),
            );
        }
    }
    for script in ["console.js", "views.js", "dialog.js", "try.js"] {
        let text = asset(script);
        used.extend(
            text.split("words(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("").to_owned()),
        );
    }
    assert!(used.len() > 60, "{}", used.len());
    let missing: Vec<&String> = used.iter().filter(|key| !english.contains_key(*key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

//! Both languages have the same words to say, and every word that the pages want.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn asset(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console/assets").join(name);
    fs::read_to_string(path).expect("it is there")
}

/// The keys of a language, and the words of each.
fn language(name: &str) -> BTreeMap<String, String> {
    let text = asset(name);
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": \""));
    lines.map(|(key, words)| (key.to_owned(), words.trim_end_matches("\",").to_owned())).collect()
}

/// The places that are filled in.
fn places(words: &str) -> Vec<&str> {
    let mut places: Vec<&str> =
        words.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect();
    places.sort_unstable();
    places
}

#[test]
fn both_languages_say_the_same_things() {
    let (english, korean) = (language("words-en.js"), language("words-ko.js"));
    assert!(english.len() > 100, "{}", english.len());
    assert_eq!(english.keys().collect::<Vec<_>>(), korean.keys().collect::<Vec<_>>());
    for (key, words) in &english {
        assert_eq!(places(words), places(&korean[key]), "{key}");
        assert!(!words.is_empty() && !korean[key].is_empty(), "{key}");
    }
}

#[test]
fn every_word_that_is_wanted_is_there() {
    let english = language("words-en.js");
    let mut wanted = Vec::new();
    for page in ["console.html", "try.html"] {
        let text = asset(page);
        for attribute in ["data-words=\"", "data-words-label=\""] {
            wanted.extend(
                text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap_or("").to_owned()),
            );
        }
    }
    for script in ["console.js", "views.js", "dialog.js", "try.js"] {
        let text = asset(script);
        wanted.extend(
            text.split("words(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("").to_owned()),
        );
    }
    assert!(wanted.len() > 60, "{}", wanted.len());
    let missing: Vec<&String> = wanted.iter().filter(|key| !english.contains_key(*key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

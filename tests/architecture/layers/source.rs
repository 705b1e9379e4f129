//! Reads one source file as the compiler's tokens, so that comments and strings do not count, and lists every path it
//! mentions, as it would resolve.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

const CRATE_NAME: &str = "openrun";

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Into this crate: the segments after `crate`.
    Inside(Vec<String>),
    /// Into another crate, whose name is the first segment.
    Outside(Vec<String>),
}

/// A path or a keyword, where a file has it.
#[derive(Clone, Debug)]
pub(crate) struct Mention {
    pub(crate) line: usize,
    pub(crate) target: Target,
}

/// A path as written.
struct Path {
    line: usize,
    /// The module it stands in.
    module: Vec<String>,
    segments: Vec<String>,
    /// Written with a leading `::`, which always means another crate.
    is_global: bool,
    /// The name that it makes known, if it is a leaf of a `use`.
    binds: Option<String>,
}

/// What a file says.
pub(crate) struct Source {
    /// The modules from the crate's root down to this file's.
    pub(crate) module: Vec<String>,
    pub(crate) mentions: Vec<Mention>,
    /// The names that the file's own `use`s bind, and where they lead in this crate.
    pub(crate) names: HashMap<String, Vec<String>>,
    /// Lines with `async` or `await`.
    pub(crate) async_lines: Vec<usize>,
}

impl Source {
    /// `path` is relative to `src/`.
    pub(crate) fn read(path: &str, text: &str) -> Result<Self, String> {
        let module = module_of(path);
        let tokens = TokenStream::from_str(text).map_err(|error| error.to_string())?;
        let mut reader = Reader::default();
        reader.walk(tokens, &module);
        let mentions = reader.resolved();
        let names = reader.names_of(&module);
        Ok(Self { module, mentions, names, async_lines: reader.async_lines })
    }
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || path == "lib" || path == "main" {
        module.pop();
    }
    module
}

#[derive(Default)]
struct Reader {
    paths: Vec<Path>,
    /// Modules that the file declares, with the module that has them.
    declared: HashSet<(Vec<String>, String)>,
    async_lines: Vec<usize>,
}

impl Reader {
    fn walk(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = match (&tokens[at], tokens.get(at + 1), tokens.get(at + 2)) {
                (TokenTree::Ident(word), Some(TokenTree::Ident(name)), body) if word == "mod" => {
                    self.declare(&name.to_string(), body, module);
                    at + 3
                }
                // `use<'a>` captures a lifetime and imports nothing.
                (TokenTree::Ident(word), Some(next), _) if word == "use" && !is_punct(Some(next), '<') => {
                    let end = (at..tokens.len()).find(|end| is_punct(tokens.get(*end), ';'));
                    let end = end.unwrap_or(tokens.len());
                    self.import(&tokens[at + 1..end], &[], false, module);
                    end + 1
                }
                (TokenTree::Ident(_), ..) => self.path(&tokens, at, module),
                (TokenTree::Group(group), ..) => {
                    self.walk(group.stream(), module);
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    fn declare(&mut self, name: &str, body: Option<&TokenTree>, module: &[String]) {
        self.declared.insert((module.to_vec(), name.to_owned()));
        if let Some(TokenTree::Group(group)) = body {
            let inner: Vec<String> = module.iter().cloned().chain([name.to_owned()]).collect();
            self.walk(group.stream(), &inner);
        }
    }

    /// A path in an expression, a type or an attribute. Gives the index after it.
    fn path(&mut self, tokens: &[TokenTree], start: usize, module: &[String]) -> usize {
        let mut segments = Vec::new();
        let mut at = start;
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            segments.push(plain(&word.to_string()));
            at += 1;
            if !(is_colons(tokens, at) && matches!(tokens.get(at + 2), Some(TokenTree::Ident(_)))) {
                break;
            }
            at += 2;
        }
        let line = tokens[start].span().start().line;
        if segments.iter().any(|word| word == "async" || word == "await") {
            self.async_lines.push(line);
        }
        let continues = start >= 2 && is_colons(tokens, start - 2);
        let is_global = continues && !follows_path(tokens, start - 2);
        // A lone name is no path, unless a generic argument or a group follows; nor is what goes on after `<T>::`.
        let is_path = segments.len() > 1 || is_global || is_colons(tokens, at);
        if is_path && (!continues || is_global) {
            self.paths.push(Path { line, module: module.to_vec(), segments, is_global, binds: None });
        }
        at
    }

    /// One branch of a `use` tree, without its semicolon.
    fn import(&mut self, tokens: &[TokenTree], prefix: &[String], is_global: bool, module: &[String]) {
        let mut segments = prefix.to_vec();
        let mut is_global = is_global;
        let mut binds = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    binds = tokens.get(at + 1).map(|name| plain(&name.to_string()));
                    break;
                }
                TokenTree::Ident(word) => segments.push(plain(&word.to_string())),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in inner.split(|token| is_punct(Some(token), ',')) {
                        self.import(branch, &segments, is_global, module);
                    }
                    return;
                }
                TokenTree::Punct(star) if star.as_char() == '*' => segments.push("*".to_owned()),
                TokenTree::Punct(_) => is_global |= segments.is_empty(),
                TokenTree::Group(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
        // `use a::b::{self}` names `a::b`.
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let Some(first) = tokens.first() else { return };
        let line = first.span().start().line;
        let binds = binds.or_else(|| segments.last().cloned());
        self.paths.push(Path { line, module: module.to_vec(), segments, is_global, binds });
    }

    fn names_of(&self, module: &[String]) -> HashMap<String, Vec<String>> {
        let own = self.paths.iter().filter(|path| path.module == module);
        own.filter_map(|path| match self.direct(path) {
            Target::Inside(target) => Some((path.binds.clone()?, target)),
            Target::Outside(_) => None,
        })
        .collect()
    }

    fn resolved(&self) -> Vec<Mention> {
        let mut bindings: HashMap<(&[String], &str), Target> = HashMap::new();
        for path in &self.paths {
            if let Some(name) = &path.binds {
                bindings.insert((&path.module, name), self.direct(path));
            }
        }
        let by_binding = |path: &Path| {
            // A name of a `use` may stand for itself: `use redis;`.
            let of_itself = path.binds.as_ref() == path.segments.first() && path.segments.len() == 1;
            if path.is_global || of_itself {
                return None;
            }
            let bound = bindings.get(&(path.module.as_slice(), path.segments[0].as_str()))?;
            let rest = path.segments[1..].iter().cloned();
            Some(match bound {
                Target::Inside(start) => Target::Inside(start.iter().cloned().chain(rest).collect()),
                Target::Outside(start) => Target::Outside(start.iter().cloned().chain(rest).collect()),
            })
        };
        self.paths
            .iter()
            .map(|path| Mention {
                line: path.line,
                target: by_binding(path).unwrap_or_else(|| self.direct(path)),
            })
            .collect()
    }

    /// Where a path leads without regard to what the file has imported.
    fn direct(&self, path: &Path) -> Target {
        let (first, rest) = path.segments.split_first().expect("a path has a segment");
        let rest = rest.iter().cloned();
        match first.as_str() {
            _ if path.is_global => Target::Outside(path.segments.clone()),
            "crate" | CRATE_NAME => Target::Inside(rest.collect()),
            "self" => Target::Inside(path.module.iter().cloned().chain(rest).collect()),
            "super" => {
                let ups = path.segments.iter().take_while(|segment| *segment == "super").count();
                let base = path.module.len().saturating_sub(ups);
                let rest = path.segments[ups..].iter().cloned();
                Target::Inside(path.module[..base].iter().cloned().chain(rest).collect())
            }
            name if self.declared.contains(&(path.module.clone(), name.to_owned())) => {
                Target::Inside(path.module.iter().cloned().chain(path.segments.iter().cloned()).collect())
            }
            _ => Target::Outside(path.segments.clone()),
        }
    }
}

/// A word without the mark of a raw identifier.
fn plain(word: &str) -> String {
    word.strip_prefix("r#").unwrap_or(word).to_owned()
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Whether the `::` at `colons` goes on with a type in angle brackets, or with a word, instead of beginning a path.
fn follows_path(tokens: &[TokenTree], colons: usize) -> bool {
    let Some(before) = colons.checked_sub(1).and_then(|at| tokens.get(at)) else { return false };
    match before {
        // After a keyword a path begins.
        TokenTree::Ident(word) => {
            !["return", "as", "in", "impl", "dyn", "mut", "for"].contains(&word.to_string().as_str())
        }
        TokenTree::Punct(punct) => punct.as_char() == '>',
        TokenTree::Group(_) => true,
        TokenTree::Literal(_) => false,
    }
}

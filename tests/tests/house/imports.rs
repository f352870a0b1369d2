//! Which module of a crate imports which, read from the text: paths that begin with `crate`, `self`, `super` or a module
//! declared in the file, in `use` and inline. Comments, literals and whatever is only compiled for tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path within its crate; the crate itself is empty.
pub type Module = Vec<String>;

/// Every import of the crate whose sources are in `src`: the module it is written in, and the module it names.
/// `lib.rs` and `main.rs` only put modules together, so theirs are left out.
pub fn imports(src: &Path) -> BTreeSet<(Module, Module)> {
    let mut texts = BTreeMap::new();
    read(src, &Module::new(), &mut texts);
    let code: BTreeMap<_, _> = texts.iter().map(|(module, text)| (module, tokens(text))).collect();
    let mut tests = BTreeSet::new();
    for (module, tokens) in &code {
        tests.extend(tokens.tests.iter().map(|name| child(module, name)));
    }
    let is_test = |module: &Module| (0..=module.len()).any(|end| tests.contains(&module[..end]));
    let mut found = BTreeSet::new();
    for (module, tokens) in code.iter().filter(|(module, _)| !module.is_empty() && !is_test(module)) {
        for path in paths(module, tokens.words()) {
            let known = (0..=path.len()).rev().map(|end| &path[..end]);
            let named =
                known.map(<[String]>::to_vec).find(|path| path.is_empty() || texts.contains_key(path));
            found.extend(named.filter(|named| named != *module).map(|named| ((*module).clone(), named)));
        }
    }
    found
}

fn child(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

fn read(folder: &Path, module: &Module, texts: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            read(&path, &child(module, &stem), texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let own = matches!(&*stem, "mod" | "lib" | "main");
            let module = if own { module.clone() } else { child(module, &stem) };
            texts.entry(module).or_default().push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The tokens of a file that is compiled without tests, and the names of the modules that it declares only for tests.
pub struct Tokens {
    words: Vec<String>,
    tests: BTreeSet<String>,
}

impl Tokens {
    /// The tokens, in their order.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// Words and `::` are tokens, and so is every other character.
pub fn tokens(text: &str) -> Tokens {
    let mut all = Vec::new();
    let code = without_literals(text);
    let mut rest = code.as_str();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let bytes = match rest.find(|c| !is_word(c)).unwrap_or(rest.len()) {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            word => word,
        };
        if !first.is_whitespace() {
            all.push(rest[..bytes].to_owned());
        }
        rest = &rest[bytes..];
    }
    let (mut words, mut tests, mut at) = (Vec::new(), BTreeSet::new(), 0);
    while at < all.len() {
        if all[at..].iter().take(7).eq(["#", "[", "cfg", "(", "test", ")", "]"]) {
            let end = end_of_item(&all, at + 7);
            let module = all[at + 7..end].windows(3).find(|three| three[0] == "mod" && three[2] == ";");
            tests.extend(module.map(|three| three[1].clone()));
            at = end;
        } else {
            words.push(all[at].clone());
            at += 1;
        }
    }
    Tokens { words, tests }
}

/// Behind the first `;`, or the first block, that begins at or after `at`.
fn end_of_item(all: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (end, word) in all.iter().enumerate().skip(at) {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" => {}
            _ => continue,
        }
        if depth == 0 {
            return end + 1;
        }
    }
    all.len()
}

/// The text with a blank for every comment, string and character.
fn without_literals(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|rest| rest.trim_start_matches('#'));
        let is_raw = raw.is_some_and(|raw| raw.starts_with('"')) && !code.ends_with(char::is_alphanumeric);
        let bytes = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if is_raw {
            let hashes = rest.len() - 1 - raw.unwrap_or_default().len();
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = 1 + end.len();
            rest[begin..].find(&end).map_or(rest.len(), |at| begin + at + end.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && (rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'')) {
            quoted(rest, '\'')
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[bytes..];
    }
    code
}

/// Bytes of the literal that begins here, its quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Every path of these words that begins in the crate, from the crate on.
pub fn paths(module: &Module, words: &[String]) -> Vec<Module> {
    let declared = words.windows(3).filter(|three| three[0] == "mod" && three[2] == ";");
    let declared: BTreeSet<&String> = declared.map(|three| &three[1]).collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < words.len() {
        let begins = words.get(at + 1).is_some_and(|next| next == "::") && (at == 0 || words[at - 1] != "::");
        at = match words[at].as_str() {
            "crate" if begins => tree(words, at + 2, Module::new(), &mut found),
            "self" if begins => tree(words, at + 2, module.clone(), &mut found),
            "super" if begins => tree(words, at, module.clone(), &mut found),
            _ if begins && declared.contains(&words[at]) => tree(words, at, module.clone(), &mut found),
            _ => at + 1,
        };
    }
    found
}

/// Follows a path, and the paths of a group, and returns where they end.
fn tree(words: &[String], mut at: usize, mut path: Module, found: &mut Vec<Module>) -> usize {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    loop {
        match word(at) {
            "{" => {
                at += 1;
                while !matches!(word(at), "}" | "") {
                    at = tree(words, at, path.clone(), found);
                    // What a name is imported as.
                    while !matches!(word(at), "," | "}" | "") {
                        at += 1;
                    }
                    at += usize::from(word(at) == ",");
                }
                return at + 1;
            }
            "super" => drop(path.pop()),
            "self" => {}
            name if name.starts_with(|c: char| c.is_alphanumeric() || c == '_') => path.push(name.to_owned()),
            _ => {
                found.push(path);
                return at;
            }
        }
        at += 1;
        if word(at) != "::" {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

//! The house: what is true of the tree as a whole, read out of the files themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file of `src` and the module it is.
struct Source {
    path: PathBuf,
    module: String,
    /// The text without its test module: tests may look wherever they want.
    code: String,
    whole: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let of = |path: PathBuf| {
        let whole = std::fs::read_to_string(&path).unwrap();
        let code = whole.split("\n#[cfg(test)]\nmod ").next().unwrap().to_owned();
        let relative = path.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<_> = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
        let module = parts.join("::").trim_end_matches("::mod").to_owned();
        Source { path, module, code, whole }
    };
    files_below(&src, ".rs").into_iter().map(of).collect()
}

/// Entry → floor, out of the table in `ARCHITECTURE.md`.
fn floors() -> BTreeMap<String, u8> {
    let page = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).unwrap();
    let section = page.split("## Floors").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut floors = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let Ok(floor) = cells[1].parse() else { continue };
        for entry in cells[3].split_whitespace() {
            floors.insert(entry.trim_matches('`').to_owned(), floor);
        }
    }
    floors
}

/// The entry of the table that a module falls under: the longest that fits.
fn entry_of<'a>(floors: &'a BTreeMap<String, u8>, module: &str) -> Option<(&'a str, u8)> {
    let fits = |entry: &str| match entry.strip_suffix("::*") {
        Some(family) => module.strip_prefix(family).is_some_and(|rest| rest.starts_with("::")),
        None => {
            module == entry
                || module.strip_prefix(entry).is_some_and(|rest| {
                    // A folder named in the table brings its children along, unless `family::*` says otherwise.
                    rest.starts_with("::") && !floors.contains_key(&format!("{entry}::*"))
                })
        }
    };
    let found = floors.iter().filter(|(entry, _)| fits(entry)).max_by_key(|(entry, _)| entry.len());
    found.map(|(entry, floor)| (entry.as_str(), *floor))
}

/// The modules that `code` names by `crate::…`, as far as they are modules.
fn imports(code: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        for path in expand(rest) {
            let mut module = path;
            while !modules.contains(&module) {
                let Some((shorter, _)) = module.rsplit_once("::") else { break };
                module.truncate(shorter.len());
            }
            if modules.contains(&module) {
                found.insert(module);
            }
        }
    }
    found
}

/// The paths that a use tree stands for: `a::{b, c::{d, e}}` is three.
fn expand(tree: &str) -> Vec<String> {
    let path_end = tree.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let (path, rest) = tree.split_at(path_end.unwrap_or(tree.len()));
    let path = path.trim_end_matches(':');
    if !rest.starts_with('{') || !tree[..path_end.unwrap_or(0)].ends_with("::") {
        return vec![path.to_owned()];
    }
    let mut depth = 0;
    let mut start = 1;
    let mut paths = Vec::new();
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || (c == '}' && depth == 0) {
            let branch = rest[start..at].trim();
            paths.extend(expand(branch).into_iter().map(|b| match b.as_str() {
                "self" | "" => path.to_owned(),
                _ => format!("{path}::{b}"),
            }));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    paths
}

/// Of a module on floor 3: the part it belongs to, such as `sink::kafka`.
fn part(entry: &str, module: &str) -> String {
    let depth = if entry.ends_with("::*") && entry != "consumer::*" { 2 } else { 1 };
    module.split("::").take(depth).collect::<Vec<_>>().join("::")
}

#[test]
fn no_module_imports_from_above_its_floor_and_no_part_another_part() {
    let (sources, floors) = (sources(), floors());
    assert!(floors.len() > 20, "the table of floors was not read");
    let modules: BTreeSet<String> = sources.iter().map(|s| s.module.clone()).collect();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|s| s.module != "lib" && s.module != "main") {
        let Some((entry, floor)) = entry_of(&floors, &source.module) else {
            wrong.push(format!("{} is on no floor", source.module));
            continue;
        };
        for target in imports(&source.code, &modules) {
            let Some((target_entry, below)) = entry_of(&floors, &target) else { continue };
            let (own, other) = (part(entry, &source.module), part(target_entry, &target));
            let allowed = match floor {
                3 => below < floor || own == other,
                _ => below <= floor,
            };
            if !allowed {
                wrong.push(format!(
                    "{} (floor {floor}) imports {target} (floor {below})",
                    source.module
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_check_of_floors_notices_an_import_from_above() {
    let modules: BTreeSet<String> = ["a", "a::b", "c"].map(str::to_owned).into();
    let code = "use crate::a::{self, b::{Thing, Other}};\nlet x = crate::c::f();\nxcrate::c";
    assert_eq!(imports(code, &modules).into_iter().collect::<Vec<_>>(), ["a", "a::b", "c"]);
    let floors: BTreeMap<String, u8> =
        [("s".into(), 2), ("s::*".into(), 3), ("s::r".into(), 4)].into();
    let floor = |module| entry_of(&floors, module).map(|(_, floor)| floor);
    assert_eq!(
        [floor("s"), floor("s::x"), floor("s::x::y"), floor("s::r")],
        [Some(2), Some(3), Some(3), Some(4)]
    );
    assert_eq!(part("s::*", "s::x::y"), "s::x");
}

#[test]
fn every_file_says_why_it_exists() {
    let mut files: Vec<_> = sources().into_iter().map(|s| (s.path, s.whole)).collect();
    for path in files_below(&root().join("tests"), ".rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        files.push((path, text));
    }
    let silent: Vec<_> =
        files.iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "no `//!` at the top of {silent:#?}");
}

#[test]
fn no_file_has_a_second_idea_in_it() {
    const LINES_MAX: usize = 520;
    let long: Vec<_> = sources()
        .into_iter()
        .map(|s| (s.code.lines().count(), s.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "more than {LINES_MAX} lines without tests: {long:#?}");
}

#[test]
fn unsafe_code_is_in_two_files_and_no_other() {
    let allowed = ["storage::mmap", "kafka::raw"];
    let lifted = |s: &Source| s.code.contains("allow(unsafe_code") || s.code.contains("unsafe {");
    let outside: Vec<_> = sources()
        .into_iter()
        .filter(|s| lifted(s) && !allowed.iter().any(|module| s.module.starts_with(module)))
        .map(|s| s.path)
        .collect();
    assert!(outside.is_empty(), "{outside:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not contain them.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["for ", "now"], ["unimpl", "emented!"]];
    let words: Vec<String> = words.iter().map(|halves| halves.concat()).collect();
    let mut found = Vec::new();
    let folders = ["src", "tests", "scripts", "grammar", "conf"].map(|f| root().join(f));
    for path in folders.iter().filter(|f| f.is_dir()).flat_map(|f| files_below(f, "")) {
        if path.components().any(|c| c.as_os_str() == "fixtures") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_top_level_is_settled() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "src",
        "grammar",
        "conf",
        "tests",
        "scripts",
    ];
    let extra: Vec<_> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| {
            !name.starts_with('.') && name != "target" && !allowed.contains(&name.as_str())
        })
        .collect();
    assert!(extra.is_empty(), "{extra:?}");
}

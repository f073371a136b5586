//! Conditions turned round: every `if`, guard, predicate and pushed finding of the plan crates, one at a time. Functions that say nothing
//! are made by [`crate::silence`].
//!
//! The deliberate faults beside this file are chosen; these are made by rule, so nobody chose what the tests hold. Each is behind a
//! switch, so one build of a crate's own tests holds all of them. What a line of Rust means is guessed by its shape: one that does not
//! build is left out, and its line said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::mutant::SWITCH;

/// One condition turned round, or one function that says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1 on.
    pub line: usize,
    /// The line as it is, without its indentation.
    pub text: String,
    /// The line with the switch in it.
    turned: String,
}

/// Adapters whose closure says yes or no.
const PREDICATES: [&str; 9] = [
    ".filter(|",
    ".any(|",
    ".all(|",
    ".find(|",
    ".position(|",
    ".retain(|",
    ".is_some_and(|",
    ".is_none_or(|",
    ".take_while(|",
];
/// Lists that a plan or a refusal is made of.
const LISTS: [&str; 6] = [
    "steps", "findings", "reasons", "found", "problems", "blockers",
];

/// The conditions of a file's text, tests left out.
pub fn conditions(file: &Path, text: &str) -> Vec<Condition> {
    each(file, text, turned)
}

/// The lines that a rule changes; it is told of each, and whether that is all that a function says.
pub(crate) fn each(
    file: &Path,
    text: &str,
    rule: impl Fn(&str, bool) -> Option<String>,
) -> Vec<Condition> {
    let mut found = Vec::new();
    // What is constant asks no environment.
    let mut constant: Option<usize> = None;
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let depth = line.len() - trimmed.len();
        if trimmed.starts_with("#[cfg(test)]") {
            break;
        }
        if trimmed.starts_with("//") {
            continue;
        }
        if trimmed.contains("const fn ") {
            constant = Some(depth);
        }
        if constant.is_some() {
            if constant == Some(depth) && trimmed.starts_with('}') {
                constant = None;
            }
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| lines.get(before));
        let after = lines.get(index + 1).map_or("", |line| line.trim());
        let alone = before.is_some_and(|line| line.ends_with("-> bool {")) && after == "}";
        if let Some(turned) = rule(trimmed, alone) {
            found.push(Condition {
                file: file.to_owned(),
                line: index + 1,
                text: trimmed.to_owned(),
                turned: format!("{}{turned}", " ".repeat(depth)),
            });
        }
    }
    found
}

/// The line with `MUTANT` in it, where it has a condition. `alone`: it is all that a function says.
fn turned(line: &str, alone: bool) -> Option<String> {
    let opens = line.strip_suffix(" {");
    for word in ["if ", "} else if "] {
        let condition = opens.and_then(|line| line.strip_prefix(word));
        // One that goes on in a closure's block is not all on this line.
        let whole = |text: &&str| !text.contains("let ") && closing(&format!("{text})")).is_some();
        if let Some(condition) = condition.filter(whole) {
            return Some(format!("{word}({condition}) != MUTANT {{"));
        }
    }
    if let Some((pattern, rest)) = line.split_once(" if ")
        && let Some((guard, arm)) = rest.split_once(" => ")
        && !guard.contains("let ")
        && !pattern.contains(['"', '='])
    {
        return Some(format!("{pattern} if ({guard}) != MUTANT => {arm}"));
    }
    for list in LISTS {
        let call = line.strip_prefix(list).filter(|_| line.ends_with(");"));
        if call.is_some_and(|call| call.starts_with(".push(") || call.starts_with(".extend(")) {
            return Some(format!("if !MUTANT {{ {line} }}"));
        }
    }
    for adapter in PREDICATES {
        let Some((head, rest)) = line.split_once(adapter) else {
            continue;
        };
        let (parameters, body) = rest.split_once("| ")?;
        let end = closing(body)?;
        let (body, tail) = body.split_at(end);
        if body.starts_with('{') {
            return None;
        }
        return Some(format!(
            "{head}{adapter}{parameters}| ({body}) != MUTANT{tail}"
        ));
    }
    (alone && !line.ends_with(['{', ';', ','])).then(|| format!("({line}) != MUTANT"))
}

/// Where the bracket that is open before the text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

/// What each crate's root gets: the environment is asked once, and not at every condition.
const TURNED: &str = "
pub(crate) static TURNED: std::sync::LazyLock<Option<usize>> = std::sync::LazyLock::new(|| std::env::var(SWITCH).ok()?.parse().ok());
";

/// The files that these change, each condition behind the switch that its place in the list names; `crates` are the folders of the
/// crates that they are in.
pub fn apply(
    conditions: &[Condition],
    root: &Path,
    crates: &[&str],
) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut changed: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (number, condition) in conditions.iter().enumerate() {
        if !changed.contains_key(&condition.file) {
            let text = std::fs::read_to_string(root.join(&condition.file))?;
            let lines = text.lines().map(str::to_owned).collect();
            changed.insert(condition.file.clone(), lines);
        }
        let lines = changed.get_mut(&condition.file);
        if let Some(line) = lines.and_then(|lines| lines.get_mut(condition.line - 1)) {
            let switch = format!("(*crate::TURNED == Some({number}))");
            *line = condition.turned.replace("MUTANT", &switch);
        }
    }
    let text = |lines: Vec<String>| lines.join("\n") + "\n";
    let mut changed: BTreeMap<PathBuf, String> = changed
        .into_iter()
        .map(|(file, lines)| (file, text(lines)))
        .collect();
    for folder in crates {
        let file = Path::new(folder).join("lib.rs");
        let text = match changed.remove(&file) {
            Some(text) => text,
            None => std::fs::read_to_string(root.join(&file))?,
        };
        let switch = TURNED.replace("SWITCH", &format!("{SWITCH:?}"));
        changed.insert(file, text + &switch);
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        turned(line, false).unwrap_or_default()
    }

    #[test]
    fn what_decides_is_turned_round() {
        assert_eq!(of("if a && b {"), "if (a && b) != MUTANT {");
        assert_eq!(of("} else if a {"), "} else if (a) != MUTANT {");
        assert_eq!(
            of("Some(x) if x > 1 => y,"),
            "Some(x) if (x > 1) != MUTANT => y,"
        );
        assert_eq!(
            of("list.iter().any(|x| f(x).is_ok()) && c"),
            "list.iter().any(|x| (f(x).is_ok()) != MUTANT) && c"
        );
        assert_eq!(
            of("steps.push(Step::One);"),
            "if !MUTANT { steps.push(Step::One); }"
        );
        assert_eq!(
            turned("self.a == b", true).unwrap(),
            "(self.a == b) != MUTANT"
        );
    }

    #[test]
    fn what_binds_or_goes_on_elsewhere_is_left_alone() {
        for line in [
            "if let Some(x) = y {",
            "if a && let Some(x) = y {",
            "if a.is_some_and(|x| {",
            ".filter(|x| {",
            "let a = 1;",
            "steps.push(",
        ] {
            assert_eq!(of(line), "", "{line}");
        }
        let text = "const fn a(b: u8) -> bool {\n    if b > 1 {\n}\n#[cfg(test)]\nif c {\n";
        assert_eq!(conditions(Path::new("f"), text), []);
    }
}

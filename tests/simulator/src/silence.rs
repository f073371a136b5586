//! Functions that say nothing: every one of the plan crates that gives an option, a list, a map or a text, one at a time, as
//! [`crate::condition`] does it with conditions.

use std::path::Path;

use crate::condition::{Condition, each};

/// What a function gives that says nothing, by how its type begins.
const NOTHING: [(&str, &str); 6] = [
    ("Option<", "None"),
    ("Vec<", "Vec::new()"),
    ("Result<Vec<", "Ok(Vec::new())"),
    ("BTreeSet<", "BTreeSet::new()"),
    ("BTreeMap<", "BTreeMap::new()"),
    ("String {", "String::new()"),
];

/// The functions of a file's text that could say nothing.
pub fn functions(file: &Path, text: &str) -> Vec<Condition> {
    each(file, text, |line, _| silent(line))
}

/// The head of a function with nothing to say in front of its body, where its type has such a value.
fn silent(line: &str) -> Option<String> {
    let (head, given) = line.rsplit_once("-> ")?;
    let function = head.contains("fn ") || head.starts_with(')');
    if !function || head.contains('|') || !line.ends_with(" {") {
        return None;
    }
    let mut kinds = NOTHING.iter();
    let (_, nothing) = kinds.find(|(kind, _)| given.starts_with(kind))?;
    Some(format!("{line} if MUTANT {{ return {nothing}; }}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_gives_is_nothing() {
        assert_eq!(
            silent("fn a(b: &[u8]) -> Option<u8> {").unwrap(),
            "fn a(b: &[u8]) -> Option<u8> { if MUTANT { return None; }"
        );
        assert_eq!(
            silent(") -> Result<Vec<Step>, Refusal> {").unwrap(),
            ") -> Result<Vec<Step>, Refusal> { if MUTANT { return Ok(Vec::new()); }"
        );
        for line in [
            "fn a() -> bool {",
            "fn a() -> Option<u8>;",
            "let a = |b: u8| -> Option<u8> {",
            "fn a(b: u8) {",
            "fn a(b: impl Fn(u8) -> Option<u8>) -> Known<u8> {",
        ] {
            assert_eq!(silent(line), None, "{line}");
        }
    }
}

//! Deliberate faults: edits of the product's source, each behind a switch of its own, made in a copy of the tree.
//!
//! One build of the copy holds all of them, and none is on unless the environment names it. The product itself knows nothing of it.
//! A mutant is a file:
//!
//! ```text
//! # what is wrong with it
//! @ path/of/a/file.rs
//! -the lines as they are, found once in that file
//! +the lines in their place; MUTANT is true where this mutant is on
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// The environment variable that names the mutant that is on.
pub const SWITCH: &str = "HACTL_MUTANT";
/// Stands for the switch in a mutant's file.
const WORD: &str = "MUTANT";
const KIND: &str = "mutant";

/// A deliberate fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The name of its file.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
    edits: Vec<Edit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Edit {
    file: PathBuf,
    from: String,
    to: String,
}

impl Mutant {
    /// Reads a mutant's file.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        let what = lines.next().and_then(|line| line.strip_prefix("# "));
        let what = what.with_context(|| format!("{name} does not begin with what is wrong"))?;
        let (mut file, mut edits) = (None, Vec::<Edit>::new());
        for line in lines {
            let Some((mark, rest)) = line.split_at_checked(1) else {
                bail!("{name} has an empty line");
            };
            match mark {
                "@" => file = Some(PathBuf::from(rest.trim())),
                "-" => {
                    // The first line of the next edit, or one more of this one.
                    if edits.last().is_none_or(|edit| !edit.to.is_empty()) {
                        let file = file.clone().with_context(|| format!("{name}: no file"))?;
                        edits.push(Edit {
                            file,
                            ..Edit::default()
                        });
                    }
                    if let Some(edit) = edits.last_mut() {
                        edit.from = format!("{}{rest}\n", edit.from);
                    }
                }
                "+" => {
                    let edit = edits.last_mut();
                    let edit =
                        edit.with_context(|| format!("{name}: {rest:?} replaces nothing"))?;
                    edit.to = format!("{}{rest}\n", edit.to);
                }
                _ => bail!("{name} has a line that is no edit: {line:?}"),
            }
        }
        let switched = edits
            .iter()
            .all(|edit| edit.to.contains(WORD) || edits.len() > 1);
        ensure!(!edits.is_empty() && switched, "{name} changes nothing");
        Ok(Self {
            name: name.to_owned(),
            what: what.to_owned(),
            edits,
        })
    }

    /// Those in a folder, by name.
    pub fn all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let mut found = Vec::new();
        let entries = std::fs::read_dir(folder);
        for entry in entries.with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == KIND) {
                let text = std::fs::read_to_string(&path)?;
                let name = path.file_stem().and_then(|name| name.to_str());
                found.push(Self::parse(name.unwrap_or_default(), &text)?);
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn switch(&self) -> String {
        let name = &self.name;
        format!("(std::env::var_os(\"{SWITCH}\").is_some_and(|on| on == \"{name}\"))")
    }
}

/// The files that all these change, with all of them in, each behind its switch. A mutant that no longer fits is an error: it must
/// not rot.
pub fn apply(mutants: &[Mutant], root: &Path) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut changed: BTreeMap<PathBuf, String> = BTreeMap::new();
    for mutant in mutants {
        for edit in &mutant.edits {
            let text = match changed.get(&edit.file) {
                Some(text) => text.clone(),
                None => std::fs::read_to_string(root.join(&edit.file))
                    .with_context(|| format!("read {} for {}", edit.file.display(), mutant.name))?,
            };
            let found = text.matches(&edit.from).count();
            ensure!(
                found == 1,
                "{} does not fit: {} has {found} times\n{}",
                mutant.name,
                edit.file.display(),
                edit.from
            );
            let to = edit.to.replace(WORD, &mutant.switch());
            changed.insert(edit.file.clone(), text.replacen(&edit.from, &to, 1));
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_fits_the_code_as_it_is() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mutants = Mutant::all(&here.join("mutants")).unwrap();
        assert!(mutants.len() > 20);
        let changed = apply(&mutants, &here.join("../..")).unwrap();
        for mutant in &mutants {
            let switch = mutant.switch();
            assert!(changed.values().any(|text| text.contains(&switch)));
        }
    }

    #[test]
    fn what_is_no_mutant_is_refused() {
        for text in [
            "",
            "no word of what is wrong\n",
            "# nothing\n",
            "# no file\n-a\n+MUTANT\n",
            "# no switch\n@ f\n-a\n+b\n",
            "# replaces nothing\n@ f\n+MUTANT\n",
            "# an odd line\n@ f\n a\n",
        ] {
            assert!(Mutant::parse("odd", text).is_err(), "{text:?}");
        }
        let two = Mutant::parse("two", "# two\n@ f\n-a\n+MUTANT\n-b\n-c\n+d\n").unwrap();
        assert_eq!(two.edits.len(), 2);
        assert_eq!(two.edits[1].from, "b\nc\n");
    }
}

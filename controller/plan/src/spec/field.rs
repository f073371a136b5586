//! Taking fields out of the tree: types, what is missing, what is not known.

use std::str::FromStr;

use super::document::{Content, Entry, Node};
use super::position::{Located, Position};
use super::problem::Problems;
use super::suggest;

/// A part of the document with its path.
#[derive(Debug, Clone)]
pub(crate) struct Value<'n> {
    node: &'n Node,
    at: Position,
    path: String,
}

/// A mapping whose field names were checked.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    at: Position,
    path: String,
    entries: &'n [Entry],
}

impl<'n> Value<'n> {
    /// The document itself.
    pub(crate) fn root(node: &'n Node) -> Self {
        Self {
            node,
            at: node.at,
            path: String::new(),
        }
    }

    fn of(entry: &'n Entry, parent: &str) -> Self {
        // An empty value has no place of its own that an operator would recognise.
        let at = if matches!(entry.value.content, Content::Null) {
            entry.key_at
        } else {
            entry.value.at
        };
        Self {
            node: &entry.value,
            at,
            path: join(parent, &entry.key),
        }
    }

    pub(crate) fn at(&self) -> Position {
        self.at
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn content(&self) -> &'n Content {
        &self.node.content
    }

    /// With this place and path.
    pub(crate) fn locate<T>(&self, value: T) -> Located<T> {
        Located {
            at: self.at,
            path: self.path.clone(),
            value,
        }
    }

    /// A text; `wanted` says what, as "a name such as cp1".
    pub(crate) fn text(&self, wanted: &str, problems: &mut Problems) -> Option<&'n str> {
        match &self.node.content {
            Content::Scalar { text, .. } => Some(text),
            _ => self.wrong_type(wanted, problems),
        }
    }

    /// A text that parses; the reason of a failure is the parser's.
    pub(crate) fn parse<T: FromStr<Err: std::fmt::Display>>(
        &self,
        wanted: &str,
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(wanted, problems)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(
                    format!("{text:?} cannot be used"),
                    format!("{error}"),
                    format!("give {wanted}"),
                    problems,
                );
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        match &self.node.content {
            Content::Scalar { text, plain: true }
                if matches!(text.as_str(), "true" | "True" | "TRUE") =>
            {
                Some(true)
            }
            Content::Scalar { text, plain: true }
                if matches!(text.as_str(), "false" | "False" | "FALSE") =>
            {
                Some(false)
            }
            _ => self.wrong_type("true or false, without quotes", problems),
        }
    }

    /// One of a few words.
    pub(crate) fn choice(
        &self,
        words: &'static [&'static str],
        problems: &mut Problems,
    ) -> Option<&'static str> {
        let wanted = words.join(" or ");
        let text = self.text(&wanted, problems)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let remedy = match suggest::nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("write {wanted}"),
            };
            let what = format!("{:?} is not known", shortened(text));
            self.error(what, format!("this field takes {wanted}"), remedy, problems);
        }
        found
    }

    /// A whole number between the two, both included.
    pub(crate) fn integer<T: TryFrom<u64>>(
        &self,
        least: u64,
        most: u64,
        problems: &mut Problems,
    ) -> Option<T> {
        let number = match &self.node.content {
            Content::Scalar { text, plain: true } => text.parse::<u64>().ok(),
            _ => None,
        };
        let fits = number
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok());
        fits.or_else(|| {
            self.wrong_type(&format!("a whole number from {least} to {most}"), problems)
        })
    }

    /// The items of a list.
    pub(crate) fn list(&self, wanted: &str, problems: &mut Problems) -> Option<Vec<Value<'n>>> {
        match &self.node.content {
            Content::List(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, node)| Value {
                        node,
                        at: node.at,
                        path: format!("{}[{at}]", self.path),
                    })
                    .collect(),
            ),
            _ => self.wrong_type(wanted, problems),
        }
    }

    /// The items of a list, or the one thing that stands where a list of one could.
    pub(crate) fn one_or_more(
        &self,
        wanted: &str,
        problems: &mut Problems,
    ) -> Option<Vec<Value<'n>>> {
        match &self.node.content {
            Content::Scalar { .. } => Some(vec![self.clone()]),
            _ => self.list(wanted, problems),
        }
    }

    /// The entries of a mapping whose names are the operator's own.
    pub(crate) fn entries(
        &self,
        wanted: &str,
        problems: &mut Problems,
    ) -> Option<Vec<(Located<&'n str>, Value<'n>)>> {
        let Content::Map(entries) = &self.node.content else {
            return self.wrong_type(wanted, problems);
        };
        let named = |entry: &'n Entry| {
            let value = Value::of(entry, &self.path);
            (
                Located {
                    at: entry.key_at,
                    path: value.path.clone(),
                    value: entry.key.as_str(),
                },
                value,
            )
        };
        Some(entries.iter().map(named).collect())
    }

    /// Says that this value cannot be used.
    pub(crate) fn error(
        &self,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
        problems: &mut Problems,
    ) {
        problems.error(self.at, &self.path, what, why, remedy);
    }

    fn wrong_type<T>(&self, wanted: &str, problems: &mut Problems) -> Option<T> {
        let what = match &self.node.content {
            Content::Broken => return None,
            Content::Null => "has no value".to_owned(),
            Content::Scalar { text, plain } => {
                let quoted = if *plain { "" } else { " in quotes" };
                format!(
                    "{:?}{quoted} is of the wrong type or out of range",
                    shortened(text)
                )
            }
            Content::List(_) => "is a list".to_owned(),
            Content::Map(_) => "is a mapping".to_owned(),
        };
        let remedy = match &self.node.content {
            Content::Null => format!("give {wanted}, or remove the field"),
            _ => format!("give {wanted}"),
        };
        self.error(what, format!("this field takes {wanted}"), remedy, problems);
        None
    }
}

impl<'n> Fields<'n> {
    /// The value as a mapping; names that are not known are reported.
    pub(crate) fn open(value: &Value<'n>, known: &[&str], problems: &mut Problems) -> Option<Self> {
        let wanted = format!("a mapping with {}", known.join(", "));
        let Content::Map(entries) = &value.node.content else {
            return value.wrong_type(&wanted, problems);
        };
        for entry in entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            let remedy = match suggest::nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "remove it, or look docs/spec.md up".to_owned(),
            };
            let what = format!("unknown field {:?}", shortened(&entry.key));
            let why = format!("known here: {}", known.join(", "));
            problems.error(entry.key_at, &value.path, what, why, remedy);
        }
        Some(Self {
            at: value.at,
            path: value.path.clone(),
            entries,
        })
    }

    /// The field, if it is given.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        Some(Value::of(entry, &self.path))
    }

    /// The field; reported when it is missing, with what it is for.
    pub(crate) fn require(
        &self,
        name: &str,
        why: &str,
        problems: &mut Problems,
    ) -> Option<Value<'n>> {
        let found = self.get(name);
        if found.is_none() {
            let what = format!("field {name:?} is missing");
            let remedy = format!("add {}", join(&self.path, name));
            problems.error(self.at, &self.path, what, why, remedy);
        }
        found
    }

    /// Reports the fields among these that are given though they mean nothing here.
    pub(crate) fn forbid(&self, names: &[&str], why: &str, problems: &mut Problems) {
        for value in names.iter().filter_map(|name| self.get(name)) {
            value.error("means nothing here", why, "remove it", problems);
        }
    }

    pub(crate) fn at(&self) -> Position {
        self.at
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

fn join(parent: &str, name: &str) -> String {
    // A key is the operator's own text; what it does to a terminal is not.
    let name: String = shortened(name).escape_debug().collect();
    if parent.is_empty() {
        name
    } else {
        format!("{parent}.{name}")
    }
}

/// At most 60 characters, so that a message stays one line.
fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(60).chain(['…']).collect()
}

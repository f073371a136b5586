//! A YAML text as a tree that knows where each part was written.
//!
//! Built from events on an explicit stack, with bounds on size and depth. Anchors, aliases and tags are refused: a spec
//! needs none, and without them a small file stays a small tree.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::SIZE_LIMIT;
use super::position::Position;
use super::problem::Problems;

/// How deep mappings and lists may be nested: a spec needs 5, a KubeletConfiguration a few more.
const DEPTH_LIMIT: usize = 32;

/// A part of the document.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) content: Content,
}

/// What a part is.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// A text; `plain` when written without quotes, so that it may also be a number or a truth value.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file; keys are unique.
    Map(Vec<Entry>),
    /// Something that was reported already.
    Broken,
}

/// One `key: value`.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key_at: Position,
    pub(crate) key: String,
    pub(crate) value: Node,
}

/// The document's root, or `None` after having said why there is none.
pub(crate) fn parse(bytes: &[u8], problems: &mut Problems) -> Option<Node> {
    let text = decode(bytes, problems)?;
    let mut tree = Tree {
        open: Vec::new(),
        root: None,
        documents: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if !tree.accept(event, span, problems) {
                    break;
                }
            }
            Err(error) => {
                syntax(text, &error, problems);
                return None;
            }
        }
    }
    match tree.root {
        Some(Node {
            content: Content::Null,
            ..
        })
        | None => {
            if !problems.refuse() {
                empty(problems);
            }
            None
        }
        root => root,
    }
}

fn decode<'a>(bytes: &'a [u8], problems: &mut Problems) -> Option<&'a str> {
    if bytes.len() > SIZE_LIMIT {
        problems.error(
            Position::START,
            "",
            format!("the file has {} bytes", bytes.len()),
            format!("a spec of more than {SIZE_LIMIT} bytes is surely another file"),
            "name the cluster's spec; a pod network's manifest goes in a file of its own",
        );
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            problems.error(
                end_of(&before),
                "",
                format!("byte {:#04x} is not UTF-8", bytes[error.valid_up_to()]),
                "a spec is a YAML text in UTF-8",
                "save the file as UTF-8, or check that it is a text at all",
            );
            return None;
        }
    };
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}

fn empty(problems: &mut Problems) {
    problems.error(
        Position::START,
        "",
        "the file holds nothing",
        "a cluster is made from what its spec says",
        "start from one of the worked examples in docs/examples",
    );
}

fn syntax(text: &str, error: &ScanError, problems: &mut Problems) {
    let at = position(error.marker());
    let line = text
        .lines()
        .nth(at.line.saturating_sub(1))
        .unwrap_or_default();
    let indent = line.chars().take_while(|c| c.is_whitespace());
    if let Some(tab) = indent.into_iter().position(|c| c == '\t') {
        let at = Position {
            line: at.line,
            column: tab + 1,
        };
        problems.error(
            at,
            "",
            "the line is indented with a tab",
            "YAML allows spaces only for indentation",
            "replace the tab with spaces",
        );
        return;
    }
    problems.error(
        at,
        "",
        format!("not YAML: {}", error.info()),
        "nothing after this place can be read",
        "correct the syntax here or just above: indentation, a missing ':', quotes or brackets",
    );
}

fn position(marker: &saphyr_parser::Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

/// A list or mapping that is not closed yet.
enum Open {
    List {
        at: Position,
        items: Vec<Node>,
    },
    Map {
        at: Position,
        entries: Vec<Entry>,
        first: BTreeMap<String, Position>,
        key: Option<(Position, Option<String>)>,
    },
}

struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Tree {
    /// Takes one event; false when reading on makes no sense, and what is whole so far is the document.
    fn accept(&mut self, event: Event<'_>, span: Span, problems: &mut Problems) -> bool {
        let at = position(&span.start);
        match event {
            Event::DocumentStart(_) => return self.document(at, problems),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_marks(at, anchor, tag.as_ref(), problems);
                self.put(
                    Node {
                        at,
                        content: scalar(&text, style),
                    },
                    problems,
                );
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_marks(at, anchor, tag.as_ref(), problems);
                self.open.push(Open::List {
                    at,
                    items: Vec::new(),
                });
                return self.fits(at, problems);
            }
            Event::MappingStart(anchor, tag) => {
                refuse_marks(at, anchor, tag.as_ref(), problems);
                self.open.push(Open::Map {
                    at,
                    entries: Vec::new(),
                    first: BTreeMap::new(),
                    key: None,
                });
                return self.fits(at, problems);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(problems),
            Event::Alias(_) => {
                refuse_alias(at, problems);
                self.put(
                    Node {
                        at,
                        content: Content::Broken,
                    },
                    problems,
                );
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn document(&mut self, at: Position, problems: &mut Problems) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            problems.error(
                at,
                "",
                "a second document starts here",
                "one file describes one cluster; what follows would be ignored",
                "keep one document and move the other to a file of its own",
            );
        }
        self.documents == 1
    }

    fn fits(&self, at: Position, problems: &mut Problems) -> bool {
        let fits = self.open.len() <= DEPTH_LIMIT;
        if !fits {
            problems.error(
                at,
                "",
                format!("nested more than {DEPTH_LIMIT} deep"),
                "no field of a spec is that deep; reading on could exhaust memory",
                "correct the indentation or the brackets",
            );
        }
        fits
    }

    fn close(&mut self, problems: &mut Problems) {
        let node = match self.open.pop() {
            Some(Open::List { at, items }) => Node {
                at,
                content: Content::List(items),
            },
            Some(Open::Map { at, entries, .. }) => Node {
                at,
                content: Content::Map(entries),
            },
            None => return,
        };
        self.put(node, problems);
    }

    fn put(&mut self, node: Node, problems: &mut Problems) {
        match self.open.last_mut() {
            None => self.root = self.root.take().or(Some(node)),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map {
                entries,
                first,
                key,
                ..
            }) => match key.take() {
                None => *key = Some((node.at, name_of(&node, first, problems))),
                Some((key_at, Some(key))) => entries.push(Entry {
                    key_at,
                    key,
                    value: node,
                }),
                Some((_, None)) => {}
            },
        }
    }
}

/// The key's text; `None` when the entry is to be left out, which was said then.
fn name_of(
    node: &Node,
    first: &mut BTreeMap<String, Position>,
    problems: &mut Problems,
) -> Option<String> {
    let Content::Scalar { text, .. } = &node.content else {
        problems.error(
            node.at,
            "",
            "a key is not a plain word",
            "every field of a spec has a name",
            "write name: value",
        );
        return None;
    };
    if let Some(earlier) = first.get(text) {
        problems.error(
            node.at,
            "",
            format!("{text:?} is given a second time"),
            format!(
                "it is given at line {} already, and only one of the two can hold",
                earlier.line
            ),
            "remove one of them",
        );
        return None;
    }
    first.insert(text.clone(), node.at);
    Some(text.clone())
}

fn scalar(text: &str, style: ScalarStyle) -> Content {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Content::Null;
    }
    Content::Scalar {
        text: text.to_owned(),
        plain,
    }
}

fn refuse_marks(at: Position, anchor: usize, tag: Option<&Cow<'_, Tag>>, problems: &mut Problems) {
    if anchor != 0 {
        refuse_alias(at, problems);
    }
    if let Some(tag) = tag {
        problems.error(
            at,
            "",
            format!("the tag {}{} is not read", tag.handle, tag.suffix),
            "each field has one type already",
            "remove the tag; put quotes around what is to be a text",
        );
    }
}

fn refuse_alias(at: Position, problems: &mut Problems) {
    problems.error(
        at,
        "",
        "anchors (&) and aliases (*) are not read",
        "a spec must say each thing where it stands, and an alias can blow a small file up without bound",
        "write the value out",
    );
}

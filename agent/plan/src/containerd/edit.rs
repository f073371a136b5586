//! Writes the keys that matter into the file where they count, and nothing else.
//!
//! That nothing else changed is proved for each edit, not believed: old and new text may differ in one place only, and what
//! stood there must be the key's own line.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::read::Config;
use super::{CRI_PLUGINS, ConfigError, CriWanted, Schema, read};
use crate::facts::machine::TextFile;
use crate::facts::machine::containerd::{CONTAINERD_CONFIG, ContainerdVersion};
use crate::step::machine::{EditedFile, FileEdit};

/// The runtime type of runc. containerd 1.x forgets its default when a file names the runtime at all.
const RUNC_TYPE: &str = "io.containerd.runc.v2";

/// The edits after which containerd has what Kubernetes wants; empty where it has it already.
pub fn mend(
    files: &[TextFile],
    version: ContainerdVersion,
    wanted: &CriWanted,
) -> Result<Vec<FileEdit>, ConfigError> {
    let mut edited = if files.is_empty() {
        vec![new_file(version)]
    } else {
        files.to_vec()
    };
    for file in &mut edited {
        enable_cri(file)?;
    }
    set_version(&mut edited[0])?;
    set_keys(&mut edited, version, wanted)?;
    let after = read(&edited, version)?;
    if !after.suits(wanted) {
        return Err(ConfigError::Shape {
            path: edited[0].path.clone(),
            reason: "the keys would not count where hactl would write them".to_owned(),
        });
    }
    let edits = edited
        .into_iter()
        .enumerate()
        .map(|(at, file)| FileEdit {
            file: EditedFile::Containerd,
            path: file.path,
            before: files.get(at).map(|old| old.text.clone()),
            after: file.text,
            mode: file.mode,
        })
        .filter(|edit| edit.before.as_ref() != Some(&edit.after))
        .collect();
    Ok(edits)
}

impl super::Reading {
    /// Whether it is what Kubernetes wants.
    pub fn suits(&self, wanted: &CriWanted) -> bool {
        self.disabled.is_empty()
            && self
                .systemd_cgroup
                .iter()
                .all(|(_, on)| *on == wanted.systemd_cgroup)
            && (wanted.pause_image.is_none() || self.pause_image == wanted.pause_image)
    }
}

fn new_file(version: ContainerdVersion) -> TextFile {
    TextFile {
        path: CONTAINERD_CONFIG.to_owned(),
        text: format!(
            "# Written by hactl; keys that are not here have containerd's defaults.\nversion = {}\n",
            Schema::for_version(version).number()
        ),
        mode: 0o644,
    }
}

/// A main file without a version gets one, on a line of its own above everything.
fn set_version(main: &mut TextFile) -> Result<(), ConfigError> {
    let doc = super::parse(&main.path, &main.text)?;
    if doc.get("version").is_none() {
        let schema = Schema::of(&main.path, &doc, None)?;
        let end = if main.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        main.text = format!("version = {}{end}{}", schema.number(), main.text);
    }
    Ok(())
}

/// Takes CRI out of the disabled plugins.
fn enable_cri(file: &mut TextFile) -> Result<(), ConfigError> {
    edit(file, "disabled_plugins", |doc| {
        let Some(list) = doc.get_mut("disabled_plugins").and_then(Item::as_array_mut) else {
            return Ok(());
        };
        let is_cri = |value: &Value| {
            value
                .as_str()
                .is_some_and(|name| CRI_PLUGINS.contains(&name))
        };
        if list.iter().any(is_cri) {
            list.retain(|value| !is_cri(value));
            // The first that is left has the decor of a later one.
            if let Some(first) = list.get_mut(0)
                && !first
                    .decor()
                    .prefix()
                    .and_then(|p| p.as_str())
                    .unwrap_or("")
                    .contains('\n')
            {
                first.decor_mut().set_prefix("");
            }
        }
        Ok(())
    })
}

fn set_keys(
    files: &mut [TextFile],
    version: ContainerdVersion,
    wanted: &CriWanted,
) -> Result<(), ConfigError> {
    let config = Config::parse(files, version)?;
    let reading = read(files, version)?;
    let runtime_at = config.owner(Schema::runtime_plugin);
    let pause_at = config.owner(|schema| schema.pause_path()[0]);
    for (runtime, on) in &reading.systemd_cgroup {
        if *on == wanted.systemd_cgroup {
            continue;
        }
        let schema = config.files[runtime_at].1;
        let base = [
            schema.runtime_plugin(),
            "containerd",
            "runtimes",
            runtime.as_str(),
        ];
        let file = &mut files[runtime_at];
        edit(file, "runtime_type", |doc| {
            let typed = lookup(doc, &base).is_some_and(|item| item.get("runtime_type").is_some());
            if typed || runtime != "runc" {
                return Ok(());
            }
            set(
                doc,
                &[&base[..], &["runtime_type"]].concat(),
                RUNC_TYPE.into(),
            )
        })?;
        let path = [&base[..], &["options", "SystemdCgroup"]].concat();
        edit(file, "SystemdCgroup", |doc| {
            set(doc, &path, wanted.systemd_cgroup.into())
        })?;
    }
    if let Some(image) = &wanted.pause_image
        && reading.pause_image.as_ref() != Some(image)
    {
        let path = config.files[pause_at].1.pause_path();
        let key = path.last().copied().unwrap_or_default();
        edit(&mut files[pause_at], key, |doc| {
            set(doc, path, image.into())
        })?;
    }
    Ok(())
}

/// Applies a change to a file, and proves that it changed nothing else.
fn edit(
    file: &mut TextFile,
    key: &str,
    change: impl FnOnce(&mut DocumentMut) -> Result<(), String>,
) -> Result<(), ConfigError> {
    let shape = |reason: String| ConfigError::Shape {
        path: file.path.clone(),
        reason,
    };
    // The editor writes line ends of one kind; the file keeps its own.
    let crlf = file.text.contains("\r\n");
    let plain = if crlf {
        file.text.replace("\r\n", "\n")
    } else {
        file.text.clone()
    };
    let mut doc = super::parse(&file.path, &plain)?;
    if doc.to_string() != plain || (crlf && plain.replace('\n', "\r\n") != file.text) {
        return Err(shape("its spelling would change".to_owned()));
    }
    change(&mut doc).map_err(shape)?;
    let after = doc.to_string();
    if !keeps_other_lines(&plain, &after, key) {
        return Err(shape("other lines would change".to_owned()));
    }
    file.text = if crlf {
        after.replace('\n', "\r\n")
    } else {
        after
    };
    Ok(())
}

/// Whether the two texts differ in one place only, and what was there before is the key's own: its line, or nothing. A list
/// may span several lines, the first of which names it.
fn keeps_other_lines(before: &str, after: &str, key: &str) -> bool {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same =
        |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let gone = &old[head..old.len() - tail];
    gone.first()
        .is_none_or(|line| line.trim_start().starts_with(key))
}

fn lookup<'a>(doc: &'a DocumentMut, path: &[&str]) -> Option<&'a Item> {
    let mut item = doc.get("plugins")?;
    for key in path {
        item = item.as_table_like()?.get(key)?;
    }
    Some(item)
}

/// Sets a value at a path below `plugins`, making tables on the way and keeping the look of what is there.
fn set(doc: &mut DocumentMut, path: &[&str], mut value: Value) -> Result<(), String> {
    let (last, tables) = path.split_last().ok_or("no key was given")?;
    if !doc.contains_key("plugins") {
        doc.insert("plugins", implicit_table());
    }
    let mut item = doc.get_mut("plugins").ok_or("plugins can't be made")?;
    for key in tables {
        let table = item
            .as_table_like_mut()
            .ok_or_else(|| format!("{key} is below no table"))?;
        if !table.contains_key(key) {
            table.insert(key, implicit_table());
        }
        item = table
            .get_mut(key)
            .ok_or_else(|| format!("{key} can't be made"))?;
    }
    let below_header = below_header(item);
    if let Some(table) = item.as_table_mut() {
        table.set_implicit(false);
    }
    let table = item
        .as_table_like_mut()
        .ok_or_else(|| format!("{last} is below no table"))?;
    if let Some(old) = table.get_mut(last).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return Ok(());
    }
    let indent = indentation(table).unwrap_or(below_header);
    table.insert(last, Item::Value(value));
    if let Some(mut key) = table.key_mut(last) {
        key.leaf_decor_mut().set_prefix(indent);
    }
    Ok(())
}

/// A table without a header of its own, until it gets a key.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

/// How the table's keys are indented: the blanks before its first one.
fn indentation(table: &dyn TableLike) -> Option<String> {
    let (first, _) = table.iter().next()?;
    blanks(table.key(first)?.leaf_decor())
}

/// How keys of a table without any are indented: a step more than its header.
fn below_header(item: &Item) -> String {
    let header = item.as_table().and_then(|table| blanks(table.decor()));
    header
        .filter(|blanks| !blanks.is_empty())
        .map_or_else(String::new, |blanks| blanks + "  ")
}

/// The blanks on the line that the decor ends in.
fn blanks(decor: &toml_edit::Decor) -> Option<String> {
    let blanks = decor.prefix()?.as_str()?.rsplit('\n').next()?;
    blanks.trim().is_empty().then(|| blanks.to_owned())
}

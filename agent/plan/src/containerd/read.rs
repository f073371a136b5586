//! Reads the keys that matter, as containerd itself would after merging its files.

use toml_edit::{DocumentMut, Item, TableLike};

use super::{CRI_PLUGINS, ConfigError, Schema, listed, parse};
use crate::facts::machine::TextFile;
use crate::facts::machine::containerd::ContainerdVersion;

/// The runtime that containerd has by default.
const RUNC: &str = "runc";

/// The keys that matter, as containerd sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Plugins of CRI that are switched off, as the files name them.
    pub disabled: Vec<String>,
    /// `SystemdCgroup` of each runtime that pods get by default, by the runtime's name; containerd's default is false.
    pub systemd_cgroup: Vec<(String, bool)>,
    /// The pause image; `None`: containerd's own default.
    pub pause_image: Option<String>,
}

/// The files, parsed, with what each is.
pub(super) struct Config {
    /// The main file first.
    pub(super) files: Vec<(DocumentMut, Schema)>,
    /// Whether a plugin's section of a later file replaces that of an earlier one whole (containerd 1.x).
    pub(super) whole_sections: bool,
}

/// Reads the keys that matter from the files, in the order in which containerd merges them.
pub fn read(files: &[TextFile], version: ContainerdVersion) -> Result<Reading, ConfigError> {
    let config = Config::parse(files, version)?;
    Ok(Reading {
        disabled: config.disabled(),
        systemd_cgroup: config
            .runtimes()
            .into_iter()
            .map(|runtime| {
                let on = config.systemd_cgroup(&runtime).and_then(Item::as_bool);
                (runtime, on.unwrap_or(false))
            })
            .collect(),
        pause_image: config
            .find(Schema::pause_path)
            .and_then(Item::as_str)
            .map(str::to_owned),
    })
}

impl Config {
    /// Parses all files; one that is wrong fails the whole, since containerd would not start either.
    pub(super) fn parse(
        files: &[TextFile],
        version: ContainerdVersion,
    ) -> Result<Self, ConfigError> {
        let mut parsed: Vec<(DocumentMut, Schema)> = Vec::new();
        for file in files {
            let doc = parse(&file.path, &file.text)?;
            let main = parsed.first().map(|(_, schema)| *schema);
            let schema = Schema::of(&file.path, &doc, main)?;
            parsed.push((doc, schema));
        }
        Ok(Self {
            files: parsed,
            whole_sections: version.major < 2,
        })
    }

    /// Disabled plugins of all files: containerd joins the lists.
    fn disabled(&self) -> Vec<String> {
        self.files
            .iter()
            .flat_map(|(doc, _)| listed(doc, "disabled_plugins"))
            .filter(|plugin| CRI_PLUGINS.contains(plugin))
            .map(str::to_owned)
            .collect()
    }

    /// The runtimes whose driver matters: runc, and whichever is the default.
    pub(super) fn runtimes(&self) -> Vec<String> {
        let default = self
            .find_below(|schema| {
                vec![
                    schema.runtime_plugin(),
                    "containerd",
                    "default_runtime_name",
                ]
            })
            .and_then(Item::as_str)
            .filter(|name| !name.is_empty() && *name != RUNC);
        std::iter::once(RUNC)
            .chain(default)
            .map(str::to_owned)
            .collect()
    }

    fn systemd_cgroup(&self, runtime: &str) -> Option<&Item> {
        self.find_below(|schema| {
            vec![
                schema.runtime_plugin(),
                "containerd",
                "runtimes",
                runtime,
                "options",
                "SystemdCgroup",
            ]
        })
    }

    fn find(&self, path: impl Fn(Schema) -> &'static [&'static str]) -> Option<&Item> {
        self.find_below(|schema| path(schema).to_vec())
    }

    /// The item at a path below `plugins`, of the last file that has a word in it.
    fn find_below<'p>(&self, path: impl Fn(Schema) -> Vec<&'p str>) -> Option<&Item> {
        for (doc, schema) in self.files.iter().rev() {
            let path = path(*schema);
            let plugin = below(doc, &path[..1]);
            if let Some(item) = below(doc, &path) {
                return Some(item);
            }
            if plugin.is_some() && self.whole_sections {
                return None;
            }
        }
        None
    }

    /// Which file to write a plugin's key into so that it counts: the last that has the plugin's section, else the main one.
    pub(super) fn owner(&self, plugin: impl Fn(Schema) -> &'static str) -> usize {
        self.files
            .iter()
            .rposition(|(doc, schema)| below(doc, &[plugin(*schema)]).is_some())
            .unwrap_or(0)
    }
}

/// The item at a path below `plugins`, whatever kind of table leads there.
fn below<'a>(doc: &'a DocumentMut, path: &[&str]) -> Option<&'a Item> {
    let mut item = doc.get("plugins")?;
    for key in path {
        item = item
            .as_table_like()
            .and_then(|table: &dyn TableLike| table.get(key))?;
    }
    Some(item)
}

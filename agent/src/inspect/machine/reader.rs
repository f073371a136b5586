//! Reading through the host: every failure becomes a text that says what could not be read and why.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::TextFile;
use hactl_proto::Timestamp;

use super::cache::{Answer, Cache, Key};
use crate::causes::chain;
use crate::host::{Host, HostError, Stamp};

/// Most systems have a few; that many files in one folder of configuration are not read.
const MOST_FILES: usize = 200;
/// A failure may have had a cause that no file tells of: it holds no longer than this.
const FAILURE_KEPT: Duration = Duration::from_mins(1);

/// The host and what is remembered of it.
pub(super) struct Reader<'a, H> {
    pub(super) host: &'a H,
    pub(super) cache: &'a mut Cache,
}

impl<'a, H: Host> Reader<'a, H> {
    pub(super) fn new(host: &'a H, cache: &'a mut Cache) -> Self {
        Self { host, cache }
    }

    /// A file's text; `None` where there is none.
    pub(super) async fn text(&self, path: &str) -> Result<Option<String>, String> {
        match self.host.read(Path::new(path)).await {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| format!("{path} is no UTF-8")),
            Err(error) => Err(unread(&error)),
        }
    }

    /// A file that has to be there and that a parser has to understand.
    pub(super) async fn parsed<T>(
        &self,
        path: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Known<T> {
        match self.text(path).await {
            Ok(Some(text)) => parse(&text).map_or_else(
                || Known::Unknown(format!("{path} is not as expected")),
                Known::Is,
            ),
            Ok(None) => Known::Unknown(format!("there is no {path}")),
            Err(why) => Known::Unknown(why),
        }
    }

    /// Names in a folder; none where there is no folder.
    pub(super) async fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        match self.host.list(Path::new(folder)).await {
            Ok(entries) => Ok(entries
                .unwrap_or_default()
                .into_iter()
                .map(|entry| entry.name)
                .collect()),
            Err(error) => Err(unread(&error)),
        }
    }

    /// The files of a folder of configuration whose names end so, sorted.
    pub(super) async fn files(&self, folder: &str, end: &str) -> Result<Vec<TextFile>, String> {
        let mut files = Vec::new();
        for name in self.names(folder).await?.into_iter().take(MOST_FILES) {
            if !name.ends_with(end) {
                continue;
            }
            if let Some(file) = self.file(&format!("{folder}/{name}")).await? {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// A file with its permission bits.
    pub(super) async fn file(&self, path: &str) -> Result<Option<TextFile>, String> {
        let Some(text) = self.text(path).await? else {
            return Ok(None);
        };
        let mode = self.stamp(path).await?.map_or(0o644, |stamp| stamp.mode);
        Ok(Some(TextFile {
            path: path.to_owned(),
            text,
            mode,
        }))
    }

    pub(super) async fn stamp(&self, path: impl Into<PathBuf>) -> Result<Option<Stamp>, String> {
        self.host
            .stamp(&path.into())
            .await
            .map_err(|error| unread(&error))
    }

    /// Stamps of several files; one that can't be read counts as not there.
    pub(super) async fn stamps(&self, paths: &[&str]) -> Vec<Option<Stamp>> {
        let mut stamps = Vec::with_capacity(paths.len());
        for path in paths {
            stamps.push(self.stamp(*path).await.unwrap_or_default());
        }
        stamps
    }

    /// A command's output, asked again when one of the files or folders changed.
    pub(super) async fn ask_while_unchanged(
        &mut self,
        command: Command,
        files: &[&str],
    ) -> Result<Output, String> {
        let key = Key::Files(self.stamps(files).await);
        self.ask(command, key).await
    }

    /// A command's output, asked again when what is digested changed.
    pub(super) async fn ask_while_equal(
        &mut self,
        command: Command,
        depends: impl Hash,
    ) -> Result<Output, String> {
        let mut hasher = DefaultHasher::new();
        depends.hash(&mut hasher);
        self.ask(command, Key::Digest(hasher.finish())).await
    }

    /// A command's output, asked again after a while; a failed one at once.
    pub(super) async fn ask_each(
        &mut self,
        command: Command,
        every: Duration,
    ) -> Result<Output, String> {
        let line = command.line();
        let now = self.host.now();
        if let Some(Answer { key: Key::Until(end), output, .. }) = self.cache.outputs.get(&line)
            // A clock that was put back would keep the answer for as long.
            && now < *end
            && end.duration_since(now).unsigned_abs() <= every
            && output.success()
        {
            return Ok(output.clone());
        }
        let end = now.saturating_add(every).unwrap_or(now);
        self.ask(command, Key::Until(end)).await
    }

    async fn ask(&mut self, command: Command, key: Key) -> Result<Output, String> {
        let line = command.line();
        let now = self.host.now();
        match self.cache.outputs.get(&line) {
            Some(answer) if answer.key == key && answer.holds(now) => {
                return Ok(answer.output.clone());
            }
            _ => {}
        }
        let output = self
            .host
            .run(&command)
            .await
            .map_err(|error| unread(&error))?;
        let answer = Answer {
            key,
            output: output.clone(),
            at: now,
        };
        self.cache.outputs.insert(line, answer);
        Ok(output)
    }
}

impl Answer {
    fn holds(&self, now: Timestamp) -> bool {
        // A clock that was put back would keep a failure for as long.
        self.output.success()
            || (now >= self.at && now.duration_since(self.at).unsigned_abs() < FAILURE_KEPT)
    }
}

/// Why a fact is unknown.
fn unread(error: &HostError) -> String {
    format!("failed to {}", chain(error))
}

/// The output of a program that has to exit with 0.
pub(super) fn succeeded(line: &str, output: Result<Output, String>) -> Result<String, String> {
    let output = output?;
    if output.success() {
        return Ok(output.stdout);
    }
    let words = output.stderr.lines().rfind(|line| !line.trim().is_empty());
    Err(format!(
        "{line} failed: {}",
        words.unwrap_or("it says nothing")
    ))
}

/// What could be read, or why not.
pub(super) fn known<T>(result: Result<T, String>) -> Known<T> {
    result.map_or_else(Known::Unknown, Known::Is)
}

//! Event logs as files: written where a run went wrong, and stepped through again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::play::Report;
use crate::run::run;

/// What a log's first line begins with.
const HEAD: &str = "# hactl-simulator seed ";

/// The text of a log file.
pub fn file_of(report: &Report) -> String {
    let broken = report.violation.as_ref();
    let broken = broken.map_or_else(|| "no rule was broken".to_owned(), ToString::to_string);
    format!(
        "{HEAD}{}\n# {}\n# {broken}\n{}",
        report.story.seed, report.story, report.log
    )
}

/// Writes the log of a run into a folder; gives the file.
pub fn write(report: &Report, folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let file = folder.join(format!("seed-{}.log", report.story.seed));
    std::fs::write(&file, file_of(report)).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}

/// The seed of a log file.
pub fn seed_of(text: &str) -> anyhow::Result<u64> {
    let head = text.lines().next().unwrap_or_default();
    let seed = head
        .strip_prefix(HEAD)
        .context("this is no log of the simulator")?;
    seed.trim()
        .parse()
        .with_context(|| format!("read the seed {seed:?}"))
}

/// Runs the seed of a log file again; errs where it goes another way than the file tells.
pub fn replay(text: &str) -> anyhow::Result<Report> {
    let report = run(seed_of(text)?, true)?;
    let again = file_of(&report);
    if again == text {
        return Ok(report);
    }
    let lines = text.lines().zip(again.lines()).enumerate();
    let parted = lines.into_iter().find(|(_, (then, now))| then != now);
    match parted {
        Some((number, (then, now))) => bail!(
            "line {}: the log says\n  {then}\nand now it is\n  {now}\nthe code has changed since, or something is left to chance",
            number + 1
        ),
        None => bail!(
            "the log has {} lines and the run {}",
            text.lines().count(),
            again.lines().count()
        ),
    }
}

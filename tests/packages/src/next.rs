//! The same sources under the next minor version, into out/next: what agents are upgraded to in the lab. The version is compiled
//! into the programs, so that a package that only calls itself newer would hold an agent that says otherwise.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::assets::{PACKAGES, Workspace};
use crate::build::{packages, programs, run};

/// Builds the packages, and puts the controller beside them. What cargo's release folder holds after it is the present version.
pub(crate) fn all() -> anyhow::Result<()> {
    let present = Workspace::read(Path::new("."))?;
    let out = present.root.join("out/next");
    let mut next = copy(&present, &out.join("tree"))?;
    // Dependencies are the same: they are built once.
    next.target_directory.clone_from(&present.target_directory);
    let built = programs(&next)
        .and_then(|()| packages(&next, &out))
        .and_then(|()| {
            let controller = next.target_directory.join("release").join(PACKAGES[1]);
            fs::copy(controller, out.join(PACKAGES[1])).context("keep the controller")
        });
    programs(&present)?;
    built.map(drop)
}

/// The tree under its next version. Files keep their times, so that cargo finds built what is.
fn copy(present: &Workspace, into: &Path) -> anyhow::Result<Workspace> {
    if into.exists() {
        fs::remove_dir_all(into)?;
    }
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(&present.root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || ["out", "target"].contains(&name.as_str()) {
            continue;
        }
        run(Command::new("cp")
            .args(["--archive", "--"])
            .arg(entry.path())
            .arg(into))?;
    }
    let now = &present.package(PACKAGES[0])?.version;
    let manifest = into.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let (line, other) = (
        format!("\nversion = \"{now}\"\n"),
        format!("\nversion = \"{}\"\n", after(now)?),
    );
    ensure!(
        text.matches(&line).count() == 1,
        "Cargo.toml does not name the version {now} once"
    );
    fs::write(&manifest, text.replace(&line, &other))?;
    Workspace::read(into)
}

/// The next minor of a version.
fn after(version: &str) -> anyhow::Result<String> {
    let parts: Vec<&str> = version.split('.').collect();
    let [major, minor, _] = parts[..] else {
        anyhow::bail!("{version} is not of three numbers");
    };
    Ok(format!("{major}.{}.0", minor.parse::<u32>()? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version_is_the_next_minors_first() {
        assert_eq!(after("0.1.7").unwrap(), "0.2.0");
        assert_eq!(after("1.9.0").unwrap(), "1.10.0");
        for wrong in ["", "1.2", "1.x.0", "1.2.3.4"] {
            assert!(after(wrong).is_err(), "{wrong}");
        }
    }
}

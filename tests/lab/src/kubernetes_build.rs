//! Builds Kubernetes from Debian's own source package: the one place where registries that any machine reaches hold all of
//! it. It is old (v1.20.2), but it is the real thing. Another patch version is the same tree with another version string:
//! enough to try the mechanics of an upgrade.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::{Cache, name_of, remove, write};
use crate::host;
use crate::kubernetes::{BINARIES, Version};
use crate::program::program;
use crate::progress::stage;

/// Which versions the lab can build.
pub(crate) const BUILT: &str =
    "v1.20.2 (or a patch version near it: the same tree under that name)";
/// The release whose source package it is.
const SUITE: &str = "bookworm";
/// Vendored at 1.0.1, which crashes when compiled by Go 1.18 or newer; Debian's package has 1.0.2.
const REFLECT: &str = "github.com/modern-go/reflect2";

/// Whether the tree can pass for that version.
pub(crate) fn knows(version: Version) -> bool {
    version.major == 1 && version.minor == 20 && (2..10).contains(&version.patch)
}

/// Builds the version's binaries into the folder.
pub(crate) fn build(cache: &Cache, version: Version, into: &Path) -> Result<()> {
    host::install(&host::TO_BUILD)?;
    let source = stage("getting Kubernetes' source package", |_| source(cache))?;
    let what =
        format!("building Kubernetes {version} (some seven minutes on two cores the first time)");
    stage(&what, |_| {
        make(cache, &source, version)?;
        let partial = into.with_file_name(format!("{}.partial", name_of(into)));
        remove(&partial)?;
        remove(into)?;
        fs::create_dir_all(&partial)?;
        for name in BINARIES {
            fs::copy(source.join("_output/bin").join(name), partial.join(name))
                .with_context(|| format!("failed to take {name} from the build"))?;
        }
        fs::rename(&partial, into)?;
        Ok(())
    })
}

fn source(cache: &Cache) -> Result<PathBuf> {
    let key = format!("{SUITE}, {REFLECT} replaced, 1");
    let dir = cache.once("source/kubernetes", &key, |partial| {
        let download = cache.path("source/download");
        remove(&download)?;
        fetch(&download)?;
        let tree = fs::read_dir(&download)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.is_dir() && name_of(path).starts_with("kubernetes-"))
            .context("apt-get source left no folder kubernetes-*")?;
        replace_reflect(&tree)?;
        // Its scripts want to lie in a GOPATH under the name they import themselves by.
        let home = tree.join(".go/src/k8s.io");
        fs::create_dir_all(&home)?;
        symlink("../../..", home.join("kubernetes"))?;
        fs::rename(&tree, partial)?;
        remove(&download)
    })?;
    Ok(dir)
}

/// `apt-get source` with package lists of its own: the host's configuration need not know of sources, and stays as it is.
fn fetch(into: &Path) -> Result<()> {
    fs::create_dir_all(into.join("lists/partial"))?;
    let sources = into.join("sources.list");
    write(
        &sources,
        format!(
            "deb-src [signed-by={}] {} {SUITE} main\n",
            host::KEYRING,
            host::mirror()
        ),
    )?;
    for action in ["update", "source"] {
        let mut apt = program("apt-get")
            .dir(into)
            .arg("-oDir::Etc::sourceparts=-")
            .arg("-oAPT::Sandbox::User=root")
            .arg(format!("-oDir::Etc::sourcelist={}", sources.display()))
            .arg(format!(
                "-oDir::State::lists={}",
                into.join("lists").display()
            ))
            .arg(action)
            .limit(Duration::from_mins(10));
        if action == "source" {
            apt = apt.arg("kubernetes");
        }
        apt.run()?;
    }
    Ok(())
}

fn replace_reflect(tree: &Path) -> Result<()> {
    let vendored = tree.join("vendor").join(REFLECT);
    let is_code = |path: &Path| {
        path.extension()
            .is_some_and(|end| end == "go" || end == "s")
    };
    for old in fs::read_dir(&vendored)?
        .flatten()
        .filter(|entry| is_code(&entry.path()))
    {
        fs::remove_file(old.path())?;
    }
    for new in fs::read_dir(Path::new("/usr/share/gocode/src").join(REFLECT))?.flatten() {
        let name = new.file_name().to_string_lossy().into_owned();
        if is_code(&new.path()) && !name.ends_with("_test.go") {
            fs::copy(new.path(), vendored.join(name))?;
        }
    }
    Ok(())
}

fn make(cache: &Cache, source: &Path, version: Version) -> Result<()> {
    let version_file = cache.path("source/version");
    let Version { major, minor, .. } = version;
    write(
        &version_file,
        format!(
            "KUBE_GIT_COMMIT={:040}\nKUBE_GIT_TREE_STATE=clean\nKUBE_GIT_VERSION={version}\nKUBE_GIT_MAJOR={major}\n\
             KUBE_GIT_MINOR={minor}\n",
            0
        ),
    )?;
    let targets: Vec<String> = BINARIES.iter().map(|name| format!("cmd/{name}")).collect();
    program("make")
        .dir(source)
        .arg(format!("WHAT={}", targets.join(" ")))
        .env("CGO_ENABLED", "0")
        .env("GOPATH", source.join(".go"))
        .env("GOFLAGS", "-mod=vendor")
        .env("GOLDFLAGS", "-s -w")
        .env("KUBE_GIT_VERSION_FILE", &version_file)
        .env("HOME", cache.path("source"))
        .limit(Duration::from_hours(1))
        .log(&cache.path("source/build.log"))
        .run()?;
    Ok(())
}

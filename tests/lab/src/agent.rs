//! hactl on the nodes, put there as an operator would: the package, one bundle, nothing else. And the operator's side: the
//! controller, the spec, what `hactl-controller init` made of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{name_of, remove, write};
use crate::cli::Up;
use crate::disk;
use crate::lab::{Lab, Node};
use crate::machine;
use crate::program::program;
use crate::progress::stage;
use crate::rootfs;
use crate::spec;

/// Where the agent looks for its bundle.
const BUNDLE: &str = "etc/hactl/bundle.json";
/// The folder of the lab that belongs to the operator.
const OPERATOR: &str = "operator";
/// What `hactl-controller init` writes into, below that.
pub(crate) const STATE: &str = "state";
/// The agent's package, below that.
const PACKAGE: &str = "hactl-agent.deb";
/// What dpkg says where another one is at work, as the agent's may be.
const LOCKED: &str = "was locked by another process";
const LOCKED_LIMIT: Duration = Duration::from_mins(1);

/// Makes the bundles: what every node of a lab that isn't bare needs.
pub(crate) fn prepare(lab: &Lab, options: &Up) -> Result<()> {
    let package = options.package.clone().map_or_else(newest_package, Ok)?;
    let controller = options
        .controller
        .clone()
        .map_or_else(newest_controller, Ok)?;
    let dir = operator_folder(lab);
    stage("making the cluster's bundles with hactl-controller", |_| {
        fs::create_dir_all(dir.join("bin"))?;
        fs::copy(&package, dir.join(PACKAGE))
            .with_context(|| format!("failed to take {}", package.display()))?;
        let own = dir.join("bin/hactl-controller");
        fs::copy(&controller, &own)
            .with_context(|| format!("failed to take {}", controller.display()))?;
        let spec = match &options.spec {
            Some(file) => fs::read_to_string(file)
                .with_context(|| format!("failed to read {}", file.display()))?,
            None => spec::cluster(lab),
        };
        write(&dir.join("cluster.yaml"), spec)?;
        remove(&dir.join(STATE))?;
        program(&own)
            .args(["init", "cluster.yaml", "--state", STATE])
            .dir(&dir)
            .limit(Duration::from_mins(1))
            .run()?;
        Ok(())
    })
}

/// Puts package and bundle onto a node's disk.
pub(crate) fn install(lab: &Lab, node: &Node) -> Result<()> {
    if lab.bare {
        return Ok(());
    }
    let (dir, root) = (operator_folder(lab), disk::root(lab.place(), &node.name));
    let bind = format!("--bind-ro={}:/mnt", dir.display());
    rootfs::inside(&root, &[&bind], &["dpkg", "-i", &format!("/mnt/{PACKAGE}")])
        .with_context(|| format!("failed to install the agent's package on {}", node.name))?;
    let bundle = bundle_of(&dir.join(STATE).join("bundles"), &node.name)?;
    let content = fs::read(&bundle)?;
    let place = root.join(BUNDLE);
    write(&place, content)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600))?;
    let folder = place.parent().unwrap_or(&root);
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

/// Installs the package again on a node that is on: to dpkg an upgrade, whatever the agent is doing just then.
pub(crate) fn install_again(lab: &Lab, node: &Node) -> Result<()> {
    install_over(lab, node, &operator_folder(lab).join(PACKAGE))
}

/// Installs a package over the one of a node that is on.
pub(crate) fn install_over(lab: &Lab, node: &Node, package: &Path) -> Result<()> {
    let there = disk::root(lab.place(), &node.name)
        .join("root")
        .join(PACKAGE);
    fs::copy(package, there)?;
    let argv = ["dpkg", "--install", &format!("/root/{PACKAGE}")];
    let end = Instant::now() + LOCKED_LIMIT;
    loop {
        match machine::inside(lab.place(), &node.name, &argv)?.run() {
            Err(error) if error.to_string().contains(LOCKED) && Instant::now() < end => {
                thread::sleep(Duration::from_secs(1));
            }
            ran => {
                return ran.map(drop).with_context(|| {
                    format!("failed to install {} on {}", package.display(), node.name)
                });
            }
        }
    }
}

/// The one file that is called after the node.
fn bundle_of(dir: &Path, node: &str) -> Result<PathBuf> {
    let mut files = fs::read_dir(dir)
        .with_context(|| format!("hactl-controller made no {}", dir.display()))?
        .flatten()
        .map(|entry| entry.path());
    files
        .find(|path| path.file_stem().is_some_and(|stem| stem == node))
        .with_context(|| format!("no bundle for {node} is in {}", dir.display()))
}

/// The folder where the operator's commands run.
pub(crate) fn operator_folder(lab: &Lab) -> PathBuf {
    lab.place().path(OPERATOR)
}

fn newest_package() -> Result<PathBuf> {
    newest_in(&packages_of_the_present()?)
}

/// Where `just package` puts what it makes.
pub(crate) fn packages_of_the_present() -> Result<PathBuf> {
    Ok(repository()?.join("out/packages"))
}

/// The agent's newest package in a folder.
pub(crate) fn newest_in(dir: &Path) -> Result<PathBuf> {
    let fits = |path: &Path| {
        name_of(path).starts_with("hactl-agent") && path.extension().is_some_and(|end| end == "deb")
    };
    let packages = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    newest(packages.filter(|path| fits(path))).with_context(|| {
        format!(
            "no hactl-agent*.deb in {}: `just package` makes it",
            dir.display()
        )
    })
}

/// The controller beside this program, where both were built together, else the newest in the repository's target folder.
fn newest_controller() -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or(repository()?.join("target"), PathBuf::from);
    let beside = std::env::current_exe()?.with_file_name("hactl-controller");
    let built = ["release", "debug"].map(|profile| target.join(profile).join("hactl-controller"));
    newest(built.into_iter().chain([beside])).context(
        "no hactl-controller is built: `cargo build --release -p hactl-controller` makes it",
    )
}

fn newest(paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let dated = paths.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)));
    dated.max().map(|(_, path)| path)
}

/// The repository, wherever in it the lab is called from.
pub(crate) fn repository() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    for dir in here.ancestors() {
        if dir.join("tests/lab").is_dir() {
            return Ok(dir.to_owned());
        }
    }
    ensure!(!here.as_os_str().is_empty(), "there is no current folder");
    bail!(
        "{} is not in hactl's repository: name --package and --controller",
        here.display()
    )
}

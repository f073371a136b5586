//! `hactl-conditions`: do the tests of the plan crates notice when one condition is turned round, or one function says nothing? One build of
//! a copy of the tree with every one behind a switch, then the tests once for each.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use hactl_simulator::condition::{Condition, apply, conditions};
use hactl_simulator::mutant::SWITCH;
use hactl_simulator::scratch::{copy, root, target};
use hactl_simulator::silence::functions;

/// Do the tests of the plan crates notice when one condition is turned round, or one function says nothing?
#[derive(Debug, Parser)]
struct Cli {
    /// Only files with this in their path.
    #[arg(long)]
    only: Option<String>,
    /// No new one after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// The first one, by its number, for a run that goes on with another.
    #[arg(long, default_value_t = 0)]
    from: usize,
}

const CRATES: [&str; 2] = ["agent/plan/src", "controller/plan/src"];
/// The controller's crate uses the agent's, and not the other way round: only its own tests can notice its conditions.
const CONTROLLER: (&str, &str) = ("controller/plan/src", "hactl_cluster_plan");
/// Tests that say nothing for so long hang: that is noticed too.
const LIMIT: Duration = Duration::from_mins(2);
/// Builds: each leaves out what did not build before.
const BUILDS: usize = 5;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let root = root()?;
    let scratch = root.join("out/conditions");
    let mut all = Vec::new();
    for rule in [conditions, functions] {
        for folder in CRATES {
            collect(&root, Path::new(folder), rule, &mut all)?;
        }
    }
    let programs = build(&root, &scratch, &mut all)?;
    // What property tests keep of a failure is kept beside the copy.
    std::env::set_current_dir(scratch.join("tree"))?;
    let programs = quick_first(programs)?;
    let began = Instant::now();
    let (mut noticed, mut survivors, mut next) = (0, 0, None);
    for (number, condition) in all.iter().enumerate().skip(cli.from) {
        let file = condition.file.display().to_string();
        if cli.only.as_ref().is_some_and(|only| !file.contains(only)) {
            continue;
        }
        if cli
            .seconds
            .is_some_and(|limit| began.elapsed().as_secs() > limit)
        {
            next = Some(number);
            break;
        }
        let can_notice = |program: &&PathBuf| {
            !file.starts_with(CONTROLLER.0) || program.display().to_string().contains(CONTROLLER.1)
        };
        let mut all_pass = true;
        for program in programs.iter().filter(can_notice) {
            all_pass = all_pass && passes(program, Some(number))?;
        }
        if all_pass {
            survivors += 1;
            println!("{file}:{}: {}", condition.line, condition.text);
        } else {
            noticed += 1;
        }
    }
    println!(
        "conditions: {noticed} of {} noticed, {survivors} not",
        noticed + survivors
    );
    if let Some(next) = next {
        println!("{} are left: --from {next}", all.len() - next);
    }
    Ok(ExitCode::SUCCESS)
}

fn collect(
    root: &Path,
    folder: &Path,
    rule: fn(&Path, &str) -> Vec<Condition>,
    all: &mut Vec<Condition>,
) -> anyhow::Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(root.join(folder))? {
        entries.push(folder.join(entry?.file_name()));
    }
    entries.sort();
    for path in entries {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if ["tests", "example", "samples"].contains(&name) {
            continue;
        }
        if root.join(&path).is_dir() {
            collect(root, &path, rule, all)?;
        } else {
            let text = std::fs::read_to_string(root.join(&path))?;
            all.extend(rule(&path, &text));
        }
    }
    Ok(())
}

/// Builds the tests of the copy; gives the programs. What does not build is left out.
fn build(root: &Path, scratch: &Path, all: &mut Vec<Condition>) -> anyhow::Result<Vec<PathBuf>> {
    let mut words = String::new();
    for _ in 0..BUILDS {
        copy(root, &scratch.join("tree"), &apply(all, root, &CRATES)?)?;
        let built = Command::new("cargo")
            .args(["test", "--no-run", "--message-format=short"])
            .args(["--profile", "measure"])
            .args(["-p", "hactl-node-plan", "-p", "hactl-cluster-plan"])
            .env("CARGO_TARGET_DIR", target(scratch))
            .current_dir(scratch.join("tree"))
            .output()?;
        words = String::from_utf8_lossy(&built.stderr).into_owned();
        if built.status.success() {
            return Ok(programs(&words, &scratch.join("tree")));
        }
        let wrong: BTreeSet<(PathBuf, usize)> = words.lines().filter_map(fault).collect();
        ensure!(!wrong.is_empty(), "the copy does not build:\n{words}");
        all.retain(|one| {
            let out = wrong.contains(&(one.file.clone(), one.line));
            if out {
                println!(
                    "left out: {}:{}: {}",
                    one.file.display(),
                    one.line,
                    one.text
                );
            }
            !out
        });
    }
    anyhow::bail!("the copy does not build:\n{words}")
}

/// `path:line:column: error…` of the compiler.
fn fault(line: &str) -> Option<(PathBuf, usize)> {
    let mut parts = line.split(':');
    let (file, number) = (parts.next()?, parts.next()?);
    line.contains(": error").then_some(())?;
    Some((PathBuf::from(file), number.parse().ok()?))
}

/// Test programs that cargo names: `Executable … (path)`.
fn programs(words: &str, tree: &Path) -> Vec<PathBuf> {
    let paths = words.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("Executable")?;
        let (_, path) = line.rsplit_once('(')?;
        Some(tree.join(path.trim_end_matches(')')))
    });
    paths.collect()
}

/// The programs by the time that each needs; with nothing turned round all have to pass.
fn quick_first(programs: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let mut timed = Vec::new();
    for program in programs {
        let began = Instant::now();
        ensure!(
            passes(&program, None)?,
            "the tests of {} fail with no condition turned",
            program.display()
        );
        timed.push((began.elapsed(), program));
    }
    timed.sort();
    Ok(timed.into_iter().map(|(_, program)| program).collect())
}

/// Whether a program's tests pass with that condition turned. One that can't be run is an error: it has noticed nothing.
fn passes(program: &Path, turned: Option<usize>) -> anyhow::Result<bool> {
    let number = turned.map_or_else(String::new, |number| number.to_string());
    let begun = Command::new(program)
        .env(SWITCH, number)
        .env("INSTA_UPDATE", "no")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("run {}", program.display()));
    begun.and_then(until_one_fails)
}

/// The first test that fails is enough.
fn until_one_fails(mut child: Child) -> anyhow::Result<bool> {
    let lines = lines(&mut child)?;
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) if !line.ends_with("... FAILED") => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(child.wait()?.success()),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
        }
    }
}

/// What it says, line by line.
fn lines(child: &mut Child) -> anyhow::Result<Receiver<String>> {
    let output = child.stdout.take().context("its output is piped")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

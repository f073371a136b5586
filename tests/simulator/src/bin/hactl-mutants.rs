//! `hactl-mutants`: does the simulator bite? One build of a copy of the tree with every deliberate fault in it, each behind a
//! switch; seeds with one after the other on, until a rule breaks.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use hactl_simulator::mutant::{Mutant, SWITCH, apply};
use hactl_simulator::scratch::{copy, root, target};

/// Does the simulator catch every deliberate fault?
#[derive(Debug, Parser)]
struct Cli {
    /// Seeds that may pass before a mutant counts as not caught.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// No new seed of a mutant after so many seconds.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Seeds that have to pass with none of them on.
    #[arg(long, default_value_t = 100)]
    control: u64,
    /// These only.
    names: Vec<String>,
}

/// What a batch of seeds came to.
struct Verdict {
    /// Seeds that were run.
    run: String,
    /// The seed that broke a rule, and the rule.
    broken: Option<(String, String)>,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root()?;
    let scratch = root.join("out/mutants");
    let mutants = Mutant::all(&here.join("mutants"))?;
    let known = |name: &&String| mutants.iter().any(|mutant| mutant.name == **name);
    if let Some(stranger) = cli.names.iter().find(|name| !known(name)) {
        anyhow::bail!("there is no mutant {stranger}");
    }
    copy(&root, &scratch.join("tree"), &apply(&mutants, &root)?)?;
    let simulator = build(&scratch)?;

    let control = seeds(&simulator, &scratch, "", cli.control, cli.seconds)?;
    ensure!(
        control.broken.is_none(),
        "without any mutant seed {:?} breaks a rule",
        control.broken
    );
    println!("none: {} seeds passed", control.run);
    println!("| mutant | what is wrong | caught by seed | rule | seeds run | seconds |");
    println!("|---|---|--:|---|--:|--:|");
    let (mut caught, mut survivors) = (0, 0);
    for mutant in &mutants {
        if !cli.names.is_empty() && !cli.names.contains(&mutant.name) {
            continue;
        }
        let began = Instant::now();
        let verdict = seeds(&simulator, &scratch, &mutant.name, cli.seeds, cli.seconds)?;
        if verdict.broken.is_some() {
            caught += 1;
        } else {
            survivors += 1;
        }
        let (seed, rule) = verdict
            .broken
            .unwrap_or_else(|| ("**none**".to_owned(), String::new()));
        println!(
            "| {} | {} | {seed} | {rule} | {} | {} |",
            mutant.name,
            mutant.what,
            verdict.run,
            began.elapsed().as_secs()
        );
    }
    println!("mutants: {caught} passed, {survivors} failed");
    Ok(if survivors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds the simulator of the copy; gives the program.
fn build(scratch: &Path) -> anyhow::Result<PathBuf> {
    let target = target(scratch);
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--profile", "measure"])
        .args(["-p", "hactl-simulator", "--bin", "hactl-simulator"])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(scratch.join("tree"))
        .output()?;
    let words = String::from_utf8_lossy(&built.stderr);
    ensure!(
        built.status.success(),
        "the tree with the mutants does not build:\n{words}"
    );
    Ok(target.join("measure/hactl-simulator"))
}

/// Runs seeds with one mutant on; none where its name is empty.
fn seeds(
    simulator: &Path,
    scratch: &Path,
    mutant: &str,
    count: u64,
    seconds: u64,
) -> anyhow::Result<Verdict> {
    let output = Command::new(simulator)
        .args(["seeds", "--seeds", &count.to_string()])
        .args(["--seconds", &seconds.to_string(), "--logs"])
        .arg(scratch.join("logs"))
        .env(SWITCH, mutant)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines();
    let broken = lines
        .clone()
        .zip(lines.clone().skip(1))
        .find_map(|(story, rule)| {
            let rule = rule.strip_prefix("  broken: ")?.split(" (").next()?;
            let seed = story.strip_prefix("seed ")?.split(':').next()?;
            Some((seed.to_owned(), rule.to_owned()))
        });
    let run = lines.find_map(|line| line.strip_prefix("simulator: ")?.split_once(" seeds "));
    let run = run.map(|(run, _)| run.to_owned());
    let run =
        run.with_context(|| format!("with {mutant:?} the simulator ended another way:\n{text}"))?;
    Ok(Verdict { run, broken })
}

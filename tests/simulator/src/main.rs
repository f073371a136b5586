//! `hactl-simulator`: seeds, many of them, until one goes wrong or they are over.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hactl_simulator::play::{End, Report};
use hactl_simulator::replay;
use hactl_simulator::run::run;

/// The seeded simulator.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run seeds, one after the other on each processor.
    Seeds {
        /// How many.
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// No new seed after so many seconds.
        #[arg(long)]
        seconds: Option<u64>,
        /// Stop after so many that went wrong.
        #[arg(long, default_value_t = 1)]
        failures: u64,
        /// Seeds at a time.
        #[arg(long)]
        jobs: Option<usize>,
        /// Where the logs of those that went wrong go.
        #[arg(long, default_value = "out/simulator")]
        logs: PathBuf,
    },
    /// Run seeds until one goes wrong, or ^C; a line a minute.
    Soak {
        /// The first.
        #[arg(long)]
        from: Option<u64>,
    },
    /// Run one seed and write its log.
    One {
        /// The seed.
        seed: u64,
    },
    /// Run the seed of a log again and step through it.
    Replay {
        /// The log.
        file: PathBuf,
        /// Only lines with this word.
        #[arg(long)]
        only: Option<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().what {
        What::Seeds {
            seeds,
            from,
            seconds,
            failures,
            jobs,
            logs,
        } => many(&Batch {
            from,
            seeds,
            limit: seconds.map(Duration::from_secs),
            failures,
            jobs,
            logs,
            every_minute: false,
        }),
        What::Soak { from } => many(&Batch {
            from: from.unwrap_or_else(clock_seed),
            seeds: u64::MAX,
            limit: None,
            failures: 1,
            jobs: None,
            logs: PathBuf::from("out/simulator"),
            every_minute: true,
        }),
        What::One { seed } => one(seed),
        What::Replay { file, only } => step(&file, only.as_deref()),
    }
}

/// Soaks begin where no other began.
fn clock_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs() * 1_000_000)
}

struct Batch {
    from: u64,
    seeds: u64,
    limit: Option<Duration>,
    failures: u64,
    jobs: Option<usize>,
    logs: PathBuf,
    every_minute: bool,
}

#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    failed: u64,
    beyond: u64,
    time: Duration,
    events: u64,
    minutes: u64,
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hours = self.time.as_secs() / 3600;
        write!(
            f,
            "{} seeds ({} lost etcd's quorum with disks), {hours} virtual hours, {} events",
            self.seeds, self.beyond, self.events
        )
    }
}

fn many(batch: &Batch) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong = std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let over = batch.limit.is_some_and(|limit| began.elapsed() > limit);
                let failed = sum.lock().map_or(batch.failures, |sum| sum.failed);
                if number >= batch.seeds || over || failed >= batch.failures {
                    return Ok(());
                }
                let report = run(batch.from + number, false)?;
                let mut sum = sum
                    .lock()
                    .map_err(|_| anyhow::anyhow!("another thread ended"))?;
                sum.seeds += 1;
                sum.time += report.time;
                sum.events += report.events;
                sum.beyond += u64::from(report.end == End::BeyondRepair);
                if report.violation.is_some() {
                    sum.failed += 1;
                    tell(&report, batch)?;
                }
                let minutes = began.elapsed().as_secs() / 60;
                if batch.every_minute && minutes > sum.minutes {
                    sum.minutes = minutes;
                    println!("{minutes} min: {sum}");
                }
            }
        };
        let jobs = batch.jobs.unwrap_or(processors);
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.collect::<Result<Vec<_>, _>>()
    });
    let ended = wrong.map_err(|_| anyhow::anyhow!("a run ended with a panic"))?;
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    let sum = sum
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = began.elapsed().as_secs();
    println!("simulator: {sum}, in {seconds} s");
    println!(
        "simulator: {} passed, {} failed",
        sum.seeds - sum.failed,
        sum.failed
    );
    Ok(if sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs what went wrong again, with its log.
fn tell(report: &Report, batch: &Batch) -> anyhow::Result<()> {
    let again = run(report.story.seed, true)?;
    let file = replay::write(&again, &batch.logs)?;
    let seen = report
        .violation
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    println!(
        "{}\n  broken: {seen}\n  just replay {}",
        report.story,
        file.display()
    );
    if again.violation != report.violation {
        println!("  and it went another way the second time: something is left to chance");
    }
    Ok(())
}

fn one(seed: u64) -> anyhow::Result<ExitCode> {
    let report = run(seed, true)?;
    let file = replay::write(&report, &PathBuf::from("out/simulator"))?;
    println!(
        "{}, {} events in {} s",
        report.story,
        report.events,
        report.time.as_secs()
    );
    println!("{}", file.display());
    let Some(violation) = report.violation else {
        return Ok(ExitCode::SUCCESS);
    };
    println!("broken: {violation}");
    Ok(ExitCode::FAILURE)
}

/// Line by line with Enter on a terminal, all at once elsewhere.
fn step(file: &std::path::Path, only: Option<&str>) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let report = replay::replay(&text)?;
    let (stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let steps = stdin.is_terminal() && stdout.is_terminal();
    for line in text
        .lines()
        .filter(|line| only.is_none_or(|word| line.contains(word)))
    {
        if !steps {
            writeln!(stdout, "{line}")?;
            continue;
        }
        write!(stdout, "{line} ")?;
        stdout.flush()?;
        if stdin.lock().read_line(&mut String::new())? == 0 {
            break;
        }
    }
    println!("replayed: the same {} events again", report.events);
    Ok(ExitCode::SUCCESS)
}

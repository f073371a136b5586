//! Runs the host's programs. Every run has a limit, and a failure carries the command and the end of what it said: the lab
//! is a long chain of other people's tools, and "exit status 1" helps nobody.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take when the caller names no limit.
const USUAL_LIMIT: Duration = Duration::from_mins(1);
/// How much of a failed program's output an error quotes.
const QUOTED_LINES: usize = 15;

/// A program about to be run.
pub(crate) struct Program {
    command: Command,
    limit: Duration,
    input: Option<Vec<u8>>,
    log: Option<PathBuf>,
}

/// What a program that ended left behind.
pub(crate) struct Outcome {
    /// Exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Starts describing a run of `name`.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Program {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    Program {
        command,
        limit: USUAL_LIMIT,
        input: None,
        log: None,
    }
}

impl Program {
    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Adds the words of a text as arguments; for command lines that hold no blank inside an argument.
    pub(crate) fn words(self, words: &str) -> Self {
        self.args(words.split_whitespace())
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs in a folder.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives it something to read.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Ends it after this long.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends its output to a file instead of keeping it; for what talks for minutes.
    pub(crate) fn log(mut self, path: &Path) -> Self {
        self.log = Some(path.to_owned());
        self
    }

    /// Runs it; anything but exit code 0 is an error.
    pub(crate) fn run(self) -> Result<String> {
        let shown = self.shown();
        let log = self.log.clone();
        let outcome = self.outcome()?;
        if outcome.code == Some(0) {
            return Ok(outcome.stdout);
        }
        let said = match log {
            Some(path) => {
                let text = std::fs::read(&path).unwrap_or_default();
                format!(
                    "{}\n(all of it: {})",
                    last_lines(&String::from_utf8_lossy(&text)),
                    path.display()
                )
            }
            None => last_lines(&format!("{}{}", outcome.stdout, outcome.stderr)),
        };
        let code = outcome
            .code
            .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        bail!("{shown} ended with {code}:\n{said}");
    }

    /// Runs it and gives back how it ended, whatever that is.
    pub(crate) fn outcome(mut self) -> Result<Outcome> {
        let shown = self.shown();
        if self.input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        if let Some(path) = &self.log {
            let file = File::create(path)
                .with_context(|| format!("failed to create {}", path.display()))?;
            self.command.stderr(file.try_clone()?).stdout(file);
        } else {
            self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("failed to start {shown}"))?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input.take()) {
            thread::spawn(move || stdin.write_all(&input).ok());
        }
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let code =
            ended(&mut child, self.limit).with_context(|| format!("failed to wait for {shown}"))?;
        // A daemon that the program left behind may hold the pipe open for ever.
        let patience = Duration::from_secs(2);
        let text = |from: &mpsc::Receiver<Vec<u8>>| {
            String::from_utf8_lossy(&from.recv_timeout(patience).unwrap_or_default()).into_owned()
        };
        Ok(Outcome {
            code,
            stdout: text(&stdout),
            stderr: text(&stderr),
        })
    }

    fn shown(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let words: Vec<String> = words
            .map(|word: &OsStr| OsString::from(word).to_string_lossy().into_owned())
            .collect();
        let mut shown = words.join(" ");
        if shown.len() > 300 {
            let cut = (0..=300)
                .rev()
                .find(|at| shown.is_char_boundary(*at))
                .unwrap_or(0);
            shown.truncate(cut);
            shown.push('…');
        }
        shown
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).ok();
        }
        send.send(bytes).ok();
    });
    receive
}

fn ended(child: &mut Child, limit: Duration) -> Result<Option<i32>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if start.elapsed() > limit {
            child.kill().ok();
            child.wait().ok();
            bail!("it was ended after its limit of {} s", limit.as_secs());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}

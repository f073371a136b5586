//! Says what the lab is doing. On a terminal: one line that lives, with how long it has been going on. Elsewhere: a line
//! when a stage starts, one each half minute while it lasts, one with its duration when it ends.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

/// A stage that is going on.
pub(crate) struct Stage {
    shared: Arc<Shared>,
}

struct Shared {
    what: String,
    since: String,
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
    live: bool,
}

#[derive(Default)]
struct State {
    detail: String,
    over: bool,
}

/// Does the work while its line is shown, and ends the line with how long it took.
pub(crate) fn stage<T>(what: &str, work: impl FnOnce(&Stage) -> Result<T>) -> Result<T> {
    let shared = Arc::new(Shared {
        what: what.to_owned(),
        since: clock(),
        start: Instant::now(),
        state: Mutex::default(),
        changed: Condvar::new(),
        live: std::io::stderr().is_terminal(),
    });
    let shown = Arc::clone(&shared);
    let showing = thread::spawn(move || shown.show());
    let stage = Stage { shared };
    let result = work(&stage);
    stage.shared.with_state(|state| state.over = true);
    stage.shared.changed.notify_all();
    showing.join().ok();
    let took = stage.shared.start.elapsed().as_secs_f64();
    let line = match &result {
        Ok(_) => format!("{} {what}: done in {took:.1} s", stage.shared.since),
        Err(_) => format!("{} {what}: failed after {took:.1} s", stage.shared.since),
    };
    stage.shared.write(&line, true);
    result
}

/// A line of its own, for what is no stage.
pub(crate) fn say(line: &str) {
    eprintln!("{} {line}", clock());
}

impl Stage {
    /// What the stage is doing or waiting for just now.
    pub(crate) fn detail(&self, detail: impl Into<String>) {
        self.shared.with_state(|state| state.detail = detail.into());
    }

    /// Asks until there is an answer; `Err` of the probe says what is still missing. Gives up, naming that, at the limit.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        probe: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        self.wait_every(Duration::from_millis(250), what, limit, probe)
    }

    /// The same for a probe that costs something: so long is the pause between two.
    pub(crate) fn wait_every<T>(
        &self,
        pause: Duration,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let missing = match probe() {
                Ok(answer) => return Ok(answer),
                Err(error) => format!("{error:#}"),
            };
            if start.elapsed() > limit {
                bail!(
                    "gave up after {} s waiting for {what}: {missing}",
                    limit.as_secs()
                );
            }
            // What failed programs say ends with the reason.
            let reason = missing.lines().last().unwrap_or_default();
            self.detail(format!("waiting for {what}: {reason}"));
            thread::sleep(pause);
        }
    }
}

impl Shared {
    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn show(&self) {
        let every = Duration::from_secs(if self.live { 1 } else { 30 });
        self.write(&format!("{} {} …", self.since, self.what), false);
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while !state.over {
            let (next, timed) = match self.changed.wait_timeout(state, every) {
                Ok(waited) => waited,
                Err(poisoned) => poisoned.into_inner(),
            };
            state = next;
            if timed.timed_out() && !state.over {
                let elapsed = self.start.elapsed().as_secs();
                let line = format!(
                    "{} {} … {elapsed} s  {}",
                    self.since, self.what, state.detail
                );
                self.write(line.trim_end(), false);
            }
        }
    }

    fn write(&self, line: &str, last: bool) {
        let mut err = std::io::stderr().lock();
        let end = if last || !self.live { "\n" } else { "" };
        let start = if self.live { "\r\x1b[2K" } else { "" };
        let shown: String = if self.live && !last {
            line.chars().take(150).collect()
        } else {
            line.to_owned()
        };
        write!(err, "{start}{shown}{end}").ok();
        err.flush().ok();
    }
}

/// The time of day in UTC, as the stages show it.
pub(crate) fn clock() -> String {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        % 86_400;
    format!(
        "{:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

//! A machine as its agent sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hactl_agent::host::{Answer, Entry, Host, HostError, Question, RealHost, Space, Stamp};
use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::etcd::{EtcdAnswer, EtcdCall};
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use tokio::time::Instant;

use crate::crash::Interrupted;
use crate::machine::Unit;
use crate::mishap::Mishap;
use crate::program::{Run, lasts};
use crate::watch::Event;
use crate::world::{State, World};

/// One machine of a [`World`], in one life of its agent.
#[derive(Debug, Clone)]
pub struct SimulatedHost {
    world: World,
    name: NodeName,
    life: u64,
    /// What lies below this root is on the real disk.
    real: Option<(PathBuf, Arc<RealHost>)>,
}

impl SimulatedHost {
    pub(crate) fn new(world: World, name: NodeName, life: u64) -> Self {
        Self {
            world,
            name,
            life,
            real: None,
        }
    }

    /// What lies below `root` is on the real disk: the agent's own folders in the demo, its journal among them.
    #[must_use]
    pub fn with_real_files(mut self, root: PathBuf) -> Self {
        let host = Arc::new(RealHost::new(root.join("run")));
        self.real = Some((root, host));
        self
    }

    fn real(&self, path: &Path) -> Option<&RealHost> {
        let (root, host) = self.real.as_ref()?;
        path.starts_with(root).then_some(&**host)
    }

    /// Acts on the world between two places to cut at: before the effect and after it. Where the life ends, nothing
    /// comes back, ever.
    async fn act<T>(&self, what: &str, effect: impl FnOnce(&mut State) -> T) -> T {
        let done = {
            let mut state = self.world.state();
            self.pass(&mut state, &format!("before {what}"))
                .ok()
                .and_then(|()| {
                    let value = effect(&mut state);
                    self.pass(&mut state, &format!("after {what}"))
                        .ok()
                        .map(|()| value)
                })
        };
        match done {
            Some(value) => value,
            None => self.ended().await,
        }
    }

    /// Reads the world, where nothing can be cut.
    async fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let seen = {
            let mut state = self.world.state();
            let alive = self.alive(&state);
            alive.then(|| look(&mut state))
        };
        match seen {
            Some(value) => value,
            None => self.ended().await,
        }
    }

    fn pass(&self, state: &mut State, place: &str) -> Result<(), Interrupted> {
        if !self.alive(state) {
            return Err(Interrupted);
        }
        let fired = |state: &State| state.machine(&self.name).crash.fired;
        let before = fired(state);
        let passed = state.pass(&self.name, place, false);
        if fired(state) && !before {
            state.tell(&self.name, Event::Cut(place));
        }
        passed
    }

    /// A write takes as long as this machine's disk does.
    async fn write_time(&self) {
        let latency = self
            .look(|state| state.machine(&self.name).write_latency)
            .await;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }

    fn alive(&self, state: &State) -> bool {
        let machine = state.machines.get(&self.name);
        machine.is_some_and(|machine| {
            machine.powered && machine.life == self.life && !machine.crash.fired
        })
    }

    /// This life is over.
    async fn ended<T>(&self) -> T {
        {
            let mut state = self.world.state();
            if let Some(machine) = state.machines.get_mut(&self.name)
                && matches!(machine.crash.armed, Some((_, crate::Cut::Power { .. })))
                && machine.crash.fired
            {
                machine.powered = false;
            }
        }
        self.world.cut.notify_waiters();
        std::future::pending().await
    }

    /// Runs a program now and says how long it takes.
    fn start(
        &self,
        state: &mut State,
        command: &Command,
    ) -> Result<(Result<Output, HostError>, Duration), Interrupted> {
        let line = command.line();
        self.pass(state, &format!("before {line}"))?;
        let duration = state.lasting(lasts(command));
        self.lend(state, command);
        let machine = state.machines.get_mut(&self.name);
        let mishap = machine.and_then(|machine| machine.mishaps.pop_front().flatten());
        state.tell(&self.name, Event::Begins(command));
        let mut output = Ok(Output::default());
        if mishap.is_none_or(Mishap::acts) {
            let mut run = Run::new(state, self.name.clone(), command.unit.is_some());
            let ended = run.program(command);
            if ended.is_err() {
                let place = state.machine(&self.name).crash.place.clone();
                state.tell(&self.name, Event::Cut(&place));
            }
            output = ended?;
        }
        state.settle();
        let said = mishap.map(|mishap| mishap.says(command));
        if let Some(None) = said {
            state.tell(&self.name, Event::Ran(command, None));
            let (line, seconds) = (command.line(), command.limit.as_secs());
            let ends = tokio::time::Instant::now() + command.limit;
            state.hung_until = state.hung_until.max(Some(ends));
            return Ok((Err(HostError::Limit { line, seconds }), command.limit));
        }
        if let Some(said) = said.flatten() {
            output = Ok(said);
        }
        if let Ok(output) = &output {
            state.tell(&self.name, Event::Ran(command, Some(output)));
        }
        if let Ok(output) = &output
            && let Some(unit) = &command.unit
            && let Some(machine) = state.machines.get_mut(&self.name)
        {
            let ends = Instant::now() + duration;
            machine.units.insert(
                unit.clone(),
                Unit {
                    ends,
                    output: output.clone(),
                },
            );
        }
        self.pass(state, &format!("during {line}"))?;
        Ok((output, duration))
    }

    /// Programs of the model read the simulated disk: a configuration on the real one is put there for them.
    fn lend(&self, state: &mut State, command: &Command) {
        for word in &command.arguments {
            let path = Path::new(word);
            if let (Some(_), Ok(bytes), Some(machine)) = (
                self.real(path),
                std::fs::read(path),
                state.machines.get_mut(&self.name),
            ) {
                machine.tree.write(path, bytes);
            }
        }
    }

    /// The result of a transient unit that is there, once it has ended; the unit is gone then.
    async fn result(&self, name: &str) -> Option<Output> {
        let ends = self
            .look(|state| {
                state
                    .machine(&self.name)
                    .units
                    .get(name)
                    .map(|unit| unit.ends)
            })
            .await?;
        tokio::time::sleep_until(ends).await;
        self.act(&format!("reading the result of {name}"), |state| {
            let machine = state.machines.get_mut(&self.name)?;
            machine.tree.sync();
            machine.units.remove(name).map(|unit| unit.output)
        })
        .await
    }
}

impl Host for SimulatedHost {
    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        if let Some(name) = &command.unit
            && let Some(output) = self.result(name).await
        {
            return Ok(output);
        }
        let started = {
            let mut state = self.world.state();
            self.start(&mut state, command)
        };
        let (output, duration) = match started {
            Ok(started) => started,
            Err(Interrupted) => self.ended().await,
        };
        tokio::time::sleep(duration).await;
        let output = output?;
        if let Some(name) = &command.unit {
            self.result(name).await;
        }
        self.act(&command.line(), |_| ()).await;
        Ok(output)
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
        if let Some(real) = self.real(path) {
            return real.read(path).await;
        }
        self.look(|state| {
            let machine = state.machine(&self.name);
            if machine.unreadable.contains(path) {
                return Err(HostError::File {
                    verb: "read",
                    path: path.display().to_string(),
                    source: std::io::Error::other("input/output error"),
                });
            }
            Ok(machine.tree.read(path).map(<[u8]>::to_vec))
        })
        .await
    }

    async fn list(&self, path: &Path) -> Result<Option<Vec<Entry>>, HostError> {
        if let Some(real) = self.real(path) {
            return real.list(path).await;
        }
        Ok(self
            .look(|state| state.machine(&self.name).tree.list(path))
            .await)
    }

    async fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), HostError> {
        if let Some(real) = self.real(path) {
            return real.replace(path, bytes, mode).await;
        }
        self.write_time().await;
        self.act(&format!("replacing {}", path.display()), |state| {
            if let Some(machine) = state.machines.get_mut(&self.name) {
                machine.tree.write_durably(path, bytes);
            }
            state.settle();
            state.tell(&self.name, Event::Replaced(path));
        })
        .await;
        Ok(())
    }

    async fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), HostError> {
        if let Some(real) = self.real(path) {
            return real.append(path, bytes).await;
        }
        // Two effects: a cut between them leaves a half.
        self.write_time().await;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        for (part, last) in [(first, false), (second, true)] {
            self.act(&format!("appending to {}", path.display()), |state| {
                if let Some(machine) = state.machines.get_mut(&self.name) {
                    machine.tree.append_durably(path, part);
                }
                if last {
                    state.tell(&self.name, Event::Appended(path, bytes));
                }
            })
            .await;
        }
        Ok(())
    }

    async fn remove(&self, path: &Path) -> Result<(), HostError> {
        if let Some(real) = self.real(path) {
            return real.remove(path).await;
        }
        self.act(&format!("removing {}", path.display()), |state| {
            if let Some(machine) = state.machines.get_mut(&self.name) {
                machine.tree.remove_durably(path);
            }
            state.settle();
            state.tell(&self.name, Event::Removed(path));
        })
        .await;
        Ok(())
    }

    async fn ask(&self, question: &Question) -> Result<Answer, HostError> {
        if let Question::Converse { line, .. } = question {
            return self
                .act(&format!("saying {line}"), |state| {
                    let answer = state.converse(&self.name, line);
                    state.tell(&self.name, Event::Said(line));
                    answer
                })
                .await;
        }
        self.look(|state| state.answer(&self.name, question)).await
    }

    async fn etcd_snapshot(&self, to: &Path) -> Result<u64, HostError> {
        self.act("taking a snapshot", |state| {
            if state.member_running(state.machine(&self.name)).is_none() {
                return Err(HostError::Ask {
                    what: "etcd for a snapshot".to_owned(),
                    reason: "connection refused".to_owned(),
                });
            }
            let Some(machine) = state.machines.get_mut(&self.name) else {
                return Ok(0);
            };
            let torn = machine.torn_snapshots > 0;
            machine.torn_snapshots = machine.torn_snapshots.saturating_sub(1);
            let bytes = crate::snapshot::sent(torn);
            let checked = crate::snapshot::checked(&bytes);
            if checked.is_ok() {
                machine.tree.write_durably(to, bytes);
            }
            state.tell(&self.name, Event::Snapshot(to, checked.is_ok()));
            checked.map_err(|reason| HostError::Ask {
                what: format!("etcd for a snapshot to {}", to.display()),
                reason,
            })
        })
        .await
    }

    async fn stamp(&self, path: &Path) -> Result<Option<Stamp>, HostError> {
        if let Some(real) = self.real(path) {
            return real.stamp(path).await;
        }
        let found = self
            .look(|state| state.machine(&self.name).tree.digest(path))
            .await;
        Ok(found.map(|(digest, length)| Stamp {
            modified: i128::from(digest),
            inode: 0,
            length,
            mode: 0o600,
        }))
    }

    async fn space(&self, _path: &Path) -> Result<Space, HostError> {
        Ok(Space {
            total: 100 << 30,
            available: 60 << 30,
        })
    }

    async fn etcd(&self, call: &EtcdCall) -> Result<EtcdAnswer, HostError> {
        self.look(|state| {
            state.tell(&self.name, Event::Etcd(call));
            let answer = state.etcd(&self.name, call);
            state.settle();
            answer
        })
        .await
    }

    fn now(&self) -> Timestamp {
        self.world.state().wall_clock(&self.name)
    }
}

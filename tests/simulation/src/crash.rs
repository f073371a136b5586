//! Where a life ends: every effect of the agent and of the programs it runs is a place to cut at.

use hactl_proto::name::NodeName;

use crate::world::State;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// `kill -9` of the agent: its children go with it, transient units go on.
    Kill,
    /// The power goes; with `lose`, so does what was written and not fsynced.
    Power {
        /// Whether it goes.
        lose: bool,
    },
}

/// What happens to a machine when a wire is tripped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Its cable is pulled.
    Cable,
    /// Its power goes.
    Power,
}

/// Harm to a machine, it or another, some effects after it came to a place. It outlives the agent, and the power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Counted from the first place with these words in its name.
    pub place: &'static str,
    /// Whether the machine came there.
    pub reached: bool,
    /// So many places later.
    pub after: u32,
    /// To whom it happens.
    pub victim: NodeName,
    /// What.
    pub harm: Harm,
    /// Whether it has happened.
    pub tripped: bool,
}

impl Wire {
    /// Passes a place; whether the harm happens there.
    fn pass(&mut self, place: &str) -> bool {
        if self.tripped {
            return false;
        }
        self.reached |= place.contains(self.place);
        if !self.reached {
            return false;
        }
        self.tripped = self.after == 0;
        self.after = self.after.saturating_sub(1);
        self.tripped
    }
}

impl State {
    /// A machine passes a place. Errs where the one who passes it ends there.
    pub(crate) fn pass(
        &mut self,
        name: &NodeName,
        place: &str,
        outlives_the_agent: bool,
    ) -> Result<(), Interrupted> {
        let Some(machine) = self.machines.get_mut(name) else {
            return Err(Interrupted);
        };
        let mut tripped = Vec::new();
        for wire in &mut machine.wires {
            if wire.pass(place) {
                tripped.push((wire.victim.clone(), wire.harm));
            }
        }
        for (victim, harm) in tripped {
            if let Some(victim) = self.machines.get_mut(&victim) {
                match harm {
                    Harm::Cable => victim.isolated = true,
                    Harm::Power => victim.powered = false,
                }
            }
            self.settle();
        }
        let machine = self.machines.get_mut(name).ok_or(Interrupted)?;
        if !machine.powered {
            return Err(Interrupted);
        }
        machine.crash.pass(place, outlives_the_agent)
    }
}

/// The cut of one machine.
#[derive(Debug, Clone, Default)]
pub struct Crash {
    /// Places passed so far in this life.
    pub passed: u64,
    /// Cut at this place, and how.
    pub armed: Option<(u64, Cut)>,
    /// Cut at the next place with these words in its name, and how.
    pub named: Option<(&'static str, Cut)>,
    /// Whether it has happened.
    pub fired: bool,
    /// Name of the place where it happened, for the test's message.
    pub place: String,
}

/// A program did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl Crash {
    /// Passes a place. Errs where the one who passes it ends there.
    pub(crate) fn pass(
        &mut self,
        place: &str,
        outlives_the_agent: bool,
    ) -> Result<(), Interrupted> {
        if self.fired {
            return if outlives_the_agent && self.is_kill() {
                Ok(())
            } else {
                Err(Interrupted)
            };
        }
        self.passed += 1;
        if let Some((name, cut)) = self.named
            && place.contains(name)
        {
            self.armed = Some((self.passed, cut));
        }
        match self.armed {
            Some((at, cut)) if at == self.passed => {
                self.fired = true;
                place.clone_into(&mut self.place);
                if cut == Cut::Kill && outlives_the_agent {
                    Ok(())
                } else {
                    Err(Interrupted)
                }
            }
            _ => Ok(()),
        }
    }

    fn is_kill(&self) -> bool {
        matches!(self.armed, Some((_, Cut::Kill)))
    }
}

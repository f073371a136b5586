//! Where a life ends: every effect of the agent and of the programs it runs is a place to cut at.

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

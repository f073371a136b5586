//! Exit codes: the one place that says which outcome ends with which.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing to say against it.
    Done = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The command line, or the state folder, does not fit the verb.
    Usage = 2,
    /// Refused, with nothing changed; or a reading verb found what is not as it should be.
    Refused = 3,
    /// Some node, or all, could not be asked: what is shown is part of the truth.
    Partial = 4,
}

/// What `--help` says about them; `docs/cli.md` says it too.
pub const TABLE: &str = "\
Exit codes:
  0  done, and nothing to say against it
  1  tried and failed
  2  the command line or the state folder does not fit
  3  refused with nothing changed, or: looked, and something is not as it should be
  4  some node could not be asked: what is shown is part of the truth";

impl Exit {
    /// The graver of two: what is not known outweighs what was found.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other as u8 > self as u8 {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong, by how it ends. The cause is in `source`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the state folder does not fit; nothing was done.
    #[error("{0}")]
    Usage(String),
    /// Refused with nothing changed.
    #[error("{0}")]
    Refused(String),
    /// A node could not be asked.
    #[error("failed to {doing}")]
    Unreachable {
        /// What was to be done, as "ask cp1 for its journal".
        doing: String,
        /// Why it was not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was tried and failed.
    #[error("failed to {doing}")]
    Failed {
        /// What was to be done, as "write bundles/cp1.json".
        doing: String,
        /// Why it was not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Failure {
    /// How it ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) => Exit::Refused,
            Self::Unreachable { .. } => Exit::Partial,
            Self::Failed { .. } => Exit::Failed,
        }
    }

    /// Makes a [`Failure::Failed`] of a cause.
    pub fn failed<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        move |source| Self::Failed {
            doing,
            source: source.into(),
        }
    }

    /// Makes a [`Failure::Unreachable`] of a cause.
    pub fn unreachable<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        move |source| Self::Unreachable {
            doing,
            source: source.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graver_outcome_wins() {
        assert_eq!(Exit::Done.or(Exit::Refused), Exit::Refused);
        assert_eq!(Exit::Partial.or(Exit::Refused), Exit::Partial);
    }

    #[test]
    fn every_code_is_in_the_table_that_help_shows() {
        for exit in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Refused,
            Exit::Partial,
        ] {
            let start = format!("\n  {}  ", exit as u8);
            assert!(TABLE.contains(&start), "{exit:?}");
        }
        let documented = include_str!("../../docs/cli.md");
        for line in TABLE.lines().skip(1) {
            let (code, meaning) = line.trim().split_once("  ").unwrap();
            assert!(
                documented.contains(&format!("| {code} | {meaning} |")),
                "{line}"
            );
        }
    }
}

//! hactl's own package: what is installed, what a file holds, how it is put in.

use std::time::Duration;

use hactl_proto::rollout::agent::{AgentVersion, PACKAGE, PackageFormat};

use crate::command::{Command, Output};

/// A package's own scripts, from a local file.
const INSTALL_LIMIT: Duration = Duration::from_mins(5);

/// The agent as the node's package database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledAgent {
    /// Whose package it is.
    pub format: PackageFormat,
    /// Its version.
    pub version: AgentVersion,
    /// Whether its installation has come to its end: its own scripts restart the agent in the middle of it.
    pub settled: bool,
}

/// Asks the database.
pub fn installed(format: PackageFormat) -> Command {
    match format {
        PackageFormat::Deb => Command::new(
            "dpkg-query",
            ["--show", "--showformat=${Status} ${Version}\n", PACKAGE],
        ),
        PackageFormat::Rpm => Command::new(
            "rpm",
            [
                "--query",
                "--queryformat=install ok installed %{VERSION}\n",
                PACKAGE,
            ],
        ),
    }
}

/// Reads the answer; `None`: it is not installed. While rpm replaces a package it may know two.
pub fn parse_installed(format: PackageFormat, answer: &Output) -> Option<InstalledAgent> {
    let lines: Vec<Vec<&str>> = answer
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let read = |words: &Vec<&str>| {
        let [_, flag, state, version] = words[..] else {
            return None;
        };
        let gone = matches!(state, "not-installed" | "config-files");
        let version = version.parse().ok().filter(|_| !gone)?;
        Some((version, flag == "ok" && state == "installed"))
    };
    let found: Vec<(AgentVersion, bool)> = lines.iter().filter_map(read).collect();
    let (version, _) = found.iter().max().copied()?;
    Some(InstalledAgent {
        format,
        version,
        settled: answer.success() && matches!(found[..], [(_, true)]),
    })
}

/// Asks a file what it holds.
pub fn holds(format: PackageFormat, file: &str) -> Command {
    match format {
        PackageFormat::Deb => Command::new(
            "dpkg-deb",
            ["--show", "--showformat=${Package} ${Version}\n", file],
        ),
        PackageFormat::Rpm => Command::new(
            "rpm",
            [
                "--query",
                "--package",
                "--queryformat=%{NAME} %{VERSION}\n",
                file,
            ],
        ),
    }
}

/// Reads the answer: a package's name and version.
pub fn parse_holds(answer: &Output) -> Option<(String, AgentVersion)> {
    let (name, version) = answer.stdout.trim().split_once(' ')?;
    Some((name.to_owned(), version.parse().ok()?))
}

/// Puts it in. Its scripts restart the agent: to be run as a unit of its own. A configuration file that is there stays.
pub fn put_in(format: PackageFormat, file: &str) -> Command {
    match format {
        PackageFormat::Deb => Command::new("dpkg", ["--force-confold", "--install", file]),
        PackageFormat::Rpm => Command::new("rpm", ["--upgrade", file]),
    }
    .limit(INSTALL_LIMIT)
}

/// Whether dpkg did nothing since another package tool is at work (dpkg 1.18 to 1.22 say it so). rpm waits by itself.
pub fn busy(words: &str) -> bool {
    words.contains("locked by another process")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str) -> Output {
        Output {
            status: Some(0),
            stdout: stdout.to_owned(),
            stderr: String::new(),
        }
    }

    #[test]
    fn an_installation_under_way_is_told_from_one_that_is_through() {
        let read = |format, text: &str| {
            parse_installed(format, &said(text)).map(|one| (one.version.to_string(), one.settled))
        };
        let found = |version: &str, settled| Some((version.to_owned(), settled));
        for (text, wanted) in [
            ("install ok installed 0.1.0-1\n", found("0.1.0", true)),
            ("hold ok installed 0.1.0\n", found("0.1.0", true)),
            ("install ok half-configured 0.2.0\n", found("0.2.0", false)),
            (
                "install reinstreq half-installed 0.2.0\n",
                found("0.2.0", false),
            ),
            ("deinstall ok config-files 0.2.0\n", None),
            ("", None),
            ("garbage", None),
        ] {
            assert_eq!(read(PackageFormat::Deb, text), wanted, "{text}");
        }
        let both = "install ok installed 0.2.0\ninstall ok installed 0.1.0\n";
        assert_eq!(read(PackageFormat::Rpm, both), found("0.2.0", false));
        assert_eq!(
            read(PackageFormat::Rpm, "install ok installed 0.1.0\n"),
            found("0.1.0", true)
        );
        let absent = "package hactl-agent is not installed\n";
        assert_eq!(read(PackageFormat::Rpm, absent), None);
    }

    #[test]
    fn a_file_says_what_it_holds() {
        let held = parse_holds(&said("hactl-agent 0.2.0-1\n"));
        let version = AgentVersion {
            major: 0,
            minor: 2,
            patch: 0,
        };
        assert_eq!(held, Some(("hactl-agent".to_owned(), version)));
        for garbage in ["", "hactl-agent", "hactl-agent \n", "x y z"] {
            assert_eq!(parse_holds(&said(garbage)), None, "{garbage}");
        }
    }

    #[test]
    fn a_dpkg_that_another_one_keeps_out_is_busy() {
        // dpkg 1.21.22, beside one that holds its lock.
        let words = "dpkg: error: dpkg frontend lock was locked by another process with pid 1402\n";
        assert!(busy(words));
        assert!(!busy("dpkg: error processing archive x.deb (--install):\n"));
    }
}

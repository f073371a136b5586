//! How rolling upgrades are done: what the spec says, what flags override for one rollout, and what its frozen plan records.
//!
//! Whether a window is open is the controller's to compute; here are only its words.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::NodeName;

/// How rolling upgrades are done. A field that a writer did not know has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpgradePolicy {
    /// So many workers may be away at a time, those that are not well for other reasons included.
    pub max_unavailable: u32,
    /// How long one drain may take, in seconds.
    pub drain_limit_seconds: u32,
    /// Pods that nobody makes again may go.
    pub delete_unmanaged: bool,
    /// Pods with data on the node may go.
    pub delete_local_data: bool,
    /// When nodes may be begun; empty: at any time.
    pub windows: Vec<Window>,
    /// Who goes first, and what is seen before the others follow.
    pub canary: Canary,
}

/// Hours in which nodes may be begun. Where `to` is not after `from` it is on the next day, and the window is of the day that it
/// begins on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The days that it begins on.
    pub days: BTreeSet<Day>,
    /// When it opens, by the clocks of the zone.
    pub from: ClockTime,
    /// When it closes.
    pub to: ClockTime,
    /// The time zone, by its name in the IANA database, such as `Europe/Berlin`.
    pub zone: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A time of the day by a clock on the wall, such as `22:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime {
    hour: u8,
    minute: u8,
}

/// Who goes first, and what is seen before the others follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Canary {
    /// The control plane that goes first; `None`: the candidate of the first boot.
    pub control_plane: Option<NodeName>,
    /// Workers that go before all others.
    pub workers: Vec<NodeName>,
    /// So many looks in a row have to find all gates open after each canary.
    pub passes: u32,
    /// Seconds between two such looks.
    pub pass_seconds: u32,
}

/// Why a text is no time of the day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time between 00:00 and 23:59")]
pub struct ClockTimeError(String);

impl Default for UpgradePolicy {
    fn default() -> Self {
        Self {
            max_unavailable: 1,
            drain_limit_seconds: 900,
            delete_unmanaged: false,
            delete_local_data: true,
            windows: Vec::new(),
            canary: Canary::default(),
        }
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            control_plane: None,
            workers: Vec::new(),
            passes: 3,
            pass_seconds: 3,
        }
    }
}

impl Day {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The word in the spec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

impl ClockTime {
    /// The hour, 0 to 23.
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// The minute, 0 to 59.
    pub const fn minute(self) -> u8 {
        self.minute
    }
}

impl std::str::FromStr for ClockTime {
    type Err = ClockTimeError;
    fn from_str(text: &str) -> Result<Self, ClockTimeError> {
        let two = |part: &str, most: u8| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part.parse().ok().filter(|number| *number <= most);
            number.filter(|_| digits)
        };
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            Some(Self {
                hour: two(hour, 23)?,
                minute: two(minute, 59)?,
            })
        });
        parsed.ok_or_else(|| ClockTimeError(text.to_owned()))
    }
}

impl TryFrom<String> for ClockTime {
    type Error = ClockTimeError;
    fn try_from(text: String) -> Result<Self, ClockTimeError> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.len() == Day::ALL.len() {
            f.write_str("daily")?;
        } else {
            let days: Vec<&str> = self.days.iter().map(|day| day.name()).collect();
            f.write_str(&days.join(","))?;
        }
        write!(f, " {} to {} {}", self.from, self.to, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_times_of_a_day_are_times() {
        for good in ["00:00", "09:05", "23:59"] {
            assert_eq!(good.parse::<ClockTime>().unwrap().to_string(), good);
        }
        for bad in [
            "", "9:05", "24:00", "12:60", "+1:00", "12", "12:00:00", "12:0x", "１2:00",
        ] {
            assert!(bad.parse::<ClockTime>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_policy_of_another_version_has_defaults_for_what_it_lacks() {
        let old = r#"{"maxUnavailable":5,"drainLimitSeconds":60,"deleteUnmanaged":false,"deleteLocalData":true}"#;
        let policy: UpgradePolicy = serde_json::from_str(old).unwrap();
        assert_eq!((policy.max_unavailable, policy.canary.passes), (5, 3));
        assert!(policy.windows.is_empty());
        let foreign = r#"{"windows":[{"days":["noday"],"from":"1","to":"2","zone":""}]}"#;
        assert!(serde_json::from_str::<UpgradePolicy>(foreign).is_err());
    }
}

//! Clocks: certificates of a node whose clock is off are not yet valid, or no more, to its peers; etcd warns from one second on.

use hactl_proto::name::NodeName;

use super::{Deviation, PeerFacts, Situation};
use crate::facts::Known;

/// From here on a clock is reported, in milliseconds (half of what etcd warns of).
pub const CLOCK_WARN_MS: u64 = 500;
/// From here on nothing is begun on the node, in milliseconds.
pub const CLOCK_REFUSE_MS: u64 = 5_000;

/// This node's clock against the median of its peers', in milliseconds; of an even number the one nearer to zero, so that of two
/// peers one wrong one does not accuse this node.
pub fn median_offset_ms(offsets: &[(NodeName, i64)]) -> Option<i64> {
    let mut sorted: Vec<i64> = offsets.iter().map(|(_, offset)| *offset).collect();
    sorted.sort_unstable();
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    [sorted[low], sorted[high]]
        .into_iter()
        .min_by_key(|offset| offset.unsigned_abs())
}

/// Over 500 ms against the median of the peers warns, over 5 s refuses. No peer measured: nothing is said.
pub(super) fn offset(situation: Situation<'_>) -> Vec<Deviation> {
    let PeerFacts { clock_offsets, .. } = situation.peers;
    let Some(median) = median_offset_ms(clock_offsets) else {
        return vec![];
    };
    if median.unsigned_abs() <= CLOCK_WARN_MS {
        return vec![];
    }
    let side = if median > 0 { "ahead of" } else { "behind" };
    let peers: Vec<String> = clock_offsets
        .iter()
        .map(|(peer, offset)| format!("{peer} by {offset} ms"))
        .collect();
    let observed = format!(
        "{} ms {side} its peers ({})",
        median.unsigned_abs(),
        peers.join(", ")
    );
    let wanted = "within 500 ms; within 5000 ms at the least";
    let remedy =
        "Put the clock right (`timedatectl`, `chronyc makestep`) and keep a time service running.";
    vec![if median.unsigned_abs() > CLOCK_REFUSE_MS {
        Deviation::refusal(observed, wanted, remedy)
    } else {
        Deviation::warning(observed, wanted, remedy)
    }]
}

/// A service that keeps the clock right runs; some hypervisors do it themselves, so it only warns.
pub(super) fn service(situation: Situation<'_>) -> Vec<Deviation> {
    let observed = match &situation.machine.system.time_service {
        Known::Is(Some(_)) => return vec![],
        Known::Is(None) => "no time service runs".to_owned(),
        Known::Unknown(why) => format!("unknown: {why}"),
    };
    vec![Deviation::warning(
        observed,
        "systemd-timesyncd, chrony or ntpsec runs",
        "Install and start one (`apt-get install systemd-timesyncd`, `dnf install chrony`), or set the mode of `time-sync` to \
         off where the hypervisor keeps the clock.",
    )]
}

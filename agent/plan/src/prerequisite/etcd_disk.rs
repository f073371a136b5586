//! How quick etcd's disk is: a slow one makes etcd lose its leader under load (etcd's hardware guide; kubeadm.md 6.7).

use super::{Deviation, Situation};
use crate::facts::Known;

/// etcd wants 99 of 100 syncs of its log below this.
const WARN_US: u32 = 10_000;
/// etcd's heartbeat interval: a leader that syncs slower loses its followers.
const REFUSE_US: u32 = 100_000;

/// p99 of write and fdatasync: over 10 ms warns, over 100 ms refuses.
pub(super) fn check(situation: Situation<'_>) -> Vec<Deviation> {
    let Some(folder) = &situation.wanted.etcd_data else {
        return vec![];
    };
    let times = match &situation.machine.disk.fsync {
        Known::Is(Some(times)) => times,
        Known::Is(None) => return vec![],
        Known::Unknown(why) => {
            return vec![Deviation::unknown(&format!("the speed of {folder}"), why)];
        }
    };
    if times.p99_us <= WARN_US {
        return vec![];
    }
    let millis = |us: u32| f64::from(us) / 1000.0;
    let observed = format!(
        "fdatasync p99 {:.1} ms (p50 {:.1}, max {:.1}, of {})",
        millis(times.p99_us),
        millis(times.p50_us),
        millis(times.max_us),
        times.writes
    );
    let wanted = "99 of 100 writes within 10 ms: etcd loses its leader over 100 ms";
    let remedy = format!(
        "Put {folder} on a solid-state disk of its own; measure with `hactl-agent measure-fsync {folder}`."
    );
    vec![if times.p99_us > REFUSE_US {
        Deviation::refusal(observed, wanted, remedy)
    } else {
        Deviation::warning(observed, wanted, remedy)
    }]
}

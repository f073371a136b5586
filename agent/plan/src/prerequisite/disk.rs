//! Room on the folders that fill up.

use super::{Deviation, Situation};
use crate::facts::Known;
use crate::facts::machine::disk::Room;

/// Less than that, and images of a control plane do not fit.
const LEAST_BYTES: u64 = 2 << 30;
/// The kubelet begins to evict pods at 10 % of its own and 15 % of the images' file system (`evictionHard` defaults).
const LOW_PERCENT: u64 = 15;

/// At least 2 GiB, and 15 % so that the kubelet evicts nothing.
pub(super) fn space(situation: Situation<'_>) -> Vec<Deviation> {
    situation
        .machine
        .disk
        .rooms
        .iter()
        .filter_map(one)
        .collect()
}

fn one(room: &Room) -> Option<Deviation> {
    let folder = &room.folder;
    let (total, available) = match &room.bytes {
        Known::Is(bytes) => *bytes,
        Known::Unknown(why) => {
            return Some(Deviation::unknown(&format!("the room on {folder}"), why));
        }
    };
    let observed = || {
        let percent = available
            .saturating_mul(100)
            .checked_div(total)
            .unwrap_or(0);
        format!("{} MiB free on {folder} ({percent} %)", available >> 20)
    };
    let remedy = format!("Free or add room on the file system of {folder}.");
    if available < LEAST_BYTES {
        return Some(Deviation::refusal(observed(), "at least 2048 MiB", remedy));
    }
    let low = available.saturating_mul(100) < total.saturating_mul(LOW_PERCENT);
    low.then(|| {
        let wanted = "at least 15 %: below it the kubelet evicts pods and removes images";
        Deviation::warning(observed(), wanted, remedy)
    })
}

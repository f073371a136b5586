//! Plans of a cluster that is there: rolling upgrades, and renewed certificates.

use crate::life::matrix;
use crate::scenario::{JOINED, Kind, Scenario};

#[test]
fn staging_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &JOINED,
        order: Kind::Stage,
    });
}

#[test]
fn the_first_control_planes_upgrade_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp1",
        before: &[
            JOINED[0],
            JOINED[1],
            JOINED[2],
            JOINED[3],
            ("cp1", Kind::Stage),
        ],
        order: Kind::UpgradeFirst,
    });
}

#[test]
fn another_control_planes_upgrade_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &[
            JOINED[0],
            JOINED[1],
            JOINED[2],
            JOINED[3],
            ("cp1", Kind::Stage),
            ("cp1", Kind::UpgradeFirst),
            ("cp2", Kind::Stage),
        ],
        order: Kind::UpgradeNode,
    });
}

#[test]
fn a_workers_upgrade_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "w1",
        before: &[
            JOINED[0],
            JOINED[1],
            JOINED[2],
            JOINED[3],
            ("cp1", Kind::Stage),
            ("cp1", Kind::UpgradeFirst),
            ("w1", Kind::Stage),
            ("cp1", Kind::Drain),
        ],
        order: Kind::UpgradeNode,
    });
}

#[test]
fn a_drain_is_finished_wherever_its_control_plane_is_cut() {
    matrix(&Scenario {
        node: "cp1",
        before: &JOINED,
        order: Kind::Drain,
    });
}

#[test]
fn a_renewal_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &JOINED,
        order: Kind::Renew,
    });
}

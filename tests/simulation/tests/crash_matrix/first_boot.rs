//! Plans of a first boot.

use crate::life::matrix;
use crate::scenario::{Kind, Scenario};

#[test]
fn prepare_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp2",
        before: &[],
        order: Kind::Prepare,
    });
}

#[test]
fn init_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp1",
        before: &[],
        order: Kind::Init,
    });
}

#[test]
fn a_control_planes_join_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp3",
        before: &[("cp1", Kind::Init), ("cp2", Kind::JoinControlPlane)],
        order: Kind::JoinControlPlane,
    });
}

#[test]
fn a_workers_join_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "w1",
        before: &[("cp1", Kind::Init)],
        order: Kind::JoinWorker,
    });
}

#[test]
fn cleaning_is_finished_wherever_it_is_cut() {
    matrix(&Scenario {
        node: "cp3",
        before: &[
            ("cp1", Kind::Init),
            ("cp2", Kind::JoinControlPlane),
            ("cp3", Kind::JoinControlPlane),
        ],
        order: Kind::Clean,
    });
}

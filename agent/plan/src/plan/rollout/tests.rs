use std::collections::BTreeSet;

use hactl_proto::Timestamp;
use hactl_proto::version::KubernetesVersion;

use super::*;
use crate::example::context;
use crate::facts::endpoint::EndpointFacts;
use crate::facts::kubernetes::KubernetesFacts;
use crate::facts::machine::MachineFacts;
use crate::facts::rollout::RolloutFacts;

const OLD: KubernetesVersion = KubernetesVersion::new(1, 36, 2);
const NEW: KubernetesVersion = KubernetesVersion::new(1, 36, 3);

fn facts(machine: MachineFacts, rollout: RolloutFacts) -> Facts {
    Facts {
        at: Timestamp::UNIX_EPOCH,
        machine,
        endpoint: EndpointFacts::default(),
        kubernetes: KubernetesFacts::default(),
        rollout,
    }
}

fn left(staged: Option<StagedEtcd>, kubeadm: &KubernetesVersion) -> usize {
    let mut machine = MachineFacts::default();
    machine.packages.kubeadm = Known::Is(Some(kubeadm.clone()));
    let facts = facts(
        machine,
        RolloutFacts {
            staged: Known::Is(staged.map(|etcd| Staged { target: NEW, etcd })),
            source: PackageSource::Folder,
            folder: BTreeSet::from([NEW]),
            free_bytes: Known::Is(WANTED_BYTES),
            ..RolloutFacts::default()
        },
    );
    let (findings, steps) = stage(&NEW, &facts);
    assert_eq!(findings, []);
    steps.len()
}

#[test]
fn staging_is_repeated_where_it_could_not_tell_the_etcd_and_can_now() {
    let tag = || Some(StagedEtcd::Tag("3.6.11-0".to_owned()));
    assert_eq!(left(None, &OLD), 2);
    for kubeadm in [OLD, NEW] {
        assert_eq!(left(tag(), &kubeadm), 0);
        assert_eq!(left(Some(StagedEtcd::Absent), &kubeadm), 0);
    }
    // It can't be told yet: planning again after that is empty too.
    assert_eq!(left(Some(StagedEtcd::Unknown), &OLD), 0);
    assert_eq!(left(Some(StagedEtcd::Unknown), &NEW), 2);
}

#[test]
fn load_balancers_keep_a_control_plane_that_is_the_only_one() {
    let node = context("cp1");
    let kept = facts(
        MachineFacts::default(),
        RolloutFacts {
            released: Known::Is(BTreeSet::new()),
            ..RolloutFacts::default()
        },
    );
    let released = facts(
        MachineFacts::default(),
        RolloutFacts {
            released: Known::Is(BTreeSet::from([node.node.clone()])),
            ..RolloutFacts::default()
        },
    );
    let steps = |node: &NodeContext, facts: &Facts, release| {
        let (findings, steps) = backend_step(node, &node.node, facts, release);
        assert_eq!(findings, []);
        steps
    };
    assert_eq!(
        steps(&node, &kept, true),
        [RolloutStep::ReleaseBackend],
        "one of several"
    );
    let mut alone = node.clone();
    alone.spec.control_planes.truncate(1);
    assert_eq!(steps(&alone, &kept, true), []);
    // One that an older agent let go of comes back.
    assert_eq!(
        steps(&alone, &released, false),
        [RolloutStep::ReturnBackend]
    );
}

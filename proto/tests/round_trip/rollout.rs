//! Any value of a rollout, and its way over the wire.

use hactl_proto::instruction::{Fence, OperationId, Order};
use hactl_proto::rollout::{
    Drain, LeaseAnswer, RolloutOrder, RolloutRecord, RolloutWish, Upgrade, UpgradePart,
};
use hactl_proto::rotation::{Authority, Fingerprint, RotationOrder, Stage};
use hactl_proto::version::KubernetesVersion;
use hactl_proto::wire::v1;
use proptest::prelude::*;

use crate::values::{name, time, words};

fn target() -> impl Strategy<Value = KubernetesVersion> {
    (20_u16..40, 0_u16..30).prop_map(|(minor, patch)| KubernetesVersion::new(1, minor, patch))
}

pub(crate) fn rollout_order() -> impl Strategy<Value = RolloutOrder> {
    let part = prop_oneof![
        Just(UpgradePart::Whole),
        Just(UpgradePart::ControlPlane),
        Just(UpgradePart::Kubelet),
        Just(UpgradePart::Etcd),
    ];
    prop_oneof![
        target().prop_map(|target| RolloutOrder::Stage { target }),
        Just(RolloutOrder::SnapshotEtcd),
        Just(RolloutOrder::InstallKubeletCertificate),
        ("[0-9a-f]{64}", 0_usize..3, 0_usize..4).prop_map(|(to, authority, stage)| {
            RolloutOrder::RotateAuthority(RotationOrder {
                authority: Authority::ALL[authority],
                stage: Stage::ALL[stage],
                to: Fingerprint::new(&to).unwrap(),
            })
        }),
        name().prop_map(|node| RolloutOrder::ReleaseBackend { node }),
        name().prop_map(|node| RolloutOrder::ReturnBackend { node }),
        (name(), any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
            |(node, limit_seconds, unmanaged, local_data)| RolloutOrder::Drain(Drain {
                node,
                limit_seconds,
                unmanaged,
                local_data,
            })
        ),
        name().prop_map(|node| RolloutOrder::Uncordon { node }),
        ("[a-z0-9-]{1,40}", any::<bool>()).prop_map(|(text, without_api)| {
            RolloutOrder::RenewCertificates {
                renewal: OperationId::new(text).unwrap(),
                without_api,
            }
        }),
        (target(), any::<bool>(), part, any::<bool>()).prop_map(
            |(target, first, part, keep_etcd)| RolloutOrder::Upgrade(Upgrade {
                target,
                first,
                part,
                keep_etcd,
            })
        ),
    ]
}

pub(crate) fn rollout_record() -> impl Strategy<Value = RolloutRecord> {
    let wish = prop_oneof![
        Just(RolloutWish::Running),
        Just(RolloutWish::Paused),
        Just(RolloutWish::Aborted),
        Just(RolloutWish::Finished),
    ];
    (1_u64.., any::<u64>(), wish, words(), time(), words()).prop_map(
        |(number, revision, wish, by, at, plan)| RolloutRecord {
            number,
            revision,
            wish,
            by,
            at,
            plan,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_survive(value in rollout_record()) {
        let back = RolloutRecord::try_from(v1::RolloutRecord::from(value.clone())).unwrap();
        prop_assert_eq!(back, value);
    }

    /// An id that does not parse makes a node's status unreadable for as long as the operation goes on.
    #[test]
    fn ids_that_nodes_make_themselves_survive(order in rollout_order(), second in 0..9_999_999_999_i64) {
        let at = hactl_proto::Timestamp::from_second(second).unwrap();
        let id = OperationId::own(&Order::Rollout(order), at);
        prop_assert_eq!(OperationId::new(id.as_str()), Ok(id));
    }

    #[test]
    fn lease_answers_survive(fence: u64, by in words(), renewed in prop::option::of(time())) {
        for value in [LeaseAnswer::Taken(Fence(fence)), LeaseAnswer::Held { by: by.clone(), renewed }] {
            let back = LeaseAnswer::try_from(v1::TakeLeaseResponse::from(value.clone())).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}

#[test]
fn a_record_without_number_or_wish_and_an_upgrade_without_its_part_are_refused() {
    let good = v1::RolloutRecord::from(RolloutRecord {
        number: 1,
        revision: 0,
        wish: RolloutWish::Running,
        by: String::new(),
        at: hactl_proto::Timestamp::UNIX_EPOCH,
        plan: String::new(),
    });
    for (change, field) in [
        ((|r| r.number = 0) as fn(&mut v1::RolloutRecord), "number"),
        (|r| r.wish = 0, "wish"),
        (|r| r.wish = 99, "wish"),
        (|r| r.at = None, "at"),
    ] {
        let mut record = good.clone();
        change(&mut record);
        assert_eq!(RolloutRecord::try_from(record).unwrap_err().field(), field);
    }
    let upgrade = v1::instruction::Upgrade {
        target: "v1.36.3".to_owned(),
        ..Default::default()
    };
    let instruction = v1::Instruction {
        id: "a".to_owned(),
        order: Some(v1::instruction::Order::Upgrade(upgrade)),
        ..Default::default()
    };
    let error = hactl_proto::instruction::Instruction::try_from(instruction).unwrap_err();
    assert_eq!(error.field(), "upgrade.part");
}

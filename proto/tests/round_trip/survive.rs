//! To the wire's bytes and back.

use crate::values::*;
use hactl_proto::join::Applicant;
use hactl_proto::standing::{
    GrantRequest, GrantVerdict, MemberAnnouncement, Override, StandingAnswer,
};
use hactl_proto::status::NodeStatus;
use hactl_proto::wire::{WireError, v1};
use proptest::prelude::*;
use prost::Message;

/// To the wire's bytes and back.
fn round<W, D>(value: D) -> D
where
    W: Message + Default + From<D>,
    D: TryFrom<W, Error = WireError>,
{
    let bytes = W::from(value).encode_to_vec();
    D::try_from(W::decode(bytes.as_slice()).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn instructions_survive(value in instruction()) {
        prop_assert_eq!(round::<v1::Instruction, _>(value.clone()), value);
    }

    #[test]
    fn events_survive(value in event()) {
        prop_assert_eq!(round::<v1::ReportEvent, _>(value.clone()), value);
    }

    #[test]
    fn statuses_survive(value in status()) {
        prop_assert_eq!(round::<v1::NodeStatus, _>(value.clone()), value);
    }

    #[test]
    fn views_survive(value in view()) {
        prop_assert_eq!(round::<v1::MemberView, _>(value.clone()), value);
    }

    #[test]
    fn answers_survive(
        who in (name(), instance(), cluster(), spec()),
        epoch: u64,
        standing in standing(),
        roster in roster(),
        serving: bool,
    ) {
        let (node, instance, cluster, spec) = who;
        let value = StandingAnswer { node, instance, cluster, spec, epoch, standing, roster, serving };
        prop_assert_eq!(round::<v1::StandingAnswer, _>(value.clone()), value);
    }

    #[test]
    fn requests_survive(who in (name(), instance(), cluster(), spec()), epoch: u64, roster in roster()) {
        let (candidate, instance, cluster, spec) = who;
        let value = GrantRequest { candidate, instance, cluster, spec, epoch, roster };
        prop_assert_eq!(round::<v1::GrantRequest, _>(value.clone()), value);
    }

    #[test]
    fn announcements_survive(who in (name(), instance(), cluster()), epoch: u64, identity in identity()) {
        let (node, instance, cluster) = who;
        let value = MemberAnnouncement { node, instance, cluster, epoch, identity };
        prop_assert_eq!(round::<v1::MemberAnnouncement, _>(value.clone()), value);
    }

    #[test]
    fn overrides_survive(
        of in (cluster(), spec(), name()),
        epoch: u64,
        roster in roster(),
        lost in prop::collection::btree_map(name(), prop::collection::btree_set(instance(), 0..3), 0..3),
        reason in words(),
    ) {
        let (cluster, spec, candidate) = of;
        let value = Override { cluster, spec, epoch, candidate, roster, lost, reason };
        prop_assert_eq!(round::<v1::Override, _>(value.clone()), value);
    }

    #[test]
    fn verdicts_survive(grant in grant(), refusal in refusal()) {
        for value in [GrantVerdict::Ok(grant), Err(refusal)] {
            prop_assert_eq!(round::<v1::RequestGrantResponse, _>(value.clone()), value);
        }
    }

    #[test]
    fn admissions_survive(value in admission()) {
        prop_assert_eq!(round::<v1::AdmitResponse, _>(value.clone()), value);
    }

    #[test]
    fn applicants_survive(node in name(), role in role(), address: std::net::IpAddr) {
        let value = Applicant { node, role, address };
        prop_assert_eq!(round::<v1::AdmitRequest, _>(value.clone()), value);
    }

    #[test]
    fn entries_survive(value in entry()) {
        prop_assert_eq!(round::<v1::JournalEntry, _>(value.clone()), value);
    }

    /// Any bytes: a value, or an error that names a field; never a panic.
    #[test]
    fn garbage_is_read_or_refused_by_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = v1::NodeStatus::decode(bytes.as_slice())
            && let Err(error) = NodeStatus::try_from(message)
        {
            prop_assert!(!error.field().is_empty());
        }
    }
}

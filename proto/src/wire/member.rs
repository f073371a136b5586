//! Views of members over the wire.

use super::{WireError, finding, instant, known, moment, optional, text, v1};
use crate::member::{MemberState, MemberView, Reach, ZoneCondition};

impl From<MemberView> for v1::MemberView {
    fn from(view: MemberView) -> Self {
        let state = match view.state {
            MemberState::Alive => v1::MemberState::Alive,
            MemberState::Suspect => v1::MemberState::Suspect,
            MemberState::Down => v1::MemberState::Down,
        };
        Self {
            node: view.node.into(),
            zone: view.zone.into(),
            role: v1::NodeRole::from(view.role).into(),
            address: view.address.to_string(),
            state: state.into(),
            since: Some(instant(view.since)),
            incarnation: view.incarnation.into(),
            boot_epoch: view.boot_epoch,
            round_trip_us: view.round_trip_us,
            health: view.health.map(Into::into),
            reach: v1::Reach::from(view.reach).into(),
            zone_condition: v1::ZoneCondition::from(view.zone_condition).into(),
        }
    }
}

impl TryFrom<v1::MemberView> for MemberView {
    type Error = WireError;
    fn try_from(view: v1::MemberView) -> Result<Self, WireError> {
        let state = match known("state", view.state)? {
            v1::MemberState::Unspecified => return Err(WireError::absent("state")),
            v1::MemberState::Alive => MemberState::Alive,
            v1::MemberState::Suspect => MemberState::Suspect,
            v1::MemberState::Down => MemberState::Down,
        };
        Ok(Self {
            node: text("node", &view.node)?,
            zone: text("zone", &view.zone)?,
            role: finding::role("role", view.role)?,
            address: text("address", &view.address)?,
            state,
            since: moment("since", view.since)?,
            incarnation: view
                .incarnation
                .try_into()
                .map_err(|error| WireError::wrong("incarnation", error))?,
            boot_epoch: view.boot_epoch,
            round_trip_us: view.round_trip_us,
            health: optional("health", view.health)?,
            reach: known::<v1::Reach>("reach", view.reach)?.into(),
            zone_condition: known::<v1::ZoneCondition>("zone condition", view.zone_condition)?
                .into(),
        })
    }
}

impl From<Reach> for v1::Reach {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Direct => Self::Direct,
            Reach::NotTo => Self::NotTo,
            Reach::NotFrom => Self::NotFrom,
            Reach::Stream => Self::Stream,
        }
    }
}

impl From<v1::Reach> for Reach {
    /// An agent that does not tell has seen nothing unusual.
    fn from(reach: v1::Reach) -> Self {
        match reach {
            v1::Reach::Unspecified | v1::Reach::Direct => Self::Direct,
            v1::Reach::NotTo => Self::NotTo,
            v1::Reach::NotFrom => Self::NotFrom,
            v1::Reach::Stream => Self::Stream,
        }
    }
}

impl From<ZoneCondition> for v1::ZoneCondition {
    fn from(condition: ZoneCondition) -> Self {
        match condition {
            ZoneCondition::Reachable => Self::Reachable,
            ZoneCondition::Silent => Self::Silent,
            ZoneCondition::CutOff => Self::CutOff,
            ZoneCondition::Undecided => Self::Undecided,
            ZoneCondition::Alone => Self::Alone,
        }
    }
}

impl From<v1::ZoneCondition> for ZoneCondition {
    /// An agent that does not tell has seen nothing unusual.
    fn from(condition: v1::ZoneCondition) -> Self {
        match condition {
            v1::ZoneCondition::Unspecified | v1::ZoneCondition::Reachable => Self::Reachable,
            v1::ZoneCondition::Silent => Self::Silent,
            v1::ZoneCondition::CutOff => Self::CutOff,
            v1::ZoneCondition::Undecided => Self::Undecided,
            v1::ZoneCondition::Alone => Self::Alone,
        }
    }
}

//! Views of members over the wire.

use super::{WireError, finding, instant, known, moment, optional, text, v1};
use crate::member::{MemberState, MemberView};

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
        })
    }
}

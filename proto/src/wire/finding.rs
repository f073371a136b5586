//! Findings and roles over the wire.

use super::{WireError, known, v1};
use crate::finding::{Finding, Severity};
use crate::role::NodeRole;

impl From<Finding> for v1::Finding {
    fn from(finding: Finding) -> Self {
        let severity = match finding.severity {
            Severity::Warning => v1::Severity::Warning,
            Severity::Refusal => v1::Severity::Refusal,
        };
        Self {
            check: finding.check,
            severity: severity.into(),
            observed: finding.observed,
            wanted: finding.wanted,
            remedy: finding.remedy,
            mendable: finding.mendable,
        }
    }
}

impl TryFrom<v1::Finding> for Finding {
    type Error = WireError;
    fn try_from(finding: v1::Finding) -> Result<Self, WireError> {
        let severity = match known("severity", finding.severity)? {
            v1::Severity::Unspecified => return Err(WireError::absent("severity")),
            v1::Severity::Warning => Severity::Warning,
            v1::Severity::Refusal => Severity::Refusal,
        };
        Ok(Self {
            check: finding.check,
            severity,
            observed: finding.observed,
            wanted: finding.wanted,
            remedy: finding.remedy,
            mendable: finding.mendable,
        })
    }
}

impl From<NodeRole> for v1::NodeRole {
    fn from(role: NodeRole) -> Self {
        match role {
            NodeRole::ControlPlane => Self::ControlPlane,
            NodeRole::Worker => Self::Worker,
        }
    }
}

/// Reads a role, which must be there.
pub(super) fn role(field: &str, number: i32) -> Result<NodeRole, WireError> {
    match known(field, number)? {
        v1::NodeRole::Unspecified => Err(WireError::absent(field)),
        v1::NodeRole::ControlPlane => Ok(NodeRole::ControlPlane),
        v1::NodeRole::Worker => Ok(NodeRole::Worker),
    }
}

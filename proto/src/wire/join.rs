//! Applications and admissions over the wire.

use super::v1::admit_response;
use super::{WireError, field, finding, text, v1};
use crate::instruction::Fence;
use crate::join::{Admission, Applicant};

impl From<Applicant> for v1::AdmitRequest {
    fn from(applicant: Applicant) -> Self {
        Self {
            node: applicant.node.into(),
            role: v1::NodeRole::from(applicant.role).into(),
            address: applicant.address.to_string(),
        }
    }
}

impl TryFrom<v1::AdmitRequest> for Applicant {
    type Error = WireError;
    fn try_from(request: v1::AdmitRequest) -> Result<Self, WireError> {
        Ok(Self {
            node: text("node", &request.node)?,
            role: finding::role("role", request.role)?,
            address: text("address", &request.address)?,
        })
    }
}

impl From<Admission> for v1::AdmitResponse {
    fn from(admission: Admission) -> Self {
        let admission = match admission {
            Admission::Waiting(waiting) => admit_response::Admission::Waiting(waiting.into()),
            Admission::Admitted { credentials, fence } => {
                admit_response::Admission::Admitted(v1::Admitted {
                    credentials: Some(credentials.into()),
                    fence: fence.map(|fence| fence.0),
                })
            }
        };
        Self {
            admission: Some(admission),
        }
    }
}

impl TryFrom<v1::AdmitResponse> for Admission {
    type Error = WireError;
    fn try_from(response: v1::AdmitResponse) -> Result<Self, WireError> {
        let admission = response
            .admission
            .ok_or_else(|| WireError::absent("admission"))?;
        Ok(match admission {
            admit_response::Admission::Waiting(waiting) => {
                Self::Waiting(field("waiting", Some(waiting))?)
            }
            admit_response::Admission::Admitted(admitted) => Self::Admitted {
                credentials: field("admitted.credentials", admitted.credentials)?,
                fence: admitted.fence.map(Fence),
            },
        })
    }
}

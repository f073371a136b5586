//! Instructions over the wire: the one place where join credentials travel, under mTLS.

use super::v1::instruction;
use super::{WireError, field, v1};
use crate::instruction::{Fence, Instruction, JoinCredentials, OperationId, Order};
use crate::secret::Secret;

impl From<Instruction> for v1::Instruction {
    fn from(value: Instruction) -> Self {
        let order = match value.order {
            Order::Prepare => instruction::Order::Prepare(instruction::Prepare {}),
            Order::Init => instruction::Order::Init(instruction::Init {}),
            Order::JoinControlPlane(credentials) => {
                instruction::Order::JoinControlPlane(credentials.into())
            }
            Order::JoinWorker(credentials) => instruction::Order::JoinWorker(credentials.into()),
            Order::Clean => instruction::Order::Clean(instruction::Clean {}),
        };
        Self {
            id: value.id.to_string(),
            generation: value.generation,
            fence: value.fence.map(|fence| fence.0),
            order: Some(order),
        }
    }
}

impl TryFrom<v1::Instruction> for Instruction {
    type Error = WireError;
    fn try_from(value: v1::Instruction) -> Result<Self, WireError> {
        let order = match value.order.ok_or_else(|| WireError::absent("order"))? {
            instruction::Order::Prepare(_) => Order::Prepare,
            instruction::Order::Init(_) => Order::Init,
            instruction::Order::JoinControlPlane(credentials) => {
                Order::JoinControlPlane(field("join_control_plane", Some(credentials))?)
            }
            instruction::Order::JoinWorker(credentials) => {
                Order::JoinWorker(field("join_worker", Some(credentials))?)
            }
            instruction::Order::Clean(_) => Order::Clean,
        };
        Ok(Self {
            id: OperationId::new(value.id).map_err(|error| WireError::wrong("id", error))?,
            generation: value.generation,
            fence: value.fence.map(Fence),
            order,
        })
    }
}

impl From<JoinCredentials> for v1::JoinCredentials {
    fn from(credentials: JoinCredentials) -> Self {
        let expose = |secret: Secret| secret.expose().to_owned();
        Self {
            api_server: credentials.api_server,
            token: expose(credentials.token),
            ca_cert_hash: credentials.ca_cert_hash,
            certificate_key: credentials.certificate_key.map(expose),
        }
    }
}

impl TryFrom<v1::JoinCredentials> for JoinCredentials {
    type Error = WireError;
    fn try_from(credentials: v1::JoinCredentials) -> Result<Self, WireError> {
        let filled = |name: &str, text: String| {
            if text.is_empty() {
                return Err(WireError::absent(name));
            }
            Ok(text)
        };
        Ok(Self {
            api_server: filled("api_server", credentials.api_server)?,
            token: Secret::new(filled("token", credentials.token)?),
            ca_cert_hash: filled("ca_cert_hash", credentials.ca_cert_hash)?,
            certificate_key: credentials.certificate_key.map(Secret::new),
        })
    }
}

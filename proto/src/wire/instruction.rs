//! Instructions over the wire: the one place where join credentials travel, under mTLS.

use super::v1::instruction;
use super::{WireError, field, known, text, v1};
use crate::instruction::{Fence, Instruction, JoinCredentials, OperationId, Order};
use crate::rollout::{Drain, ReplaceAgent, RolloutOrder, Upgrade, UpgradePart};
use crate::rotation::{Fingerprint, RotationOrder};
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
            Order::Rollout(order) => order.into(),
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
            order => Order::Rollout(rollout(order)?),
        };
        Ok(Self {
            id: OperationId::new(value.id).map_err(|error| WireError::wrong("id", error))?,
            generation: value.generation,
            fence: value.fence.map(Fence),
            order,
        })
    }
}

impl From<RolloutOrder> for instruction::Order {
    fn from(order: RolloutOrder) -> Self {
        match order {
            RolloutOrder::Stage { target } => Self::Stage(instruction::Stage {
                target: target.to_string(),
            }),
            RolloutOrder::SnapshotEtcd => Self::SnapshotEtcd(instruction::SnapshotEtcd {}),
            RolloutOrder::ReleaseBackend { node } => {
                Self::ReleaseBackend(instruction::Backend { node: node.into() })
            }
            RolloutOrder::ReturnBackend { node } => {
                Self::ReturnBackend(instruction::Backend { node: node.into() })
            }
            RolloutOrder::Drain(drain) => Self::Drain(instruction::Drain {
                node: drain.node.into(),
                limit_seconds: drain.limit_seconds,
                unmanaged: drain.unmanaged,
                local_data: drain.local_data,
            }),
            RolloutOrder::Uncordon { node } => {
                Self::Uncordon(instruction::Uncordon { node: node.into() })
            }
            RolloutOrder::Upgrade(upgrade) => Self::Upgrade(instruction::Upgrade {
                target: upgrade.target.to_string(),
                first: upgrade.first,
                part: v1::UpgradePart::from(upgrade.part).into(),
                keep_etcd: upgrade.keep_etcd,
            }),
            RolloutOrder::ReplaceAgent(order) => Self::ReplaceAgent(instruction::ReplaceAgent {
                version: order.version.to_string(),
                digest: order.digest.to_string(),
            }),
            RolloutOrder::RenewCertificates {
                renewal,
                without_api,
            } => Self::RenewCertificates(instruction::RenewCertificates {
                renewal: renewal.to_string(),
                without_api,
            }),
            RolloutOrder::RotateAuthority(order) => {
                Self::RotateAuthority(instruction::RotateAuthority {
                    authority: order.authority.to_string(),
                    stage: order.stage.to_string(),
                    to: order.to.into(),
                })
            }
            RolloutOrder::InstallKubeletCertificate => {
                Self::InstallKubeletCertificate(instruction::InstallKubeletCertificate {})
            }
        }
    }
}

/// Reads the orders of a rolling upgrade.
fn rollout(order: instruction::Order) -> Result<RolloutOrder, WireError> {
    Ok(match order {
        instruction::Order::Stage(stage) => RolloutOrder::Stage {
            target: text("stage.target", &stage.target)?,
        },
        instruction::Order::SnapshotEtcd(_) => RolloutOrder::SnapshotEtcd,
        instruction::Order::ReleaseBackend(backend) => RolloutOrder::ReleaseBackend {
            node: text("release_backend.node", &backend.node)?,
        },
        instruction::Order::ReturnBackend(backend) => RolloutOrder::ReturnBackend {
            node: text("return_backend.node", &backend.node)?,
        },
        instruction::Order::Drain(drain) => RolloutOrder::Drain(Drain {
            node: text("drain.node", &drain.node)?,
            limit_seconds: drain.limit_seconds,
            unmanaged: drain.unmanaged,
            local_data: drain.local_data,
        }),
        instruction::Order::Uncordon(uncordon) => RolloutOrder::Uncordon {
            node: text("uncordon.node", &uncordon.node)?,
        },
        instruction::Order::Upgrade(upgrade) => RolloutOrder::Upgrade(Upgrade {
            target: text("upgrade.target", &upgrade.target)?,
            first: upgrade.first,
            part: part("upgrade.part", upgrade.part)?,
            keep_etcd: upgrade.keep_etcd,
        }),
        instruction::Order::ReplaceAgent(order) => RolloutOrder::ReplaceAgent(ReplaceAgent {
            version: text("replace_agent.version", &order.version)?,
            digest: text("replace_agent.digest", &order.digest)?,
        }),
        instruction::Order::RenewCertificates(renew) => RolloutOrder::RenewCertificates {
            renewal: OperationId::new(renew.renewal)
                .map_err(|error| WireError::wrong("renew_certificates.renewal", error))?,
            without_api: renew.without_api,
        },
        instruction::Order::RotateAuthority(order) => {
            RolloutOrder::RotateAuthority(RotationOrder {
                authority: text("rotate_authority.authority", &order.authority)?,
                stage: text("rotate_authority.stage", &order.stage)?,
                to: Fingerprint::try_from(order.to)
                    .map_err(|reason| WireError::wrong("rotate_authority.to", reason))?,
            })
        }
        instruction::Order::InstallKubeletCertificate(_) => RolloutOrder::InstallKubeletCertificate,
        _ => return Err(WireError::wrong("order", "it is not known here")),
    })
}

impl From<UpgradePart> for v1::UpgradePart {
    fn from(part: UpgradePart) -> Self {
        match part {
            UpgradePart::Whole => Self::Whole,
            UpgradePart::ControlPlane => Self::ControlPlane,
            UpgradePart::Kubelet => Self::Kubelet,
            UpgradePart::Etcd => Self::Etcd,
        }
    }
}

fn part(name: &str, value: i32) -> Result<UpgradePart, WireError> {
    Ok(match known(name, value)? {
        v1::UpgradePart::Unspecified => return Err(WireError::absent(name)),
        v1::UpgradePart::Whole => UpgradePart::Whole,
        v1::UpgradePart::ControlPlane => UpgradePart::ControlPlane,
        v1::UpgradePart::Kubelet => UpgradePart::Kubelet,
        v1::UpgradePart::Etcd => UpgradePart::Etcd,
    })
}

impl From<JoinCredentials> for v1::JoinCredentials {
    fn from(credentials: JoinCredentials) -> Self {
        let expose = |secret: Secret| secret.expose().to_owned();
        Self {
            api_server: credentials.api_server,
            token: expose(credentials.token),
            ca_cert_hash: credentials.ca_cert_hash,
            certificate_key: credentials.certificate_key.map(expose),
            etcd_member_kept: credentials.etcd_member_kept,
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
            etcd_member_kept: credentials.etcd_member_kept,
        })
    }
}

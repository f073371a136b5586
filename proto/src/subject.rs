//! Who a certificate is of: cluster, role and name, as its URI says it.
//!
//! `spiffe://CLUSTER.hactl/ROLE/NAME` (the form of SPIFFE-ID section 2, with a trust domain a cluster). Peers are verified by
//! this name, never by an address; servers carry the DNS name `NAME.CLUSTER.hactl` too, since TLS clients ask for one.

use std::fmt;

use crate::name::{ClusterId, NodeName};
use crate::role::CallerRole;

/// The common name of the cluster's own CA begins so; the cluster id follows.
const ROOT: &str = "hactl ca ";
/// The common name of a control plane's intermediate begins so; its node's name follows.
const INTERMEDIATE: &str = "hactl issuer ";

/// Who a certificate is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// What its holder may ask of an agent.
    pub role: CallerRole,
    /// The node's name; for people, a name that the operator chose, in the same alphabet.
    pub name: NodeName,
}

/// Why a text is not a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form spiffe://CLUSTER.hactl/ROLE/NAME")]
pub struct SubjectError(String);

impl Subject {
    /// The URI in the certificate.
    pub fn uri(&self) -> String {
        format!(
            "spiffe://{}.hactl/{}/{}",
            self.cluster, self.role, self.name
        )
    }

    /// Reads [`Subject::uri`] back.
    pub fn parse(uri: &str) -> Result<Self, SubjectError> {
        let parse = || {
            let (domain, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
            let (role, name) = path.split_once('/')?;
            Some(Self {
                cluster: ClusterId::try_from(domain.strip_suffix(".hactl")?.to_owned()).ok()?,
                role: CallerRole::parse(role)?,
                name: NodeName::new(name).ok()?,
            })
        };
        parse().ok_or_else(|| SubjectError(uri.to_owned()))
    }

    /// The common name of the only issuer that may have signed a certificate of this subject; `None`: any control plane's
    /// intermediate. A control plane can name itself and workers: neither an operator nor another control plane.
    pub fn issuer(&self) -> Option<String> {
        match self.role {
            CallerRole::Operator | CallerRole::Viewer => Some(root_name(self.cluster)),
            CallerRole::ControlPlane => Some(intermediate_name(&self.name)),
            CallerRole::Worker => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role, self.name)
    }
}

/// The DNS name under which a node's agent is verified.
pub fn dns_name(node: &NodeName, cluster: ClusterId) -> String {
    format!("{node}.{cluster}.hactl")
}

/// The common name of the cluster's own CA.
pub fn root_name(cluster: ClusterId) -> String {
    format!("{ROOT}{cluster}")
}

/// The common name of a control plane's intermediate CA.
pub fn intermediate_name(node: &NodeName) -> String {
    format!("{INTERMEDIATE}{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(role: CallerRole, name: &str) -> Subject {
        Subject {
            cluster: ClusterId::from_bytes([0xab; 16]),
            role,
            name: NodeName::new(name).unwrap(),
        }
    }

    #[test]
    fn a_subject_reads_back() {
        let cp1 = subject(CallerRole::ControlPlane, "cp1.example.org");
        let id = "ab".repeat(16);
        assert_eq!(
            cp1.uri(),
            format!("spiffe://{id}.hactl/control-plane/cp1.example.org")
        );
        assert_eq!(Subject::parse(&cp1.uri()), Ok(cp1));
    }

    #[test]
    fn other_uris_are_refused() {
        let id = "ab".repeat(16);
        for uri in [
            String::new(),
            "spiffe://hactl/operator/eve".into(),
            format!("spiffe://{id}.hactl/root/eve"),
            format!("spiffe://{id}.hactl/operator/"),
            format!("spiffe://{id}.hactl/operator/a/b"),
            format!("spiffe://{id}.example/operator/eve"),
            format!("https://{id}.hactl/operator/eve"),
            format!("spiffe://{}.hactl/operator/eve", "ab".repeat(15)),
        ] {
            assert!(Subject::parse(&uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn only_the_operators_own_ca_names_people_and_only_itself_a_control_plane() {
        let issuer = |role| subject(role, "n1").issuer();
        assert_eq!(issuer(CallerRole::Operator), issuer(CallerRole::Viewer));
        assert!(
            issuer(CallerRole::Operator)
                .unwrap()
                .starts_with("hactl ca ")
        );
        assert_eq!(issuer(CallerRole::ControlPlane).unwrap(), "hactl issuer n1");
        assert_eq!(issuer(CallerRole::Worker), None);
    }
}

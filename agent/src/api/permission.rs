//! Who may call what: one table, role by method. What is not in it is not served.

use hactl_proto::role::CallerRole;
use hactl_proto::role::CallerRole::{ControlPlane, Operator, Viewer, Worker};

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Also a caller without a certificate: it brings a token.
    Anyone,
    /// Holders of a certificate of one of these roles.
    Roles(&'static [CallerRole]),
}

/// The table.
pub const PERMISSIONS: &[(&str, Permission)] = &[
    ("/hactl.v1.EnrolmentService/Enrol", Permission::Anyone),
    (
        "/hactl.v1.EnrolmentService/Renew",
        Permission::Roles(&[Worker]),
    ),
    (
        "/hactl.v1.NodeService/GetStatus",
        Permission::Roles(&[Operator, Viewer, ControlPlane]),
    ),
    (
        "/hactl.v1.NodeService/Inspect",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.NodeService/ReadJournal",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.OperationService/Execute",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.OperationService/GetOperation",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.MembershipService/ListMembers",
        Permission::Roles(&[Operator, Viewer, ControlPlane, Worker]),
    ),
    (
        "/hactl.v1.MembershipService/Exchange",
        Permission::Roles(&[ControlPlane, Worker]),
    ),
    (
        "/hactl.v1.BootstrapService/GetStanding",
        Permission::Roles(&[Operator, Viewer, ControlPlane, Worker]),
    ),
    (
        "/hactl.v1.BootstrapService/RequestGrant",
        Permission::Roles(&[ControlPlane]),
    ),
    (
        "/hactl.v1.BootstrapService/AnnounceMember",
        Permission::Roles(&[ControlPlane]),
    ),
    (
        "/hactl.v1.BootstrapService/OverrideGrant",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.JoinService/Admit",
        Permission::Roles(&[ControlPlane, Worker]),
    ),
    (
        "/hactl.v1.JoinService/Complete",
        Permission::Roles(&[ControlPlane, Worker]),
    ),
    (
        "/hactl.v1.RolloutService/Survey",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.RolloutService/GetRollout",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.RolloutService/PutRollout",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.RolloutService/TakeLease",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.RolloutService/RenewLease",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.RolloutService/PutPackage",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.RolloutService/ReleaseLease",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.CertificateService/GetInventory",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.CertificateService/RenewCertificates",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.CertificateService/RehearseRenewal",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.CertificateService/YieldBackend",
        Permission::Roles(&[ControlPlane]),
    ),
    (
        "/hactl.v1.CertificateService/SignKubelet",
        Permission::Roles(&[ControlPlane, Worker]),
    ),
    (
        "/hactl.v1.CertificateService/GetTrust",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.CertificateService/RotateAuthority",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.CertificateService/GivePair",
        Permission::Roles(&[ControlPlane]),
    ),
    (
        "/hactl.v1.TrustService/GetKeyRing",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.TrustService/PutKeyRing",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.TrustService/GetOwnTrust",
        Permission::Roles(&[Operator, Viewer]),
    ),
    (
        "/hactl.v1.TrustService/PutRoots",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.TrustService/RequestIssuer",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.TrustService/PutIssuer",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.TrustService/RenewIdentity",
        Permission::Roles(&[Operator]),
    ),
    (
        "/hactl.v1.CredentialService/GetKubeconfig",
        Permission::Roles(&[Operator]),
    ),
];

/// Why a call is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// There is no such method in this agent's protocol.
    #[error("{path} is not a method of this agent")]
    NoSuchMethod {
        /// What was asked for.
        path: String,
    },
    /// The caller showed no certificate, and the method wants one.
    #[error("{path} wants a client certificate of this cluster; only Enrol is open without one")]
    NoCertificate {
        /// What was asked for.
        path: String,
    },
    /// The caller's role does not have the method.
    #[error("{path} is for {}; the caller is {role}", names(.allowed))]
    WrongRole {
        /// What was asked for.
        path: String,
        /// Who may.
        allowed: &'static [CallerRole],
        /// Who asked.
        role: CallerRole,
    },
}

fn names(roles: &[CallerRole]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    names.join(" or ")
}

/// Whether a caller of that role (`None`: without a certificate) may call the method.
pub fn check(path: &str, role: Option<CallerRole>) -> Result<(), Denial> {
    let path_text = || path.to_owned();
    let permission = PERMISSIONS.iter().find(|(method, _)| *method == path);
    match (permission, role) {
        (None, _) => Err(Denial::NoSuchMethod { path: path_text() }),
        (Some((_, Permission::Anyone)), _) => Ok(()),
        (Some(_), None) => Err(Denial::NoCertificate { path: path_text() }),
        (Some((_, Permission::Roles(allowed))), Some(role)) if !allowed.contains(&role) => {
            Err(Denial::WrongRole {
                path: path_text(),
                allowed,
                role,
            })
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `rpc` of the protocol files, as a path.
    fn methods() -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/hactl/v1");
        let mut methods = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let mut service = "";
            for line in text.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("service ") {
                    service = rest.split(' ').next().unwrap();
                }
                if let Some(rest) = line.strip_prefix("rpc ") {
                    let method = rest.split('(').next().unwrap();
                    methods.push(format!("/hactl.v1.{service}/{method}"));
                }
            }
        }
        methods.sort();
        methods
    }

    #[test]
    fn the_table_has_every_method_once_and_no_other() {
        let mut table: Vec<_> = PERMISSIONS
            .iter()
            .map(|(path, _)| (*path).to_owned())
            .collect();
        table.sort();
        assert_eq!(table, methods());
    }

    #[test]
    fn without_a_certificate_only_enrol_is_open() {
        let open: Vec<_> = PERMISSIONS
            .iter()
            .filter(|(path, _)| check(path, None).is_ok())
            .map(|(path, _)| *path)
            .collect();
        assert_eq!(open, ["/hactl.v1.EnrolmentService/Enrol"]);
    }

    #[test]
    fn a_viewer_changes_nothing_and_a_worker_grants_nothing() {
        let of =
            |role| move |method: &str| check(&format!("/hactl.v1.{method}"), Some(role)).is_ok();
        let viewer = of(Viewer);
        assert!(viewer("NodeService/GetStatus") && viewer("MembershipService/ListMembers"));
        for method in [
            "OperationService/Execute",
            "RolloutService/PutPackage",
            "BootstrapService/OverrideGrant",
            "CredentialService/GetKubeconfig",
            "CertificateService/GivePair",
            "CertificateService/RotateAuthority",
            "MembershipService/Exchange",
            "TrustService/PutKeyRing",
            "TrustService/PutRoots",
            "TrustService/PutIssuer",
        ] {
            assert!(!viewer(method), "{method}");
        }
        let worker = of(Worker);
        assert!(worker("JoinService/Admit") && worker("EnrolmentService/Renew"));
        assert!(!worker("BootstrapService/RequestGrant") && !worker("OperationService/Execute"));
    }

    #[test]
    fn a_denial_says_who_may_and_who_asked() {
        let denial = check("/hactl.v1.OperationService/Execute", Some(Viewer)).unwrap_err();
        assert_eq!(
            denial.to_string(),
            "/hactl.v1.OperationService/Execute is for operator; the caller is viewer"
        );
        let denial = check("/grpc.health.v1.Health/Check", Some(Operator)).unwrap_err();
        assert!(matches!(denial, Denial::NoSuchMethod { .. }));
    }
}

//! Bundles: what one machine gets.

use std::path::PathBuf;

use hactl_proto::Timestamp;
use hactl_proto::bundle::{Admission, BUNDLE_API, Bundle};
use hactl_proto::enrolment::Claim;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::secret::Secret;
use hactl_proto::spec::ClusterSpec;

use super::authority::Authority;
use super::error::AuthorityError;
use super::folder;
use super::profile;

impl Authority {
    /// The bundle of a declared node. A worker's enrolment token ends at `token_expires`.
    pub fn bundle(
        &self,
        spec: &ClusterSpec,
        node: &NodeName,
        now: Timestamp,
        token_expires: Timestamp,
    ) -> Result<Bundle, AuthorityError> {
        let (declared, role) = spec
            .declared(node)
            .ok_or_else(|| AuthorityError::NotDeclared { node: node.clone() })?;
        let admission = match role {
            NodeRole::ControlPlane => self.issuer(node, now)?,
            NodeRole::Worker => self.token(Some(node.clone()), &declared.zone, token_expires),
        };
        Ok(self.assemble(spec, Some(node.clone()), role, &declared.zone, admission))
    }

    /// A bundle for a worker that the spec does not name: for any machine, named by its host name, or for one name.
    pub fn worker_bundle(
        &self,
        spec: &ClusterSpec,
        node: Option<&NodeName>,
        zone: &ZoneName,
        token_expires: Timestamp,
    ) -> Result<Bundle, AuthorityError> {
        if !spec.policies.worker_enrolment {
            return Err(AuthorityError::EnrolmentOff);
        }
        if !spec.zones.contains(zone) {
            return Err(AuthorityError::NoSuchZone { zone: zone.clone() });
        }
        if let Some(node) = node
            && spec.control_planes.iter().any(|plane| plane.name == *node)
        {
            return Err(AuthorityError::ControlPlane { node: node.clone() });
        }
        let admission = self.token(node.cloned(), zone, token_expires);
        Ok(self.assemble(spec, node.cloned(), NodeRole::Worker, zone, admission))
    }

    /// Writes a bundle to `bundles/NODE.json` (`bundles/worker-ZONE.json` for any machine), mode 0600.
    pub fn write_bundle(&self, bundle: &Bundle) -> Result<PathBuf, AuthorityError> {
        let name = match &bundle.node {
            Some(node) => node.to_string(),
            None => format!("worker-{}", bundle.zone),
        };
        let path = folder::bundle_file(self.folder(), &name);
        let json =
            serde_json::to_string_pretty(bundle).map_err(|error| AuthorityError::Malformed {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        folder::write(&path, &json, folder::PRIVATE)?;
        Ok(path)
    }

    fn issuer(&self, node: &NodeName, now: Timestamp) -> Result<Admission, AuthorityError> {
        let pair = profile::intermediate(node, self.ca(), now)?;
        Ok(Admission::Issuer {
            certificate: pair.certificate,
            key: pair.key.expose().to_owned(),
            enrolment_key: self.enrolment().expose().to_owned(),
        })
    }

    fn token(&self, node: Option<NodeName>, zone: &ZoneName, expires: Timestamp) -> Admission {
        let claim = Claim {
            cluster: self.cluster(),
            node,
            zone: zone.clone(),
            expires,
        };
        let token: Secret = claim.token(self.mac(&claim.signed()).as_ref());
        Admission::Token {
            token: token.expose().to_owned(),
        }
    }

    fn assemble(
        &self,
        spec: &ClusterSpec,
        node: Option<NodeName>,
        role: NodeRole,
        zone: &ZoneName,
        admission: Admission,
    ) -> Bundle {
        Bundle {
            api_version: BUNDLE_API.to_owned(),
            kind: "Bundle".to_owned(),
            cluster_id: self.cluster(),
            generation: self.generation(),
            node,
            role,
            zone: zone.clone(),
            spec: spec.clone(),
            ca_certificate: self.ca_certificate(),
            trust_revision: self.trust_revision(),
            gossip_keys: self.gossip().keys.clone(),
            gossip_revision: self.gossip().revision,
            admission,
        }
    }
}

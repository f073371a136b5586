//! Issuing bundles: what `init` and `bundle` share.

use clap::Args;
use hactl_proto::Timestamp;
use hactl_proto::name::{NodeName, ZoneName};

use crate::exit::Failure;
use crate::present::{Bundles, WrittenBundle};
use crate::state::{self, Kept};
use crate::trust::{Authority, AuthorityError};

const DAY_SECONDS: i64 = 86_400;

/// How long workers' enrolment tokens last.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Term {
    /// A worker may use its bundle for the first time within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=365))]
    token_days: u16,
}

impl Term {
    fn expires(self, now: Timestamp) -> Timestamp {
        let end = now.as_second() + i64::from(self.token_days) * DAY_SECONDS;
        Timestamp::from_second(end).unwrap_or(now)
    }
}

/// What bundles are made with.
pub(super) struct Issue<'a> {
    pub(super) authority: &'a Authority,
    pub(super) kept: &'a Kept,
    pub(super) term: &'a Term,
}

impl Issue<'_> {
    /// A bundle for every declared node, and one a zone for workers that enrol where the spec lets them.
    pub(super) fn all(&self) -> Result<Bundles, Failure> {
        let spec = &self.kept.spec;
        let declared = spec.control_planes.iter().chain(&spec.workers);
        let mut written = self.nodes(declared.map(|node| &node.name))?;
        if spec.policies.worker_enrolment {
            for zone in &spec.zones {
                written.push(self.worker(None, zone)?);
            }
        }
        self.finish(written)
    }

    /// Bundles for some declared nodes.
    pub(super) fn some(&self, names: &[NodeName]) -> Result<Bundles, Failure> {
        let written = self.nodes(names)?;
        self.finish(written)
    }

    /// A bundle for a worker that the spec does not declare.
    pub(super) fn enrolling(
        &self,
        node: Option<&NodeName>,
        zone: &ZoneName,
    ) -> Result<Bundles, Failure> {
        let written = vec![self.worker(node, zone)?];
        self.finish(written)
    }

    fn nodes<'n>(
        &self,
        names: impl IntoIterator<Item = &'n NodeName>,
    ) -> Result<Vec<WrittenBundle>, Failure> {
        let now = Timestamp::now();
        let mut written = Vec::new();
        for name in names {
            let bundle = self
                .authority
                .bundle(&self.kept.spec, name, now, self.term.expires(now));
            let bundle = bundle.map_err(refused_if_unfit)?;
            written.push(WrittenBundle {
                node: name.to_string(),
                role: bundle.role.as_str(),
                file: self.authority.write_bundle(&bundle).map_err(failed)?,
            });
        }
        Ok(written)
    }

    fn worker(&self, node: Option<&NodeName>, zone: &ZoneName) -> Result<WrittenBundle, Failure> {
        let expires = self.term.expires(Timestamp::now());
        let bundle = self
            .authority
            .worker_bundle(&self.kept.spec, node, zone, expires)
            .map_err(refused_if_unfit)?;
        Ok(WrittenBundle {
            node: node.map_or_else(|| format!("any worker in zone {zone}"), ToString::to_string),
            role: bundle.role.as_str(),
            file: self.authority.write_bundle(&bundle).map_err(failed)?,
        })
    }

    /// Keeps the spec once the bundles are there: what is kept is what they were made from.
    fn finish(&self, bundles: Vec<WrittenBundle>) -> Result<Bundles, Failure> {
        state::write(self.authority.folder(), self.kept)?;
        Ok(Bundles {
            name: self.kept.spec.name.clone(),
            cluster: self.authority.cluster(),
            generation: self.kept.generation,
            state: self.authority.folder().to_owned(),
            bundles,
        })
    }
}

fn failed(error: AuthorityError) -> Failure {
    Failure::failed("write the bundles")(error)
}

fn refused_if_unfit(error: AuthorityError) -> Failure {
    match error {
        AuthorityError::NotDeclared { .. }
        | AuthorityError::NoSuchZone { .. }
        | AuthorityError::EnrolmentOff
        | AuthorityError::ControlPlane { .. } => Failure::Refused(format!("failed to {error}")),
        error => failed(error),
    }
}

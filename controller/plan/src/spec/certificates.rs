//! `spec.certificates`: when Kubernetes' certificates are renewed.

use hactl_proto::spec::certificates::CertificatePolicy;

use super::field::Fields;
use super::problem::Problems;

/// Fields of `spec.certificates`.
pub(crate) const FIELDS: &[&str] = &["renewBeforeDays"];

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> CertificatePolicy {
    let mut policy = CertificatePolicy::default();
    let section = body.get("certificates");
    let Some(fields) = section.and_then(|section| Fields::open(&section, FIELDS, problems)) else {
        return policy;
    };
    if let Some(days) = fields
        .get("renewBeforeDays")
        .and_then(|value| value.integer(1, 300, problems))
    {
        policy.renew_before_days = days;
    }
    policy
}

//! When Kubernetes' certificates are renewed.

use serde::{Deserialize, Serialize};

/// When Kubernetes' certificates are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CertificatePolicy {
    /// So many days before its end a certificate is renewed; one that lives shorter, when a third of its life is left.
    pub renew_before_days: u16,
}

impl Default for CertificatePolicy {
    fn default() -> Self {
        Self {
            renew_before_days: 30,
        }
    }
}

impl CertificatePolicy {
    /// The same in seconds.
    pub fn renew_before_seconds(&self) -> i64 {
        i64::from(self.renew_before_days) * 86_400
    }
}

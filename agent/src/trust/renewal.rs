//! The certificate renews itself: at two thirds of its life, with a third left to try in.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hactl_proto::Timestamp;
use hactl_proto::mtls::Certified;

use super::error::IdentityError;
use super::identity::Identity;
use crate::host::Host;
use crate::paths::Paths;

/// The wall clock is asked at least so often: it may jump, and a machine may sleep.
const LOOK: Duration = Duration::from_hours(1);
/// Between two tries that failed.
const RETRY: Duration = Duration::from_mins(5);

/// Renews the certificate whenever it is due. Never returns.
pub async fn keep_renewed<H: Host>(host: Arc<H>, paths: Paths, identity: Arc<Identity>) {
    loop {
        tokio::time::sleep(next_look(&identity.certified(), host.now())).await;
        let certified = identity.certified();
        if host.now() < certified.renew_at() {
            continue;
        }
        match identity.renew(&*host, &paths).await {
            Ok(()) => {
                let ends = identity.certified().ends;
                tracing::info!(%ends, "renewed this node's certificate");
            }
            Err(error) => {
                failed(&error, certified.ends);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn failed(error: &IdentityError, ends: Timestamp) {
    let error = error as &(dyn Error + 'static);
    tracing::warn!(error, %ends, "failed to renew this node's certificate");
}

/// How long to sleep before the clock is looked at again.
fn next_look(certified: &Certified, now: Timestamp) -> Duration {
    let left = certified.renew_at().as_second() - now.as_second();
    Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(LOOK)
}

#[cfg(test)]
mod tests {
    use hactl_proto::name::{ClusterId, NodeName};
    use hactl_proto::role::CallerRole;
    use hactl_proto::subject::Subject;

    use super::*;

    #[test]
    fn a_certificate_is_due_at_two_thirds_of_its_life_and_looked_at_each_hour() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let certified = Certified {
            subject: Subject {
                cluster: ClusterId::from_bytes([1; 16]),
                role: CallerRole::Worker,
                name: NodeName::new("w1").unwrap(),
            },
            issuer: "hactl issuer cp1".into(),
            begins: at(1_000_000),
            ends: at(1_090_000),
            key: [0; 32],
        };
        assert_eq!(certified.renew_at(), at(1_060_000));
        assert_eq!(next_look(&certified, at(1_000_000)), LOOK);
        assert_eq!(
            next_look(&certified, at(1_059_990)),
            Duration::from_secs(10)
        );
        assert_eq!(next_look(&certified, at(1_080_000)), Duration::ZERO);
    }
}

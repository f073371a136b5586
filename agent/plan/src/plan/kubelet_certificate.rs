//! The plan that puts a certificate in which the agent has got for the kubelet.
//!
//! The pair lies ready until the kubelet runs with it, so that whatever was cut off before is done again.

use hactl_proto::certificate::CertificateInventory;
use hactl_proto::finding::Finding;

use super::Refusal;
use super::kubernetes::refusal;
use crate::facts::Known;
use crate::facts::rollout::RolloutFacts;
use crate::step::Step;
use crate::step::certificates::CertificateStep;

/// The certificate's name in the inventory.
const NAME: &str = "kubelet-client";

/// Computes the steps that are left. Repeated after success it is empty.
pub fn install(facts: &RolloutFacts) -> Result<Vec<Step>, Refusal> {
    match (&facts.kubelet_pair, &facts.certificates) {
        (Known::Is(true), _) => Ok(vec![Step::Certificate(CertificateStep::InstallKubelet)]),
        (Known::Is(false), Known::Is(seen)) if !ended(seen) => Ok(Vec::new()),
        (Known::Is(false), _) => Err(refused(
            "no certificate for the kubelet lies ready".to_owned(),
        )),
        (Known::Unknown(reason), _) => Err(refused(format!(
            "whether a certificate for the kubelet lies ready is unknown: {reason}"
        ))),
    }
}

/// Whether the kubelet's client certificate has ended. One that can't be read is not known to have.
pub fn ended(seen: &CertificateInventory) -> bool {
    seen.named(NAME).is_some_and(|one| one.not_after <= seen.at)
}

fn refused(observed: String) -> Refusal {
    let finding: Finding = refusal(
        "kubelet-certificate-ready",
        observed,
        "a certificate and its key in the agent's folder".to_owned(),
        "The agent gets one by itself where the kubelet's has ended; see its log.",
    );
    Refusal {
        findings: vec![finding],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::Timestamp;
    use hactl_proto::certificate::{CertificateSeen, KeySeen, Renewal};
    use hactl_proto::name::NodeName;

    fn facts(end: i64, pair: Known<bool>) -> RolloutFacts {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let certificates = Known::Is(CertificateInventory {
            node: NodeName::new("w1").unwrap(),
            at: at(1_000),
            certificates: vec![CertificateSeen {
                name: NAME.to_owned(),
                file: String::new(),
                authority: false,
                subject: String::new(),
                issuer: String::new(),
                sans: Vec::new(),
                not_before: at(0),
                not_after: at(end),
                serial: "1".to_owned(),
                sha256: String::new(),
                signed_by: None,
                key: KeySeen::Belongs,
                renewal: Renewal::Kubelet,
            }],
            served: Vec::new(),
            findings: Vec::new(),
        });
        RolloutFacts {
            kubelet_pair: pair,
            certificates,
            ..RolloutFacts::default()
        }
    }

    #[test]
    fn what_lies_ready_is_put_in_and_nothing_is_done_twice() {
        let step = vec![Step::Certificate(CertificateStep::InstallKubelet)];
        assert_eq!(install(&facts(900, Known::Is(true))), Ok(step.clone()));
        // Written, but the agent ended before the kubelet was restarted.
        assert_eq!(install(&facts(9_000, Known::Is(true))), Ok(step));
        assert_eq!(install(&facts(9_000, Known::Is(false))), Ok(Vec::new()));
    }

    #[test]
    fn without_a_pair_an_ended_certificate_is_a_refusal() {
        for pair in [Known::Is(false), Known::Unknown("read: denied".to_owned())] {
            let refusal = install(&facts(900, pair)).unwrap_err();
            assert_eq!(refusal.findings[0].check, "kubelet-certificate-ready");
        }
    }
}

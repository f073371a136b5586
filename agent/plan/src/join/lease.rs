//! The cluster's lease `kube-system/hactl`: one join of a control plane, or one disruption, at a time (I1).
//!
//! Its `leaseTransitions` is the fencing number: it is raised whenever the lease is taken, and an agent refuses an instruction with a
//! number below the highest that it saw. It is written with the resourceVersion that was read, so of two takers one loses.

use std::fmt;
use std::str::FromStr;

use hactl_proto::Timestamp;
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use serde::Deserialize;
use serde_json::json;

/// The Lease's namespace.
pub const NAMESPACE: &str = "kube-system";
/// The Lease's name.
pub const NAME: &str = "hactl";
/// Seconds after its last renewal that a lease holds.
pub const DURATION: i64 = 60;
/// Seconds by which clocks of control planes may differ before a lease is thought to have run out too early.
const CLOCKS: i64 = 10;

/// For whom the lease is held, by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The member that took it.
    pub sponsor: NodeName,
    /// The node that joins under it.
    pub joiner: NodeName,
}

/// The Lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Whoever holds it; empty: nobody.
    pub holder: String,
    /// When it was taken.
    pub acquired: Option<Timestamp>,
    /// When it was renewed last.
    pub renewed: Option<Timestamp>,
    /// Its duration in seconds.
    pub duration: i64,
    /// The fencing number.
    pub number: u64,
    /// What a replacement has to name.
    pub resource_version: String,
}

/// What to do to get the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// Create it.
    Create {
        /// The object.
        object: String,
        /// The number that it gets.
        fence: Fence,
    },
    /// Replace it.
    Replace {
        /// The object.
        object: String,
        /// The number that it gets.
        fence: Fence,
        /// Its holder vanished without letting go, or tries again: what was minted under it has to go first.
        abandoned: bool,
    },
    /// Wait.
    Held {
        /// Who holds it.
        by: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/join/{}", self.sponsor, self.joiner)
    }
}

impl Holder {
    /// Reads the display form back; leases of other purposes have other holders.
    pub fn parse(text: &str) -> Option<Self> {
        let (sponsor, joiner) = text.split_once("/join/")?;
        Some(Self {
            sponsor: NodeName::new(sponsor).ok()?,
            joiner: NodeName::new(joiner).ok()?,
        })
    }
}

impl Lease {
    /// Whether nobody can be acting under it any more, as long as clocks differ by less than ten seconds.
    pub fn free(&self, now: Timestamp) -> bool {
        self.holder.is_empty()
            || self
                .renewed
                .is_none_or(|renewed| now.as_second() > renewed.as_second() + self.patience())
    }

    /// Seconds without a renewal after which nobody can be acting under it, whatever the clocks say.
    pub const fn patience(&self) -> i64 {
        self.duration + CLOCKS
    }

    /// Whether this holder holds it under this number, whatever the time.
    pub fn is_held(&self, holder: &Holder, fence: Fence) -> bool {
        self.holder == holder.to_string() && self.number == fence.0
    }
}

/// Reads `kubectl get lease -o json`.
pub fn read(text: &str) -> Option<Lease> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
        #[serde(default)]
        spec: Spec,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Spec {
        holder_identity: Option<String>,
        acquire_time: Option<String>,
        renew_time: Option<String>,
        lease_duration_seconds: Option<i64>,
        lease_transitions: Option<u64>,
    }
    let object: Object = serde_json::from_str(text).ok()?;
    Some(Lease {
        holder: object.spec.holder_identity.unwrap_or_default(),
        acquired: time(object.spec.acquire_time).ok()?,
        renewed: time(object.spec.renew_time).ok()?,
        duration: object.spec.lease_duration_seconds.unwrap_or(DURATION),
        number: object.spec.lease_transitions.unwrap_or(0),
        resource_version: object.metadata.resource_version,
    })
}

/// A time that is not there is fine; one that is no time is not.
fn time(text: Option<String>) -> Result<Option<Timestamp>, <Timestamp as FromStr>::Err> {
    text.map(|text| text.parse()).transpose()
}

/// How to take the lease. A joiner that asks again, at whatever member, takes over what was taken for it before: it runs one operation at
/// a time, so its earlier try is over.
pub fn take(lease: Option<&Lease>, holder: &Holder, now: Timestamp) -> Take {
    let Some(lease) = lease else {
        let fence = Fence(1);
        return Take::Create {
            object: object(&taken(holder, fence, now, String::new())),
            fence,
        };
    };
    let own = Holder::parse(&lease.holder).is_some_and(|held| held.joiner == holder.joiner);
    if !own && !lease.free(now) {
        return Take::Held {
            by: lease.holder.clone(),
        };
    }
    let fence = Fence(lease.number + 1);
    Take::Replace {
        object: object(&taken(holder, fence, now, lease.resource_version.clone())),
        fence,
        abandoned: !lease.holder.is_empty(),
    }
}

/// The renewed lease; `None`: it is lost, another has it.
pub fn renew(lease: &Lease, holder: &Holder, fence: Fence, now: Timestamp) -> Option<String> {
    lease.is_held(holder, fence).then(|| {
        object(&Lease {
            renewed: Some(now),
            ..lease.clone()
        })
    })
}

/// The lease without a holder, if it is held for this joiner; the number stays.
pub fn release(lease: &Lease, joiner: &NodeName, now: Timestamp) -> Option<String> {
    let held = Holder::parse(&lease.holder)?;
    (held.joiner == *joiner).then(|| {
        object(&Lease {
            holder: String::new(),
            duration: 1,
            renewed: Some(now),
            ..lease.clone()
        })
    })
}

fn taken(holder: &Holder, fence: Fence, now: Timestamp, resource_version: String) -> Lease {
    Lease {
        holder: holder.to_string(),
        acquired: Some(now),
        renewed: Some(now),
        duration: DURATION,
        number: fence.0,
        resource_version,
    }
}

/// A lease that nobody has made yet.
pub(crate) fn create(lease: &Lease, fence: Fence) -> Take {
    Take::Create {
        object: object(lease),
        fence,
    }
}

/// The object to write.
pub(crate) fn object_of(lease: &Lease) -> String {
    object(lease)
}

/// The object to write. Without a resourceVersion it is a new one.
fn object(lease: &Lease) -> String {
    let mut metadata = json!({ "name": NAME, "namespace": NAMESPACE });
    if !lease.resource_version.is_empty() {
        metadata["resourceVersion"] = json!(lease.resource_version);
    }
    // The API's MicroTime wants six digits.
    let time = |time: Option<Timestamp>| time.map(|time| format!("{time:.6}"));
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.duration,
            "leaseTransitions": lease.number,
            "acquireTime": time(lease.acquired),
            "renewTime": time(lease.renewed),
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn holder(sponsor: &str, joiner: &str) -> Holder {
        Holder {
            sponsor: name(sponsor),
            joiner: name(joiner),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What the API would give back for an object that was written.
    fn stored(object: &str, version: &str) -> Lease {
        let mut value: serde_json::Value = serde_json::from_str(object).unwrap();
        value["metadata"]["resourceVersion"] = json!(version);
        read(&value.to_string()).unwrap()
    }

    fn taken(lease: Option<&Lease>, by: &Holder, now: i64) -> (Lease, Fence, bool) {
        match take(lease, by, at(now)) {
            Take::Create { object, fence } => (stored(&object, "1"), fence, false),
            Take::Replace {
                object,
                fence,
                abandoned,
            } => (stored(&object, "2"), fence, abandoned),
            Take::Held { by } => panic!("held by {by}"),
        }
    }

    #[test]
    fn a_lease_is_taken_renewed_released_and_its_number_only_grows() {
        let (first, second) = (holder("cp1", "cp2"), holder("cp1", "cp3"));
        let (lease, fence, _) = taken(None, &first, 1000);
        assert_eq!(fence, Fence(1));
        let held = Take::Held {
            by: "cp1/join/cp2".to_owned(),
        };
        assert_eq!(take(Some(&lease), &second, at(1060)), held);
        let renewed = stored(&renew(&lease, &first, fence, at(1050)).unwrap(), "3");
        assert_eq!(take(Some(&renewed), &second, at(1100)), held);
        let freed = stored(&release(&renewed, &name("cp2"), at(1101)).unwrap(), "4");
        let (next, fence, abandoned) = taken(Some(&freed), &second, 1102);
        assert_eq!((fence, abandoned), (Fence(2), false));
        assert_eq!(renew(&next, &first, Fence(1), at(1103)), None);
        assert_eq!(release(&next, &name("cp2"), at(1103)), None);
    }

    #[test]
    fn a_lease_whose_holder_vanished_is_taken_over_and_said_to_be_abandoned() {
        let (lease, _, _) = taken(None, &holder("cp1", "cp2"), 1000);
        let (_, fence, abandoned) = taken(Some(&lease), &holder("cp3", "cp4"), 1071);
        assert_eq!((fence, abandoned), (Fence(2), true));
    }

    #[test]
    fn the_same_joiner_takes_its_own_lease_over_at_another_member() {
        let (lease, _, _) = taken(None, &holder("cp1", "cp2"), 1000);
        let (_, fence, abandoned) = taken(Some(&lease), &holder("cp3", "cp2"), 1001);
        assert_eq!((fence, abandoned), (Fence(2), true));
    }

    #[test]
    fn a_lease_of_another_purpose_is_waited_for() {
        let (mut lease, _, _) = taken(None, &holder("cp1", "cp2"), 1000);
        lease.holder = "controller/upgrade/cp2".to_owned();
        assert!(matches!(
            take(Some(&lease), &holder("cp1", "cp2"), at(1001)),
            Take::Held { .. }
        ));
    }

    #[test]
    fn a_foreign_garbled_or_truncated_lease_is_not_read() {
        let captured = read(include_str!("../kubeadm/captured/lease.json")).unwrap();
        assert_eq!((captured.holder.as_str(), captured.number), ("", 4));
        let object = object(&super::taken(
            &holder("cp1", "cp2"),
            Fence(1),
            at(0),
            "7".to_owned(),
        ));
        assert!(read(&object).is_some());
        for wrong in ["", "{}", "null", &object[..object.len() - 9]] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let wrong = object.replace("1970-01-01", "yesterday");
        assert_eq!(read(&wrong), None);
    }
}

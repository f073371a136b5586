//! The cluster's lease in the hands of a rollout. The same Lease as that of joins: one disruption at a time, whatever its kind (I1).

use hactl_proto::Timestamp;
use hactl_proto::instruction::Fence;

use crate::join::lease::{Lease, Take, create, object_of};

/// Seconds after its last renewal that a rollout's lease holds: a controller that was killed keeps the next one waiting so long.
pub const DURATION: i64 = 20;
/// What holders of rollouts begin with.
const PREFIX: &str = "rollout/";

/// The holder's text in the Lease.
pub fn holder(who: &str) -> String {
    format!("{PREFIX}{who}")
}

/// How to take it. Whoever holds it already takes it anew, under a higher number: what an earlier life of the same holder still
/// has under way is refused from then on.
pub fn take(lease: Option<&Lease>, who: &str, now: Timestamp) -> Take {
    let fence = Fence(lease.map_or(0, |lease| lease.number) + 1);
    let taken = Lease {
        holder: holder(who),
        acquired: Some(now),
        renewed: Some(now),
        duration: DURATION,
        number: fence.0,
        resource_version: lease
            .map(|lease| lease.resource_version.clone())
            .unwrap_or_default(),
    };
    match lease {
        None => create(&taken, fence),
        Some(lease) if lease.holder != holder(who) && !lease.free(now) => Take::Held {
            by: lease.holder.clone(),
        },
        Some(lease) => Take::Replace {
            object: object_of(&taken),
            fence,
            abandoned: !lease.holder.is_empty() && !lease.holder.starts_with(PREFIX),
        },
    }
}

/// The renewed lease; `None`: it is lost, another has it.
pub fn renew(lease: &Lease, who: &str, fence: Fence, now: Timestamp) -> Option<String> {
    held(lease, who, fence).then(|| {
        object_of(&Lease {
            renewed: Some(now),
            ..lease.clone()
        })
    })
}

/// The lease without a holder; the number stays.
pub fn release(lease: &Lease, who: &str, fence: Fence, now: Timestamp) -> Option<String> {
    held(lease, who, fence).then(|| {
        object_of(&Lease {
            holder: String::new(),
            duration: 1,
            renewed: Some(now),
            ..lease.clone()
        })
    })
}

/// Whether this number is in force for a rollout now: what an agent that can read the lease checks before it disrupts.
pub fn in_force(lease: Option<&Lease>, fence: Fence, now: Timestamp) -> Result<(), String> {
    let Some(lease) = lease else {
        return Err("there is no lease kube-system/hactl".to_owned());
    };
    if lease.number != fence.0 {
        return Err(format!("the lease's number is {}", lease.number));
    }
    if !lease.holder.starts_with(PREFIX) {
        return Err(format!("the lease is held by {:?}", lease.holder));
    }
    if lease.free(now) {
        return Err("the lease has run out".to_owned());
    }
    Ok(())
}

fn held(lease: &Lease, who: &str, fence: Fence) -> bool {
    lease.holder == holder(who) && lease.number == fence.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::lease::read;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stored(object: &str) -> Lease {
        let mut value: serde_json::Value = serde_json::from_str(object).unwrap();
        value["metadata"]["resourceVersion"] = serde_json::json!("7");
        read(&value.to_string()).unwrap()
    }

    fn taken(lease: Option<&Lease>, who: &str, now: i64) -> (Lease, Fence) {
        match take(lease, who, at(now)) {
            Take::Create { object, fence } | Take::Replace { object, fence, .. } => {
                (stored(&object), fence)
            }
            Take::Held { by } => panic!("held by {by}"),
        }
    }

    #[test]
    fn a_second_controller_is_told_who_holds_it_until_it_runs_out() {
        let (lease, fence) = taken(None, "ann@desk/1", 1000);
        assert_eq!(fence, Fence(1));
        let told = Take::Held {
            by: "rollout/ann@desk/1".to_owned(),
        };
        assert_eq!(take(Some(&lease), "bob@bay/2", at(1029)), told);
        assert_eq!(in_force(Some(&lease), fence, at(1020)), Ok(()));
        assert!(in_force(Some(&lease), fence, at(1031)).is_err());
        let (next, fence) = taken(Some(&lease), "bob@bay/2", 1031);
        assert_eq!(fence, Fence(2));
        assert!(
            in_force(Some(&next), Fence(1), at(1032))
                .unwrap_err()
                .contains("is 2")
        );
        assert_eq!(renew(&next, "ann@desk/1", Fence(1), at(1032)), None);
        let freed = stored(&release(&next, "bob@bay/2", fence, at(1040)).unwrap());
        assert!(in_force(Some(&freed), fence, at(1040)).is_err());
        assert_eq!(taken(Some(&freed), "ann@desk/1", 1041).1, Fence(3));
    }

    #[test]
    fn a_join_keeps_a_rollout_out_and_no_lease_is_no_right() {
        let (mut lease, fence) = taken(None, "ann", 1000);
        lease.holder = "cp1/join/cp2".to_owned();
        assert!(matches!(
            take(Some(&lease), "ann", at(1001)),
            Take::Held { .. }
        ));
        assert!(in_force(Some(&lease), fence, at(1001)).is_err());
        assert!(in_force(None, fence, at(1001)).is_err());
    }

    #[test]
    fn its_holder_renews_it() {
        let (lease, fence) = taken(None, "ann", 1000);
        let renewed = stored(&renew(&lease, "ann", fence, at(1010)).unwrap());
        assert_eq!(in_force(Some(&renewed), fence, at(1029)), Ok(()));
        assert_eq!(renew(&lease, "bob", fence, at(1010)), None);
    }
}

//! The override: an operator raises the epoch where a machine that holds a promise is lost.
//!
//! What it asserts is said at [`Override`]; why that is enough, in the module above.

use hactl_proto::role::CallerRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{GrantRefusal, Override};

use super::record::{Record, Stage};
use super::voter::{Caller, is_declared, same_cluster, unbound};

/// Takes the override: the node is free to promise again, at the new epoch only, and to the candidate named in it.
///
/// Refused where a cluster is known, where data lies, and where `kubeadm init` was begun: such a node is proof that there
/// may be a cluster.
pub fn overrule(
    record: &Record,
    spec: &ClusterSpec,
    evidence: &[String],
    caller: &Caller,
    word: &Override,
) -> Result<Record, GrantRefusal> {
    if caller.role != CallerRole::Operator {
        return Err(GrantRefusal::NotAnOperator);
    }
    same_cluster(record, word.cluster)?;
    unbound(record, evidence, None)?;
    let hash = spec.bootstrap_hash();
    if word.spec != hash {
        return Err(GrantRefusal::SpecDiffers {
            ours: hash,
            theirs: word.spec,
        });
    }
    consistent(spec, word)?;
    counts(record, word)?;
    if record.overruled.as_ref() == Some(word) {
        return Ok(record.clone());
    }
    if word.epoch <= record.epoch {
        return Err(GrantRefusal::EpochDiffers {
            ours: record.epoch,
            theirs: word.epoch,
        });
    }
    Ok(raised(record, word))
}

/// Whether the override counts on this machine, and names every machine that this node knows of: a grant may have gone to
/// one that the operator never saw.
fn counts(record: &Record, word: &Override) -> Result<(), GrantRefusal> {
    if word.roster.get(&record.node) != Some(&record.instance) {
        return Err(GrantRefusal::DeclaredLost {
            node: record.node.clone(),
            instance: record.instance,
        });
    }
    for (node, known) in &record.roster {
        let counts = word.roster.get(node);
        let lost = word.lost.get(node);
        if counts != Some(known) && !lost.is_some_and(|lost| lost.contains(known)) {
            return Err(GrantRefusal::InstanceDiffers {
                node: node.clone(),
                pinned: *known,
                shown: counts.copied().unwrap_or(record.instance),
            });
        }
    }
    Ok(())
}

/// The record at the new epoch: nothing promised, the lost instances retired, the override's roster pinned.
fn raised(record: &Record, word: &Override) -> Record {
    let mut next = record.clone();
    next.epoch = word.epoch;
    next.stage = Stage::Virgin;
    next.overruled = Some(word.clone());
    next.roster.clone_from(&word.roster);
    next.roster.remove(&record.node);
    next.retired.extend(word.lost.values().flatten());
    next
}

/// Whether the override names every declared control plane, nobody else, and a candidate that is there.
fn consistent(spec: &ClusterSpec, word: &Override) -> Result<(), GrantRefusal> {
    let mut named = word.roster.keys().chain(word.lost.keys());
    if let Some(stranger) = named.find(|node| !is_declared(node, spec)) {
        return Err(GrantRefusal::NotDeclared {
            asked: stranger.clone(),
        });
    }
    let mut declared = spec.control_planes.iter().map(|node| &node.name);
    let unnamed =
        declared.find(|node| !word.roster.contains_key(*node) && !word.lost.contains_key(*node));
    let is_lost = |node, counts| {
        word.lost
            .get(node)
            .is_some_and(|lost| lost.contains(counts))
    };
    let both = word
        .roster
        .iter()
        .find(|(node, counts)| is_lost(*node, *counts));
    let fault = if !word.roster.contains_key(&word.candidate) {
        format!("has no machine for its candidate {}", word.candidate)
    } else if let Some(node) = unnamed {
        format!("says nothing of {node}")
    } else if let Some((node, counts)) = both {
        format!("counts on instance {counts} of {node} and calls it lost")
    } else if word.reason.trim().is_empty() {
        "gives no reason".to_owned()
    } else {
        return Ok(());
    };
    Err(GrantRefusal::Contradiction { fault })
}

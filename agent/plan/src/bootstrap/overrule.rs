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
    let successor = word.lost.get(&record.node);
    if successor.is_some_and(|successor| *successor != Some(record.instance)) {
        return Err(GrantRefusal::DeclaredLost {
            node: record.node.clone(),
            instance: record.instance,
        });
    }
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

/// The record at the new epoch: nothing promised, the lost instances retired, their successors pinned.
fn raised(record: &Record, word: &Override) -> Record {
    let mut next = record.clone();
    next.epoch = word.epoch;
    next.stage = Stage::Virgin;
    next.overruled = Some(word.clone());
    for (node, successor) in &word.lost {
        if *node == record.node {
            continue;
        }
        match (next.roster.remove(node), successor) {
            (Some(pinned), Some(successor)) if pinned == *successor => {}
            (Some(pinned), _) => {
                next.retired.insert(pinned);
            }
            (None, _) => {}
        }
        if let Some(successor) = successor {
            next.roster.insert(node.clone(), *successor);
        }
    }
    next
}

/// Whether the override names only declared control planes, and a candidate that is there.
fn consistent(spec: &ClusterSpec, word: &Override) -> Result<(), GrantRefusal> {
    let undeclared = word
        .lost
        .keys()
        .chain([&word.candidate])
        .find(|node| !is_declared(node, spec));
    if let Some(node) = undeclared {
        return Err(GrantRefusal::NotDeclared {
            asked: node.clone(),
        });
    }
    let fault = if matches!(word.lost.get(&word.candidate), Some(None)) {
        "names its own candidate as lost"
    } else if word.reason.trim().is_empty() {
        "gives no reason"
    } else {
        return Ok(());
    };
    Err(GrantRefusal::Contradiction {
        fault: fault.to_owned(),
    })
}

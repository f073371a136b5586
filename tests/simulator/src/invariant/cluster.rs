//! The first boot: one cluster, by grants that were on disks before they were answered.

use hactl_node_plan::bootstrap::record::{Record, Stage};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::Grant;
use hactl_simulation::{Event, State};

use super::books::Books;
use super::{DURABLE, GRANTS, I11, I14, NEVER_TWO, Rule};

const STANDING: &str = "/var/lib/hactl/standing.json";
const MARKER: &str = "/var/lib/hactl/etcd-member.json";

type Verdict = Result<(), (Rule, String)>;

/// A grant as it is answered.
pub(super) fn granted(state: &State, voter: &NodeContext, grant: &Grant) -> Verdict {
    let name = &voter.node;
    let ours = voter.spec.bootstrap_hash();
    if grant.spec != ours {
        return Err((
            GRANTS,
            format!("{name} holds spec {ours} and grants for {}", grant.spec),
        ));
    }
    let Some(machine) = state.machines.get(name) else {
        return Ok(());
    };
    let on_disk = machine.tree.on_disk(STANDING);
    let record: Option<Record> = on_disk.and_then(|bytes| serde_json::from_slice(bytes).ok());
    let promised = record.as_ref().and_then(|record| promise(&record.stage));
    // Meanwhile it may have become a member: then it grants nothing any more, and has nothing to forget.
    let member = matches!(
        record.as_ref().map(|record| &record.stage),
        Some(Stage::Member { .. })
    );
    if member || promised.is_some_and(|promised| promised.instance == grant.instance) {
        return Ok(());
    }
    Err((
        DURABLE,
        format!(
            "{name} answers with a grant to {} that is not on its disk",
            grant.candidate
        ),
    ))
}

const fn promise(stage: &Stage) -> Option<&Grant> {
    match stage {
        Stage::Granted(grant) | Stage::Initialising(grant) => Some(grant),
        Stage::Virgin | Stage::Member { .. } => None,
    }
}

/// What an event says of the first boot.
pub(super) fn judge(
    books: &mut Books,
    state: &State,
    spec: &ClusterSpec,
    node: &NodeName,
    event: Event<'_>,
) -> Verdict {
    if let Event::Replaced(path) = event
        && path.ends_with("standing.json")
    {
        remember(books, state, node)?;
    }
    if let Event::Begins(command) = event
        && command.program == "kubeadm"
        && command.arguments.first().is_some_and(|word| word == "init")
        && command.arguments.get(1).is_none_or(|word| word != "phase")
    {
        by_grants(books, state, spec, node)?;
    }
    let made = state.inits.len();
    if made > books.inits {
        books.inits = made;
        if let Some(by) = state.inits.last() {
            alone(state, by)?;
        }
    }
    Ok(())
}

fn remember(books: &mut Books, state: &State, node: &NodeName) -> Verdict {
    let on_disk = state
        .machines
        .get(node)
        .and_then(|machine| machine.tree.on_disk(STANDING));
    let Some(record) = on_disk.and_then(|bytes| serde_json::from_slice::<Record>(bytes).ok())
    else {
        return Ok(());
    };
    if let Some(grant) = promise(&record.stage) {
        let key = (node.clone(), grant.instance);
        books.promises.insert(key, grant.clone());
    }
    let verdict = match books.records.get(node) {
        Some(before) => promised_once(before, &record).and_then(|()| raised(before, &record)),
        None => Ok(()),
    };
    books.records.insert(node.clone(), record);
    verdict
}

/// One machine at one epoch, for good.
fn promised_once(before: &Record, now: &Record) -> Verdict {
    match (promise(&before.stage), promise(&now.stage)) {
        (Some(given), Some(next))
            if given.epoch == next.epoch && given.instance != next.instance =>
        {
            Err((
                GRANTS,
                format!(
                    "{} promised {} at epoch {} and now promises {} another machine",
                    now.node, given.candidate, given.epoch, next.candidate
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// The epoch is raised by an override alone, or by a cluster that is there.
fn raised(before: &Record, now: &Record) -> Verdict {
    if matches!(now.stage, Stage::Member { .. }) || now.epoch == before.epoch {
        return Ok(());
    }
    let node = &now.node;
    let wrong = |what: &str| Err((I14, format!("{node} is at epoch {} and {what}", now.epoch)));
    let Some(word) = now
        .overruled
        .as_ref()
        .filter(|word| word.epoch == now.epoch)
    else {
        return wrong("keeps no override of it");
    };
    if word.reason.trim().is_empty() {
        return wrong("its override has no reason");
    }
    if matches!(before.stage, Stage::Initialising(_) | Stage::Member { .. }) {
        return wrong("had begun an init or knew a cluster before");
    }
    let named = |other: &NodeName, instance| {
        let lost = word.lost.get(other);
        word.roster.get(other) == Some(instance) || lost.is_some_and(|lost| lost.contains(instance))
    };
    let mut known = before.roster.iter();
    if let Some((other, _)) = known.find(|(other, instance)| !named(other, instance)) {
        return wrong(&format!(
            "its override says nothing of the {other} that it knew"
        ));
    }
    Ok(())
}

/// Before an init: everybody promised it to this very instance, for the spec that it holds.
fn by_grants(books: &Books, state: &State, spec: &ClusterSpec, node: &NodeName) -> Verdict {
    let on_disk = state
        .machines
        .get(node)
        .and_then(|machine| machine.tree.on_disk(STANDING));
    let record = on_disk.and_then(|bytes| serde_json::from_slice::<Record>(bytes).ok());
    let Some(Stage::Initialising(own)) = record.as_ref().map(|record| &record.stage) else {
        // An init that was through is taken up again by a node that is a member by now.
        return match record.map(|record| record.stage) {
            Some(Stage::Member { .. }) => Ok(()),
            _ => Err((
                GRANTS,
                format!("{node} runs kubeadm init and has not written so"),
            )),
        };
    };
    let word = record.as_ref().and_then(|record| record.overruled.as_ref());
    if word.is_some_and(|word| own.epoch == word.epoch && word.candidate != *node) {
        return Err((
            I14,
            format!("{node} runs kubeadm init, and the override names another"),
        ));
    }
    let lost = |voter: &NodeName| record.as_ref().is_some_and(|record| record.is_lost(voter));
    for voter in spec
        .control_planes
        .iter()
        .map(|one| &one.name)
        .filter(|one| !lost(one))
    {
        let key = (voter.clone(), own.instance);
        match books.promises.get(&key) {
            Some(grant) if grant.spec == own.spec => {}
            Some(grant) => {
                return Err((
                    GRANTS,
                    format!(
                        "{node} runs kubeadm init; {voter} granted for spec {}, not {}",
                        grant.spec, own.spec
                    ),
                ));
            }
            None => {
                return Err((
                    GRANTS,
                    format!("{node} runs kubeadm init without a durable grant of {voter}"),
                ));
            }
        }
    }
    Ok(())
}

/// A new etcd cluster has begun on a node: nobody may have another.
fn alone(state: &State, by: &NodeName) -> Verdict {
    let Some(machine) = state.machines.get(by) else {
        return Ok(());
    };
    if machine.tree.exists(MARKER) {
        return Err((
            I11,
            format!("{by} began an empty etcd, and its marker says that a member lived here"),
        ));
    }
    let new = machine.etcd_data().map(|(cluster, _)| cluster);
    let others = state.machines.iter().filter_map(|(node, machine)| {
        let (cluster, _) = machine.etcd_data()?;
        (Some(cluster) != new).then_some(node)
    });
    if let Some(other) = others.into_iter().next() {
        return Err((
            NEVER_TWO,
            format!("{by} began an etcd cluster while {other} holds the data of another"),
        ));
    }
    let settled = state.machines.iter().find_map(|(node, machine)| {
        let record: Record = serde_json::from_slice(machine.tree.on_disk(STANDING)?).ok()?;
        matches!(record.stage, Stage::Member { settled: true, .. }).then_some(node)
    });
    match settled {
        Some(node) => Err((
            NEVER_TWO,
            format!("{by} began an etcd cluster and {node} is settled in one"),
        )),
        None => Ok(()),
    }
}

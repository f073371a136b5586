//! The story: boot, a cluster, a power cut, and what the others make of it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hactl_cluster_plan::observed::{FirstBoot, Observed, Readiness};
use hactl_controller::observe::observe;
use hactl_controller::present::StatusView;
use hactl_proto::member::MemberState;
use hactl_proto::name::NodeName;

use crate::Cli;
use crate::fleet::Fleet;
use crate::picture::Picture;
use crate::spec::spec;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The whole story takes well under a minute; by then something is wrong.
const LIMIT: Duration = Duration::from_mins(3);

/// Tells it to its end.
pub(crate) fn tell(cli: &Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut picture = Picture::new();
    picture.say("five machines boot, each with its own bundle and no further hand");
    let mut fleet = Fleet::boot(spec(cli.port)?, cli.pace)?;
    let view = runtime.block_on(until(&mut fleet, &mut picture, chapter_one))?;
    picture.leave(&view);
    let inits = fleet.inits();
    ensure!(
        inits.len() == 1,
        "kubeadm init ran {} times: {inits:?}",
        inits.len()
    );
    picture.say(&format!(
        "all five are Ready; kubeadm init ran once, on {}",
        inits[0]
    ));

    let lost = NodeName::new("cp3")?;
    picture.say(&format!("the power of {lost} goes"));
    fleet.power_off(&lost)?;
    let cut = Instant::now();
    let view = runtime.block_on(until(&mut fleet, &mut picture, |observed| {
        chapter_two(observed, &lost)
    }))?;
    picture.leave(&view);
    let seconds = cut.elapsed().as_secs_f64();
    picture.say(&format!(
        "every other agent has {lost} down, {seconds:.1} s after"
    ));
    fleet.end()
}

/// Looks until the chapter is over; says what changes meanwhile.
async fn until(
    fleet: &mut Fleet,
    picture: &mut Picture,
    over: impl Fn(&Observed) -> (bool, String),
) -> Result<StatusView> {
    let began = Instant::now();
    loop {
        fleet.fallen()?;
        let observed = observe(&fleet.operator, &fleet.inquiry).await;
        let (over, line) = over(&observed);
        picture.say(&line);
        let view = StatusView::new(observed);
        picture.draw(&view);
        if over {
            return Ok(view);
        }
        ensure!(
            began.elapsed() < LIMIT,
            "it takes too long; last seen: {line}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Over when every node is ready, every control plane says that it belongs to the cluster, and nothing is under way.
fn chapter_one(observed: &Observed) -> (bool, String) {
    let view = StatusView::new(observed.clone());
    let ready = view
        .readiness
        .iter()
        .filter(|(_, state)| *state == Readiness::Yes);
    let ready: Vec<&str> = ready.map(|(name, _)| name.as_str()).collect();
    let busy = observed.nodes.iter().filter(|node| {
        let operation = node
            .status
            .said()
            .and_then(|status| status.operation.as_ref());
        operation.is_none_or(|operation| operation.outcome.is_none())
    });
    let settled = busy.count() == 0 && ready.len() == observed.nodes.len();
    let members = match &view.first_boot {
        FirstBoot::Cluster { members, .. } => members.len(),
        _ => 0,
    };
    let over = settled && members == observed.spec.control_planes.len();
    let standing = match &view.first_boot {
        FirstBoot::Unknown => "the agents start".to_owned(),
        FirstBoot::NotBegun { .. } => "the agents find each other".to_owned(),
        FirstBoot::UnderWay {
            candidate,
            granted,
            initialising,
            ..
        } => {
            let does = if *initialising {
                "runs kubeadm init"
            } else {
                "collects grants"
            };
            format!("{candidate} {does}, granted by {} of 3", granted.len())
        }
        FirstBoot::Cluster { members, .. } => format!(
            "a cluster of {} control planes; Ready: {}",
            members.len(),
            if ready.is_empty() {
                "none yet".to_owned()
            } else {
                ready.join(", ")
            }
        ),
        FirstBoot::Divided { .. } => "DIVIDED".to_owned(),
    };
    (over, standing)
}

/// Over when every agent that answers has the lost one down.
fn chapter_two(observed: &Observed, lost: &NodeName) -> (bool, String) {
    let views = observed.nodes.iter().filter(|node| node.name != *lost);
    let states: Vec<Option<MemberState>> = views
        .map(|node| {
            let members = node.members.said()?;
            members
                .iter()
                .find(|member| member.node == *lost)
                .map(|member| member.state)
        })
        .collect();
    let count = |state| states.iter().filter(|seen| **seen == Some(state)).count();
    let (alive, suspect, down) = (
        count(MemberState::Alive),
        count(MemberState::Suspect),
        count(MemberState::Down),
    );
    let line =
        format!("{lost} is alive to {alive} of the others, suspect to {suspect}, down to {down}");
    (down == states.len(), line)
}

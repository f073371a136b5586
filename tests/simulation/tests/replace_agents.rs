//! New packages of the agent on a simulated cluster: agents, plans and the controller's loop are the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "all of this is test code"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hactl_cluster_plan::rollout::{AgentPlan, AgentRequest, Policy, plan_agents};
use hactl_controller::rollout::{Agents, End, Package, Packages, replace_agents};
use hactl_node_plan::command::Output;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::agent::PackageFormat;
use hactl_simulation::{ProgramModel, World};
use support::fleet::*;
use support::through::within;
use support::*;

fn packages(holds: &str) -> Packages {
    let of = (PackageFormat::Deb, std::env::consts::ARCH.to_owned());
    let package = Package::new(format!("{holds}\n").into_bytes());
    Packages::new("0.2.0".parse().unwrap(), [(of, package)])
}

async fn planned(fleet: &Arc<Fleet>, packages: &Packages) -> AgentPlan {
    let request = AgentRequest {
        version: packages.version,
        offered: packages.offered(),
        policy: Policy::default(),
    };
    plan_agents(&fleet.seen().await, &request).unwrap()
}

/// What the package's scripts do: the agent that runs ends, and the installed one starts.
async fn systemd(world: &World, fleet: &Arc<Fleet>) {
    let installed = |node: &str| world.state().machines[&name(node)].agent.clone();
    let mut running: Vec<String> = NODES.iter().map(|node| installed(node)).collect();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for (node, running) in NODES.iter().zip(&mut running) {
            if installed(node) != *running {
                *running = installed(node);
                fleet.restart(node).await;
            }
        }
    }
}

#[test]
fn agents_are_replaced_one_at_a_time_and_found_again_in_the_middle_of_it() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let packages = packages("hactl-agent 0.2.0");
        let plan = planned(&fleet, &packages).await;
        let (tale, said) = tale(&world);
        let end = within(async {
            tokio::select! {
                end = replace_agents(&fleet, &plan, &packages, 1, "ann", &tale) => end,
                () = systemd(&world, &fleet) => unreachable!(),
            }
        });
        let end = end.await.unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
        let done: Vec<String> = said
            .lock()
            .unwrap()
            .iter()
            .filter_map(|line| line.strip_suffix(" replace-agent Succeeded"))
            .map(str::to_owned)
            .collect();
        assert_eq!(done, NODES);
        let soak = "cp1 to be seen well 3 times in a row, every 3 s, before others follow";
        assert!(said.lock().unwrap().iter().any(|line| line == soak));
        for node in NODES {
            let state = world.state();
            let machine = &state.machines[&name(node)];
            assert_eq!(machine.agent, "0.2.0", "{node}");
            assert_eq!(machine.kubelet, "v1.36.2", "Kubernetes is left alone");
            let journal = machine.tree.text("/var/lib/hactl/journal/journal");
            // Begun by the agent of before, found again and finished by the new one.
            assert_eq!(
                journal.matches("\"entry\":\"resumed\"").count(),
                1,
                "{node}"
            );
            assert_eq!(
                journal.matches("\"step\":\"install-agent\"").count(),
                3,
                "{node}: {journal}"
            );
        }
        let seen = fleet.seen().await;
        let request = AgentRequest {
            version: packages.version,
            offered: packages.offered(),
            policy: Policy::default(),
        };
        let again = plan_agents(&seen, &request).unwrap_err();
        assert_eq!(again[0].finding.check, "agent-newer");
    });
}

#[test]
fn a_package_that_holds_another_thing_is_refused_by_the_agent_and_stops_it_all() {
    for (holds, check) in [
        ("hactl-agent 0.3.0", "package-fits"),
        ("bash 0.2.0", "package-fits"),
        ("garbage", "package-fits"),
    ] {
        let world = cluster();
        life(&world, async {
            let fleet = Arc::new(Fleet::start(&world).await);
            let packages = packages(holds);
            let plan = planned(&fleet, &packages).await;
            let (tale, _) = tale(&world);
            let end = within(replace_agents(&fleet, &plan, &packages, 1, "ann", &tale)).await;
            let Ok(End::Stopped {
                node,
                outcome: Outcome::Refused { findings },
            }) = end
            else {
                panic!("{holds}: {end:?}");
            };
            assert_eq!((node.as_str(), findings[0].check.as_str()), ("cp1", check));
            assert_eq!(world.state().machines[&name("cp1")].agent, "0.1.0");
        });
    }
}

#[test]
fn a_package_tool_that_fails_stops_the_rollout_at_the_canary() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let packages = packages("hactl-agent 0.2.0");
        let plan = planned(&fleet, &packages).await;
        world.program(
            "dpkg",
            ProgramModel::new(|_, _| Output {
                status: Some(2),
                stderr: "dpkg: error: dpkg frontend lock is held\n".to_owned(),
                ..Output::default()
            }),
        );
        let (tale, _) = tale(&world);
        let end = within(replace_agents(&fleet, &plan, &packages, 1, "ann", &tale)).await;
        let Ok(End::Stopped {
            node,
            outcome: Outcome::Failed { error, .. },
        }) = end
        else {
            panic!("{end:?}");
        };
        assert_eq!(node.as_str(), "cp1");
        assert!(error.contains("dpkg frontend lock is held"), "{error}");
        for node in NODES {
            assert_eq!(world.state().machines[&name(node)].agent, "0.1.0", "{node}");
        }
    });
}

#[test]
fn a_lock_that_another_package_tool_holds_is_waited_for() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let packages = packages("hactl-agent 0.2.0");
        let plan = planned(&fleet, &packages).await;
        let tries = AtomicU32::new(0);
        world.program(
            "dpkg",
            ProgramModel::new(move |machine, _| {
                if tries.fetch_add(1, Ordering::Relaxed) % 3 < 2 {
                    // dpkg 1.21.
                    let locked = "dpkg: error: dpkg frontend lock was locked by another process with pid 4711\n";
                    return Output {
                        status: Some(2),
                        stderr: locked.to_owned(),
                        ..Output::default()
                    };
                }
                "0.2.0".clone_into(&mut machine.agent);
                Output {
                    status: Some(0),
                    ..Output::default()
                }
            }),
        );
        let (tale, said) = tale(&world);
        let end = within(async {
            tokio::select! {
                end = replace_agents(&fleet, &plan, &packages, 1, "ann", &tale) => end,
                () = systemd(&world, &fleet) => unreachable!(),
            }
        });
        let end = end.await.unwrap();
        assert_eq!(end, End::Finished, "{:#?}", said.lock().unwrap());
        for node in NODES {
            assert_eq!(world.state().machines[&name(node)].agent, "0.2.0", "{node}");
        }
    });
}

#[test]
fn a_package_whose_bytes_are_not_what_was_told_is_not_kept() {
    let world = cluster();
    life(&world, async {
        let fleet = Arc::new(Fleet::start(&world).await);
        let mut package = Package::new(b"hactl-agent 0.2.0\n".to_vec());
        fleet.bring(&name("w1"), &package).await.unwrap();
        let folder = "/var/lib/hactl/packages";
        let kept = format!("{folder}/{}", package.digest);
        assert!(world.state().machines[&name("w1")].tree.exists(&kept));
        package.bytes.push(0);
        let refused = fleet.bring(&name("w1"), &package).await.unwrap_err();
        assert!(refused.contains("does not have the digest"), "{refused}");
        // A good one takes the place of the one before.
        let next = Package::new(b"hactl-agent 0.2.1\n".to_vec());
        fleet.bring(&name("w1"), &next).await.unwrap();
        assert!(!world.state().machines[&name("w1")].tree.exists(&kept));
    });
}

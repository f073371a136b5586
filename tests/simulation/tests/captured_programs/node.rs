//! What runs beside Kubernetes on a node: apt, dpkg, ctr, HAProxy.

use std::collections::BTreeSet;

use hactl_agent::host::{Host, Question};
use hactl_agent::inspect::rollout::ADMIN_SOCKET;
use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::endpoint::haproxy::{released, set_server};
use hactl_node_plan::kubeadm::output::last_line;
use hactl_node_plan::rollout::packages::{Repositories, exactly};
use hactl_node_plan::rollout::{agent_package, images, packages};
use hactl_node_plan::step::machine::PackageTool;
use hactl_proto::rollout::agent::PackageFormat;
use hactl_proto::version::KubernetesVersion;

use crate::real;
use crate::support::captured::pair;
use crate::support::fleet::{TARGET, cluster};
use crate::support::*;

const APT: PackageTool = PackageTool::Apt;

fn exact(names: &[&str], version: &KubernetesVersion) -> Vec<String> {
    names
        .iter()
        .map(|name| format!("{name}={version}-1.1").replace("=v", "="))
        .collect()
}

#[test]
fn apt_says_what_the_real_one_said() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);
        // The next patch version is offered beside the one that is installed.
        let offers = ask("apt-madison", packages::offers(APT, Repositories::AsKnown)).await;
        offers.read_the_same(|output| {
            let complete = packages::complete(&packages::parse_offers(&output.stdout));
            let patches = complete.into_iter().map(|version| version.patch);
            patches.collect::<BTreeSet<_>>()
        });
        let offered = packages::parse_offers(&offers.model.stdout);
        let wanted = exactly(APT, &offered, &["kubeadm"], &TARGET).unwrap();
        let uris = ask("apt-uris", packages::uris(&wanted[0])).await;
        uris.read_the_same(|output| {
            let file = packages::local_file(&output.stdout).unwrap();
            file.rsplit('/').next().unwrap().starts_with("kubeadm_")
        });
        let both = exact(&["kubeadm", "kubelet"], &TARGET);
        ask("apt-fetch", packages::fetch(APT, &both)).await;
        let nobodys = exact(&["kubectl"], &KubernetesVersion::new(9, 9, 9));
        for (name, command) in [
            ("apt-fetch-missing", packages::fetch(APT, &nobodys)),
            ("apt-install-missing", packages::install(APT, &nobodys)),
        ] {
            let missing = ask(name, command).await;
            missing.read_the_same(|output| {
                let words = last_line(&output.stderr);
                words.starts_with("E: Version '9.9.9-") && words.ends_with("was not found")
            });
        }
        let kubectl = || world.state().machines[&name("cp1")].kubectl.clone();
        let target = exact(&["kubectl"], &TARGET);
        ask("apt-install", packages::install(APT, &target)).await;
        assert_eq!(kubectl(), TARGET.to_string());
        assert!(real["kubectl-version"].stdout.contains("v1.20.3"));
        let before = exact(&["kubectl"], &KubernetesVersion::new(1, 36, 2));
        ask("apt-install-back", packages::install(APT, &before)).await;
        assert_eq!(kubectl(), "v1.36.2");
        ask("apt-hold", packages::hold(APT, &["kubeadm", "kubelet"])).await;
        ask(
            "apt-unhold",
            packages::release(APT, &["kubeadm", "kubelet"]),
        )
        .await;
    });
}

#[test]
fn dpkg_and_a_kubeadm_that_is_not_installed_say_what_the_real_ones_said() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);
        let deb = PackageFormat::Deb;
        ask("dpkg-query", agent_package::installed(deb))
            .await
            .read_the_same(|output| agent_package::parse_installed(deb, output));
        let file = "/run/hactl/hactl-agent.deb";
        host.replace(file.as_ref(), b"hactl-agent 0.2.0\n", 0o600)
            .await
            .unwrap();
        ask("dpkg-deb-show", agent_package::holds(deb, file))
            .await
            .read_the_same(|output| agent_package::parse_holds(output).is_some());
        ask(
            "dpkg-deb-show-other",
            agent_package::holds(deb, "/etc/hostname"),
        )
        .await;
        let kubeadm = "/srv/kubeadm_1.36.3-1.1_amd64.deb";
        ask(
            "dpkg-deb-unpack",
            packages::unpack(APT, kubeadm, "/run/hactl/staged"),
        )
        .await;
        ask(
            "dpkg-deb-unpack-nowhere",
            packages::unpack(APT, kubeadm, "/nowhere/at/all"),
        )
        .await;
        let staged = images::list("/run/hactl/staged/usr/bin/kubeadm", &TARGET, None);
        ask("staged-images", staged)
            .await
            .read_the_same(|output| components(&images::parse_list(&output.stdout)));
    });
}

/// Components of images with whether their tag is Kubernetes' own.
fn components(names: &[String]) -> BTreeSet<(String, bool)> {
    let parts = names.iter().map(|image| images::component_and_tag(image));
    parts
        .map(|(component, tag)| {
            let own = ["v1.20.2", "v1.20.3", "v1.36.2", "v1.36.3"].contains(&tag.as_str());
            (component, own)
        })
        .collect()
}

#[test]
fn ctr_says_what_the_real_one_said() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);
        let present = ask("ctr-images", images::present()).await;
        present.read_the_same(|output| {
            let listed: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
            let mut found = components(&listed);
            found.retain(|(component, own)| *own && component.starts_with("kube-"));
            found
        });
        let digests = ask("ctr-digests", images::digests()).await;
        let containers = ask("ctr-containers", images::containers()).await;
        let tasks = ask("ctr-tasks", images::tasks()).await;
        for component in images::VERSIONED {
            let tags = |containers: &Output, tasks: &Output, digests: &Output| {
                let running = images::running(&containers.stdout, &tasks.stdout, &digests.stdout);
                running[component].len()
            };
            assert_eq!(
                tags(&containers.model, &tasks.model, &digests.model),
                tags(&containers.real, &tasks.real, &digests.real),
                "{component}"
            );
        }
        let missing = ask("ctr-kill-missing", images::end("nothing", "SIGTERM")).await;
        missing.read_the_same(|output| last_line(&output.stderr));

        // Who was ended runs no more; the next one of the same component is another container.
        let ids = |containers: &Output, tasks: &Output| {
            images::running_of("kube-scheduler", &containers.stdout, &tasks.stdout, "")
        };
        let (model, captured) = (
            ids(&containers.model, &tasks.model),
            ids(&containers.real, &tasks.real),
        );
        assert_eq!((model.len(), captured.len()), (1, 1));
        let ended = model.first().unwrap();
        ask("ctr-kill", images::end(ended, "SIGTERM")).await;
        let containers = ask("ctr-containers-after", images::containers()).await;
        let tasks = ask("ctr-tasks-after", images::tasks()).await;
        assert!(ids(&containers.model, &tasks.model).is_disjoint(&model));
        assert!(ids(&containers.real, &tasks.real).is_disjoint(&captured));
        let again = host.run(&images::end(ended, "SIGTERM")).await.unwrap();
        assert!(!again.success(), "{again:?}");
    });
}

#[test]
fn haproxy_says_what_the_real_one_said() {
    let (real, world) = (real(), cluster());
    let cp2 = name("cp2");
    {
        let mut state = world.state();
        let machine = state.machines.get_mut(&name("cp1")).unwrap();
        machine.services.get_mut("haproxy").unwrap().active = true;
    }
    life(&world, async {
        let host = world.host(&name("cp1"));
        let states = "show servers state api-servers";
        let gone = BTreeSet::from([cp2.clone()]);
        for (section, line, wanted) in [
            ("haproxy-states", states.to_owned(), Some(BTreeSet::new())),
            ("haproxy-drain", set_server(&cp2, true), None),
            ("haproxy-states-drained", states.to_owned(), Some(gone)),
            ("haproxy-ready", set_server(&cp2, false), None),
            (
                "haproxy-states-ready",
                states.to_owned(),
                Some(BTreeSet::new()),
            ),
            (
                "haproxy-no-server",
                set_server(&name("nowhere"), true),
                None,
            ),
            (
                "haproxy-no-state",
                "set server api-servers/cp2 state sideways".to_owned(),
                None,
            ),
            (
                "haproxy-no-backend",
                "show servers state nothing".to_owned(),
                None,
            ),
        ] {
            let path = ADMIN_SOCKET.to_owned();
            let question = Question::Converse { path, line };
            let answer = host.ask(&question).await.unwrap();
            let model = String::from_utf8(answer.body).unwrap();
            let captured = &real[section].stdout;
            match wanted {
                Some(wanted) => {
                    assert_eq!(released(captured), wanted, "{section}");
                    assert_eq!(released(&model), wanted, "{section}");
                    assert_eq!(model.lines().next(), captured.lines().next(), "{section}");
                }
                None => assert_eq!(model.trim(), captured.trim(), "{section}"),
            }
        }
    });
}

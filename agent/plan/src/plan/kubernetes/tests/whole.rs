//! Plans as a whole: the machine's drift, the endpoint, Kubernetes.

use hactl_proto::Timestamp;
use hactl_proto::instruction::Order;

use super::super::super::left::{Left, left};
use super::super::super::plan;
use super::*;
use crate::facts::Facts;
use crate::facts::endpoint::{EndpointFacts, Service};
use crate::facts::machine::MachineFacts;
use crate::step::Step;

/// A machine of which nothing is known: every prerequisite refuses.
fn unknown_machine(kubernetes: KubernetesFacts) -> Facts {
    Facts {
        at: Timestamp::UNIX_EPOCH,
        machine: MachineFacts::default(),
        kubernetes,
        endpoint: EndpointFacts {
            interface: Known::default(),
            haproxy: Service::default(),
            keepalived: Service::default(),
            cluster_ca: true,
        },
        rollout: crate::facts::rollout::RolloutFacts::default(),
    }
}

#[test]
fn drift_holds_up_a_beginning_and_not_what_is_left_after_kubeadm() {
    let node = context("cp1");
    let told = |kubernetes| {
        plan(
            &instruction(Order::Init),
            &node,
            &unknown_machine(kubernetes),
        )
    };
    let refused = told(fresh()).unwrap_err().findings;
    assert!(refused.iter().any(|finding| finding.check == "ports-free"));
    let left = told(serving(&node)).unwrap().steps;
    let last = Step::Kubernetes(KubernetesStep::RemoveConfig);
    assert_eq!(left.last(), Some(&last), "{left:?}");
    assert_eq!(told(done(&node)).unwrap().steps, []);
}

#[test]
fn what_is_left_of_a_join_is_told_apart_from_what_only_wants_time() {
    let node = context("cp2");
    let of = |kubernetes| left(&node, &unknown_machine(kubernetes));
    assert_eq!(of(done(&node)), Left::Nothing);
    let mut facts = done(&node);
    facts.marker = Known::Is(None);
    facts.node = Known::Is(Some(node_object(&node, &[])));
    let Left::Steps(steps) = of(facts.clone()) else {
        panic!("a control plane without its mark has steps left");
    };
    assert!(steps.contains(&"finish-kubeadm-join"), "{steps:?}");
    facts.node = Known::Is(None);
    assert_eq!(of(facts.clone()), Left::Registration);
    facts.node = Known::Unknown("connection refused".to_owned());
    assert!(matches!(of(facts), Left::Time(_)));
    let mut facts = done(&node);
    facts.member = None;
    assert_eq!(
        of(facts),
        Left::Time("its etcd member is unknown".to_owned())
    );
    let mut facts = done(&node);
    if let Known::Is(Some(object)) = &mut facts.node {
        object.ready = false;
    }
    assert_eq!(of(facts), Left::Time("its Node is not Ready".to_owned()));
}

#[test]
fn what_the_machine_and_the_order_lack_is_told_together() {
    let mut machine = unknown_machine(fresh());
    machine.endpoint.interface = Known::Unknown("no interface has 10.99.0.11".to_owned());
    let checks = |node: &str, facts: &Facts| {
        let refusal = plan(&instruction(Order::Init), &context(node), facts).unwrap_err();
        let checks = refusal.findings.into_iter().map(|finding| finding.check);
        checks.collect::<Vec<_>>()
    };
    let worker = checks("w1", &machine);
    for check in ["ports-free", "role"] {
        assert!(worker.iter().any(|one| one == check), "{check}: {worker:?}");
    }
    let control_plane = checks("cp1", &machine);
    let endpoint = crate::endpoint::findings(&context("cp1"), &machine.endpoint);
    assert!(!endpoint.is_empty());
    for finding in endpoint {
        assert!(control_plane.contains(&finding.check), "{control_plane:?}");
    }
}

#[test]
fn prepare_mends_the_machine_and_the_endpoint_and_a_clean_neither() {
    let mut facts = unknown_machine(half_done());
    facts.machine.swap.active = Known::Is(vec!["/dev/vda2".to_owned()]);
    facts.endpoint = EndpointFacts {
        interface: Known::Is("eth0".to_owned()),
        haproxy: installed(),
        keepalived: installed(),
        cluster_ca: false,
    };
    let steps = |order| {
        let plan = plan(&instruction(order), &context("cp2"), &facts).unwrap();
        let names = plan.steps.iter().map(|step| step.name().to_owned());
        names.collect::<Vec<_>>()
    };
    let prepare = steps(Order::Prepare);
    let endpoint = [
        "configure-haproxy",
        "configure-keepalived",
        "await-endpoint-address",
    ];
    assert_eq!(prepare[prepare.len() - 3..], endpoint);
    assert!(prepare.len() > 3, "{prepare:?}");
    assert_eq!(steps(Order::Clean), ["kubeadm-reset"]);
}

/// A service whose package is there, without a configuration of ours.
fn installed() -> Service {
    Service {
        installed: true,
        ..Service::default()
    }
}

use insta::assert_snapshot;

use super::*;
use crate::example::context;

fn ready() -> EndpointFacts {
    let service = Service {
        installed: true,
        active: false,
        enabled: false,
        config: None,
    };
    EndpointFacts {
        interface: Known::Is("eth0".to_owned()),
        haproxy: service.clone(),
        keepalived: service,
        cluster_ca: false,
    }
}

/// The facts after the steps did their work.
fn after(steps: &[Step], mut facts: EndpointFacts) -> EndpointFacts {
    for step in steps {
        let (service, text) = match step {
            Step::Endpoint(EndpointStep::ConfigureHaproxy { config }) => {
                (&mut facts.haproxy, config)
            }
            Step::Endpoint(EndpointStep::ConfigureKeepalived { config }) => {
                (&mut facts.keepalived, config)
            }
            _ => continue,
        };
        service.config = Some(text.clone());
        service.active = true;
        service.enabled = true;
    }
    facts
}

fn names(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().map(Step::name).collect()
}

#[test]
fn planning_again_after_success_is_empty() {
    let context = context("cp1");
    let first = steps(&context, &ready(), Verification::NoCaYet);
    assert_eq!(
        names(&first),
        [
            "configure-haproxy",
            "configure-keepalived",
            "await-endpoint-address"
        ]
    );
    let facts = after(&first, ready());
    assert_eq!(steps(&context, &facts, Verification::NoCaYet), []);
    // Once there is a CA only HAProxy changes.
    let second = steps(&context, &facts, Verification::ClusterCa);
    assert_eq!(
        names(&second),
        ["configure-haproxy", "await-endpoint-address"]
    );
}

#[test]
fn a_stopped_service_is_set_up_again() {
    let context = context("cp1");
    let mut facts = after(&steps(&context, &ready(), Verification::ClusterCa), ready());
    facts.keepalived.active = false;
    assert_eq!(
        names(&steps(&context, &facts, Verification::ClusterCa)),
        ["configure-keepalived", "await-endpoint-address"]
    );
}

#[test]
fn workers_and_external_endpoints_have_no_steps() {
    assert_eq!(steps(&context("w1"), &ready(), Verification::NoCaYet), []);
    let mut external = context("cp1");
    external.spec.endpoint.mode = EndpointMode::External;
    assert_eq!(steps(&external, &ready(), Verification::NoCaYet), []);
    assert_eq!(findings(&external, &EndpointFacts::default()), []);
}

#[test]
fn what_is_missing_is_a_refusal_and_has_no_steps() {
    let mut facts = ready();
    facts.keepalived.installed = false;
    facts.interface = Known::Unknown("no such address".to_owned());
    let context = context("cp2");
    assert_eq!(steps(&context, &facts, Verification::NoCaYet), []);
    let said: Vec<String> = findings(&context, &facts)
        .into_iter()
        .map(|finding| {
            format!(
                "{}: {} | {}",
                finding.check, finding.observed, finding.remedy
            )
        })
        .collect();
    assert_snapshot!(said.join("\n"), @r"
    endpoint-packages: keepalived is not installed | install the package keepalived, or set the endpoint's mode to external
    endpoint-interface: no interface holds 10.99.0.12 (no such address) | give the node its declared address, or name spec.endpoint.interface
    ");
}

#[test]
fn haproxy_checks_both_health_paths_over_verified_tls() {
    let text = haproxy::render(&context("cp1"), Verification::ClusterCa);
    let backend = text.split("\nbackend api-servers\n").nth(1).unwrap();
    let lines: Vec<&str> = backend.lines().map(str::trim).collect();
    assert_snapshot!(lines.join("\n"), @r"
    balance leastconn
    option httpchk
    http-check connect ssl sni kubernetes
    http-check send meth GET uri /readyz
    http-check expect status 200
    http-check connect ssl sni kubernetes
    http-check send meth GET uri /livez
    http-check expect status 200
    default-server check inter 1s fastinter 300ms downinter 1s fall 2 rise 2 on-marked-down shutdown-sessions check-ssl verify required ca-file /etc/kubernetes/pki/ca.crt verifyhost kubernetes
    server cp1 10.99.0.11:6443
    server cp2 10.99.0.12:6443
    server cp3 10.99.0.13:6443
    ");
}

#[test]
fn keepalived_of_each_control_plane_differs_in_priority_and_peers_only() {
    let address = IpAddr::from([10, 99, 0, 100]);
    let second = keepalived::render(&context("cp2"), address, 51, "eth0");
    assert!(second.contains("priority 199"));
    assert!(second.contains("unicast_peer {\n        10.99.0.11\n        10.99.0.13\n    }"));
    assert!(second.contains("nopreempt"));
    assert_eq!(second.matches("10.99.0.12").count(), 1, "{second}");
}

#[test]
#[ignore = "prints the files, to hold against the real programs"]
fn print_configurations() {
    let address = IpAddr::from([10, 99, 0, 100]);
    println!(
        "{}",
        haproxy::render(&context("cp1"), Verification::NoCaYet)
    );
    println!(
        "=====\n{}",
        keepalived::render(&context("cp1"), address, 51, "eth0")
    );
}

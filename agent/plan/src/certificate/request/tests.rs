//! One request that is right, and each way to be wrong.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hactl_proto::name::NodeName;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use serde_json::{Value, json};

use super::{Decision, decide};

/// A request of w1's as its kubelet makes it.
fn pem(common: &str, organizations: &[&str], sans: &[&str]) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for organization in organizations {
        params
            .distinguished_name
            .push(DnType::OrganizationName, *organization);
    }
    params.distinguished_name.push(DnType::CommonName, common);
    params.subject_alt_names = sans
        .iter()
        .map(|san| match (san.parse(), san.contains("://")) {
            (Ok(ip), _) => SanType::IpAddress(ip),
            (_, true) => SanType::URI((*san).try_into().unwrap()),
            _ => SanType::DnsName((*san).try_into().unwrap()),
        })
        .collect();
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

fn right() -> String {
    pem("system:node:w1", &["system:nodes"], &["w1", "10.0.0.21"])
}

fn object(request: &str) -> Value {
    json!({
        "metadata": { "name": "csr-1" },
        "spec": {
            "request": BASE64.encode(request.as_bytes()),
            "signerName": "kubernetes.io/kubelet-serving",
            "username": "system:node:w1",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
        "status": {},
    })
}

fn decided(object: &Value) -> Vec<Decision> {
    let members = BTreeMap::from([(NodeName::new("w1").unwrap(), [10, 0, 0, 21].into())]);
    decide(&json!({ "items": [object] }).to_string(), &members).unwrap()
}

fn why(object: &Value) -> String {
    decided(object).remove(0).verdict.unwrap_err()
}

#[test]
fn a_members_own_request_is_approved() {
    assert_eq!(
        decided(&object(&right())),
        [Decision {
            request: "csr-1".to_owned(),
            verdict: Ok(())
        }]
    );
    let mut without_status = object(&right());
    without_status.as_object_mut().unwrap().remove("status");
    assert_eq!(decided(&without_status)[0].verdict, Ok(()));
}

#[test]
fn what_is_decided_or_of_another_signer_is_left_alone() {
    let mut decided_on = object(&right());
    decided_on["status"] = json!({ "conditions": [{ "type": "Denied" }] });
    let mut client = object(&right());
    client["spec"]["signerName"] = json!("kubernetes.io/kube-apiserver-client-kubelet");
    for other in [decided_on, client] {
        assert_eq!(decided(&other), []);
    }
}

#[test]
fn a_request_in_anothers_name_or_for_anothers_address_is_not_approved() {
    for (common, organizations, sans, word) in [
        (
            "system:node:w2",
            &["system:nodes"][..],
            &["w1"][..],
            "who asks",
        ),
        (
            "system:node:w1",
            &["system:masters"],
            &["w1"],
            "organisation",
        ),
        (
            "system:node:w1",
            &["system:nodes", "system:masters"],
            &["w1"],
            "organisation",
        ),
        ("system:node:w1", &["system:nodes"], &["w1", "w2"], "w2"),
        (
            "system:node:w1",
            &["system:nodes"],
            &["10.0.0.11"],
            "not of w1",
        ),
        (
            "system:node:w1",
            &["system:nodes"],
            &["kubernetes.default.svc"],
            "not of w1",
        ),
        (
            "system:node:w1",
            &["system:nodes"],
            &["spiffe://w1"],
            "not of w1",
        ),
        ("system:node:w1", &["system:nodes"], &[], "neither"),
    ] {
        let why = why(&object(&pem(common, organizations, sans)));
        assert!(why.contains(word), "{why:?} does not say {word:?}");
    }
}

#[test]
fn who_is_no_member_and_what_is_no_servers_usage_is_not_approved() {
    for (field, value, word) in [
        (
            "username",
            json!("system:serviceaccount:default:w1"),
            "no node",
        ),
        ("username", json!("system:node:w9"), "no member"),
        (
            "groups",
            json!(["system:authenticated"]),
            "not in the group",
        ),
        (
            "usages",
            json!(["digital signature", "server auth", "client auth"]),
            "client auth",
        ),
        ("usages", json!(["digital signature"]), "server auth"),
        ("request", json!("%"), "base64"),
        ("request", json!(BASE64.encode(b"garbage")), "can't be read"),
        (
            "request",
            json!(BASE64.encode(&right().as_bytes()[..300])),
            "can't be read",
        ),
    ] {
        let mut object = object(&right());
        object["spec"][field] = value;
        let why = why(&object);
        assert!(why.contains(word), "{why:?} does not say {word:?}");
    }
    let twice = right() + &right();
    assert!(why(&object(&twice)).contains("more than itself"));
}

#[test]
fn what_is_no_list_is_no_answer() {
    for text in ["", "{}", "[]", "{\"items\": [1]}"] {
        assert_eq!(decide(text, &BTreeMap::new()), None, "{text}");
    }
}

//! The JSON Schema for editors, held against the reader.

use boon::{Compiler, SchemaIndex, Schemas};
use hactl_proto::prerequisite::Check;
use hactl_proto::spec::certificates::CertificatePolicy;
use hactl_proto::spec::upgrade::UpgradePolicy;
use serde_json::{Map, Value};

use super::super::document::{self, Content};
use super::super::problem::Problems;
use super::super::{
    METADATA_FIELDS, ROOT_FIELDS, SPEC_FIELDS, certificates, endpoint, etcd, free_form, kubernetes,
    networks, nodes, pod_network, policies, upgrade,
};
use super::examples::{ALL, example};
use super::{GOOD, judge, with};

const SCHEMA: &str = include_str!("../../../../schema/cluster.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("cluster.json", schema()).unwrap();
        let index = compiler.compile("cluster.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn accepts(&self, text: &str) -> bool {
        let root = document::parse(text.as_bytes(), &mut Problems::default()).unwrap();
        let Content::Map(entries) = root.content else {
            panic!("no mapping: {text}")
        };
        self.schemas
            .validate(&Value::Object(free_form::object(&entries)), self.index)
            .is_ok()
    }
}

fn properties<'a>(schema: &'a Value, pointer: &str) -> &'a Map<String, Value> {
    let part = schema
        .pointer(&format!("{pointer}/properties"))
        .unwrap_or_else(|| panic!("{pointer}"));
    part.as_object().unwrap()
}

#[test]
fn schema_and_reader_know_the_same_fields() {
    let schema = schema();
    let objects: [(&str, &[&str]); 15] = [
        ("", ROOT_FIELDS),
        ("/properties/metadata", METADATA_FIELDS),
        ("/properties/spec", SPEC_FIELDS),
        ("/$defs/kubernetes", kubernetes::FIELDS),
        (
            "/$defs/kubernetes/properties/apiServer",
            kubernetes::API_SERVER_FIELDS,
        ),
        ("/$defs/networks", networks::FIELDS),
        ("/$defs/endpoint", endpoint::FIELDS),
        ("/$defs/etcd", etcd::FIELDS),
        ("/$defs/node", nodes::FIELDS),
        ("/$defs/podNetwork", pod_network::FIELDS),
        ("/$defs/policies", policies::FIELDS),
        ("/$defs/certificates", certificates::FIELDS),
        ("/$defs/upgrade", upgrade::FIELDS),
        ("/$defs/upgrade/properties/canary", upgrade::CANARY_FIELDS),
        ("/$defs/window", upgrade::WINDOW_FIELDS),
    ];
    for (pointer, fields) in objects {
        let mut known: Vec<&str> = properties(&schema, pointer)
            .keys()
            .map(String::as_str)
            .collect();
        let mut fields = fields.to_vec();
        known.sort_unstable();
        fields.sort_unstable();
        assert_eq!(known, fields, "{pointer}");
        assert_eq!(
            schema.pointer(&format!("{pointer}/additionalProperties")),
            Some(&Value::Bool(false)),
            "{pointer}"
        );
    }
}

#[test]
fn schema_and_reader_know_the_same_words_and_defaults() {
    let schema = schema();
    let at = |pointer: &str| {
        schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"))
            .clone()
    };
    let words = |words: &[&str]| Value::from(words.to_vec());
    assert_eq!(
        at("/$defs/endpoint/properties/mode/enum"),
        words(endpoint::MODES)
    );
    assert_eq!(
        at("/$defs/etcd/properties/topology/enum"),
        words(etcd::TOPOLOGIES)
    );
    assert_eq!(
        at("/$defs/policies/properties/grants/enum"),
        words(policies::GRANTS)
    );
    let prerequisites = "/$defs/policies/properties/prerequisites";
    assert_eq!(
        at(&format!("{prerequisites}/additionalProperties/enum")),
        words(policies::MODES)
    );
    assert_eq!(
        at(&format!("{prerequisites}/propertyNames/enum")),
        words(&Check::ALL.map(Check::name))
    );
    assert_eq!(
        at("/$defs/networks/properties/pods/default"),
        networks::DEFAULT_PODS
    );
    assert_eq!(
        at("/$defs/networks/properties/services/default"),
        networks::DEFAULT_SERVICES
    );
    assert_eq!(
        at("/$defs/networks/properties/dnsDomain/default"),
        networks::DEFAULT_DNS_DOMAIN
    );
    assert_eq!(
        at("/$defs/etcd/properties/dataDir/default"),
        etcd::DEFAULT_DATA_DIR
    );
    assert_eq!(
        at("/$defs/policies/properties/agentPort/default"),
        hactl_proto::spec::AGENT_PORT
    );
    assert_eq!(
        at("/$defs/window/properties/days/items/enum"),
        words(upgrade::DAYS)
    );
    assert_eq!(
        at("/$defs/certificates/properties/renewBeforeDays/default"),
        CertificatePolicy::default().renew_before_days
    );
    let usual = UpgradePolicy::default();
    for (pointer, default) in [
        ("maxUnavailable", Value::from(usual.max_unavailable)),
        ("drainLimitSeconds", Value::from(usual.drain_limit_seconds)),
        ("deleteUnmanaged", Value::from(usual.delete_unmanaged)),
        ("deleteLocalData", Value::from(usual.delete_local_data)),
        ("canary/properties/passes", Value::from(usual.canary.passes)),
        (
            "canary/properties/passSeconds",
            Value::from(usual.canary.pass_seconds),
        ),
    ] {
        let pointer = format!("/$defs/upgrade/properties/{pointer}/default");
        assert_eq!(at(&pointer), default, "{pointer}");
    }
}

#[test]
fn every_example_fits_the_schema() {
    let validator = Validator::new();
    assert!(validator.accepts(GOOD));
    for name in ALL {
        assert!(validator.accepts(example(name)), "{name}");
    }
}

#[test]
fn what_the_schema_refuses_the_reader_refuses_too() {
    let validator = Validator::new();
    let endpoint = "    address: 10.0.0.10";
    let spoiled = [
        with("kind: Cluster", "kind: Clutser"),
        with("name: prod", "name: Prod"),
        with("v1.36.2", "1.36"),
        with("  zones: [a, b, c]", "  zone: [a, b, c]"),
        with("[a, b, c]", "[]"),
        with("10.244.0.0/16", "10.244.0.0"),
        with("{name: cp1,", "{nam: cp1,"),
        with("zone: b}", "zone: B}"),
        with(endpoint, "    address: 10.0.0.10\n    port: 6443"),
        with(endpoint, "    address: 10.0.0.10\n    mode: external"),
        with(endpoint, "    address: 10.0.0.10\n    virtualRouterId: 0"),
        with("  zones:", "  etcd: {topology: external}\n  zones:"),
        with("  zones:", "  etcd: {caFile: /ca.crt}\n  zones:"),
        with("v1.36.2", "v1.36.2\n    kubelet: {kind: K}"),
        with("v1.36.2", "v1.36.2\n    apiServer: {extraArgs: {--v: 2}}"),
        with("manifest: net.yaml", "manifest: []"),
        format!("{GOOD}  policies: {{prerequisites: {{swap: off}}}}\n"),
        format!("{GOOD}  policies: {{prerequisites: {{swap-off: no}}}}\n"),
        format!("{GOOD}  workerEnrolment: yes\n"),
        format!("{GOOD}  certificates: {{renewBeforeDays: 0}}\n"),
        format!("{GOOD}  certificates: {{renewBeforeDays: 400}}\n"),
        format!("{GOOD}  upgrade: {{maxUnavailable: 0}}\n"),
        format!("{GOOD}  upgrade: {{drainLimitSeconds: 5}}\n"),
        format!("{GOOD}  upgrade: {{windows: [{{from: \"22:00\", to: \"04:00\"}}]}}\n"),
        format!("{GOOD}  upgrade: {{windows: [{{from: \"2:00\", to: \"04:00\", zone: UTC}}]}}\n"),
        format!(
            "{GOOD}  upgrade: {{windows: [{{days: [monday], from: \"02:00\", to: \"04:00\", zone: UTC}}]}}\n"
        ),
        format!("{GOOD}  upgrade: {{canary: {{passes: 0}}}}\n"),
        format!("{GOOD}  upgrade: {{canary: {{worker: w1}}}}\n"),
    ];
    for text in spoiled {
        assert!(!validator.accepts(&text), "the schema takes {text}");
        assert!(judge(&text).is_err(), "the reader takes {text}");
    }
}

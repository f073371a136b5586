//! `spec.etcd`: a member on each control plane, or a cluster that hactl does not run.

use hactl_proto::spec::EtcdTopology;

use super::field::{Fields, Value};
use super::position::Located;
use super::problem::Problems;

/// Fields of `spec.etcd`.
pub(crate) const FIELDS: &[&str] = &[
    "topology",
    "dataDir",
    "ownMount",
    "endpoints",
    "caFile",
    "certFile",
    "keyFile",
];
/// Fields that the stacked topology takes, beside `topology`.
const STACKED: &[&str] = &["dataDir", "ownMount"];
/// Fields that the external topology takes, beside `topology`.
const EXTERNAL: &[&str] = &["endpoints", "caFile", "certFile", "keyFile"];
/// Values of `topology`.
pub(crate) const TOPOLOGIES: &[&str] = &["stacked", "external"];

/// The data folder when the spec names none: kubeadm's own default.
pub(crate) const DEFAULT_DATA_DIR: &str = "/var/lib/etcd";

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> Option<Located<EtcdTopology>> {
    let stacked = EtcdTopology::Stacked {
        data_dir: DEFAULT_DATA_DIR.to_owned(),
        own_mount: false,
    };
    let Some(section) = body.get("etcd") else {
        return Some(Located {
            at: body.at(),
            path: body.path().to_owned(),
            value: stacked,
        });
    };
    let fields = Fields::open(&section, FIELDS, problems)?;
    let topology = match fields.get("topology") {
        Some(value) => value.choice(TOPOLOGIES, problems)?,
        None => "stacked",
    };
    let etcd = if topology == "external" {
        fields.forbid(
            STACKED,
            "it belongs to the stacked topology: hactl does not run this etcd",
            problems,
        );
        external(&fields, problems)?
    } else {
        fields.forbid(EXTERNAL, "it belongs to the external topology", problems);
        read_stacked(&fields, problems)?
    };
    Some(section.locate(etcd))
}

fn read_stacked(fields: &Fields<'_>, problems: &mut Problems) -> Option<EtcdTopology> {
    let data_dir = match fields.get("dataDir") {
        Some(value) => path(&value, problems)?,
        None => DEFAULT_DATA_DIR.to_owned(),
    };
    let own_mount = match fields.get("ownMount") {
        Some(value) => value.boolean(problems)?,
        None => false,
    };
    Some(EtcdTopology::Stacked {
        data_dir,
        own_mount,
    })
}

fn external(fields: &Fields<'_>, problems: &mut Problems) -> Option<EtcdTopology> {
    let endpoints = fields
        .require(
            "endpoints",
            "the API servers must know where etcd is",
            problems,
        )
        .and_then(|value| endpoints(&value, problems));
    let mut file = |name: &str| {
        let why = "the API servers authenticate to etcd with it; the file is on each control plane";
        fields
            .require(name, why, problems)
            .and_then(|value| path(&value, problems))
    };
    let (ca_file, cert_file, key_file) = (file("caFile"), file("certFile"), file("keyFile"));
    Some(EtcdTopology::External {
        endpoints: endpoints?,
        ca_file: ca_file?,
        cert_file: cert_file?,
        key_file: key_file?,
    })
}

fn endpoints(value: &Value<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let items = value.list("a list of URLs such as https://10.0.0.21:2379", problems)?;
    if items.is_empty() {
        value.error(
            "is an empty list",
            "the API servers must know where etcd is",
            "name at least one",
            problems,
        );
        return None;
    }
    items.iter().map(|item| url(item, problems)).collect()
}

fn url(value: &Value<'_>, problems: &mut Problems) -> Option<String> {
    let text = value.text("a URL such as https://10.0.0.21:2379", problems)?;
    let authority = text.strip_prefix("https://").unwrap_or_default();
    let odd = authority.is_empty()
        || authority.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
    if odd {
        let why = "etcd holds every secret of the cluster: it is spoken to over TLS only, by address or name and port";
        value.error(
            format!("{text:?} is no such URL"),
            why,
            "write it as https://HOST:2379",
            problems,
        );
        return None;
    }
    Some(text.to_owned())
}

/// An absolute path without odd parts.
fn path(value: &Value<'_>, problems: &mut Problems) -> Option<String> {
    let text = value.text("an absolute path", problems)?;
    let parts = || text.trim_start_matches('/').split('/');
    let good = text.starts_with('/')
        && parts().all(|part| !part.is_empty() && part != "." && part != "..")
        && !text.contains(char::is_control);
    if !good {
        let why =
            "it is used as it stands on every control plane, whatever folder a program runs in";
        value.error(
            format!("{text:?} is no plain absolute path"),
            why,
            "write it as /var/lib/etcd",
            problems,
        );
        return None;
    }
    Some(text.to_owned())
}

//! Requests of kubelets for serving certificates (`kubernetes.io/kubelet-serving`): Kubernetes signs them, and leaves it to others to
//! say which are right. Each rule is one that Kubernetes names for whoever approves ("Certificate Signing Requests" and "TLS
//! bootstrapping" of its documentation); addresses come from the cluster's members, not from the Node, which its kubelet writes itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::BASE64;
use hactl_proto::name::NodeName;
use serde::Deserialize;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::pem;

const SIGNER: &str = "kubernetes.io/kubelet-serving";
const NODES: &str = "system:nodes";
const PREFIX: &str = "system:node:";
const LABEL: &str = "CERTIFICATE REQUEST";

/// A request that nobody has decided on yet, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The object's name.
    pub request: String,
    /// `Ok`: to be approved. `Err`: why not.
    pub verdict: Result<(), String>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    request: String,
    #[serde(default)]
    signer_name: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    usages: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    conditions: Vec<serde_json::Value>,
}

/// Decides on all that `kubectl get certificatesigningrequests -o json` shows. `None`: that is not what it is.
pub fn decide(text: &str, members: &BTreeMap<NodeName, IpAddr>) -> Option<Vec<Decision>> {
    let list: List = serde_json::from_str(text).ok()?;
    let open = list
        .items
        .into_iter()
        .filter(|item| item.spec.signer_name == SIGNER && item.status.conditions.is_empty());
    Some(
        open.map(|item| Decision {
            verdict: judge(&item.spec, members),
            request: item.metadata.name,
        })
        .collect(),
    )
}

fn judge(spec: &Spec, members: &BTreeMap<NodeName, IpAddr>) -> Result<(), String> {
    let requester = &spec.username;
    let name = requester
        .strip_prefix(PREFIX)
        .and_then(|name| NodeName::new(name).ok())
        .ok_or_else(|| format!("it is {requester:?} who asks, no node"))?;
    if !spec.groups.iter().any(|group| group == NODES) {
        return Err(format!("{requester} is not in the group {NODES}"));
    }
    let address = members
        .get(&name)
        .ok_or_else(|| format!("{name} is no member of the cluster"))?;
    usages(&spec.usages)?;
    let bytes = BASE64
        .decode(spec.request.as_bytes())
        .map_err(|_| "the request is no base64".to_owned())?;
    let blocks =
        pem::blocks(&bytes).map_err(|fault| format!("the request can't be read: {fault}"))?;
    let [block] = blocks.as_slice() else {
        return Err("the request holds more than itself".to_owned());
    };
    if block.label != LABEL {
        return Err(format!("it holds {:?}, no request", block.label));
    }
    let (rest, request) = X509CertificationRequest::from_der(&block.der)
        .map_err(|error| format!("the request can't be read: {error}"))?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the request", rest.len()));
    }
    request
        .verify_signature()
        .map_err(|_| "the request is not signed with its own key".to_owned())?;
    subject(&request, requester)?;
    names(&request, &name, *address)
}

/// Exactly what a server needs: a certificate for clients would let its holder act as the node.
fn usages(asked: &[String]) -> Result<(), String> {
    let known = ["digital signature", "key encipherment", "server auth"];
    if let Some(other) = asked.iter().find(|one| !known.contains(&one.as_str())) {
        return Err(format!("it asks for the usage {other:?}"));
    }
    for wanted in ["digital signature", "server auth"] {
        if !asked.iter().any(|one| one == wanted) {
            return Err(format!("it does not ask for the usage {wanted:?}"));
        }
    }
    Ok(())
}

fn subject(request: &X509CertificationRequest<'_>, requester: &str) -> Result<(), String> {
    let subject = &request.certification_request_info.subject;
    let words = |values: Vec<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
        values
            .iter()
            .map(|value| value.as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let common = words(subject.iter_common_name().collect());
    let organization = words(subject.iter_organization().collect());
    if common != [requester] {
        return Err(format!("it is {requester} who asks, for {common:?}"));
    }
    if organization != [NODES] || subject.iter_attributes().count() != 2 {
        return Err(format!("its organisation is {organization:?}"));
    }
    Ok(())
}

/// Every name and address has to be the member's own, and one at least has to be there.
fn names(
    request: &X509CertificationRequest<'_>,
    name: &NodeName,
    address: IpAddr,
) -> Result<(), String> {
    let mut count = 0;
    for extension in request.requested_extensions().into_iter().flatten() {
        let ParsedExtension::SubjectAlternativeName(sans) = extension else {
            continue;
        };
        for san in &sans.general_names {
            count += 1;
            let own = match san {
                GeneralName::DNSName(dns) => *dns == name.as_str(),
                GeneralName::IPAddress(bytes) => ip(bytes) == Some(address),
                _ => false,
            };
            if !own {
                return Err(format!(
                    "{san} is not of {name}, whose address is {address}"
                ));
            }
        }
    }
    if count == 0 {
        return Err("it names neither a name nor an address".to_owned());
    }
    Ok(())
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

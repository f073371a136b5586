//! Reads the node's bundle: the one file that makes this machine a node of one cluster.
//!
//! A bundle that cannot be used is named with its fault and left as it is; the agent then does nothing.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hactl_node_plan::plan::NodeContext;
use hactl_proto::bundle::{BUNDLE_API, Bundle};
use hactl_proto::name::{NameError, NodeName};
use hactl_proto::role::NodeRole;

use crate::host::{Host, HostError};

/// Why a bundle is of no use. The node is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is none.
    #[error("find a bundle at {}", .0.display())]
    Absent(PathBuf),
    /// The host could not read it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Others than root may read it: it holds keys.
    #[error("trust {}: its mode is {mode:04o}, 0600 is wanted (chmod 600 it, and consider its keys seen)", .path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not a bundle, is cut short, or is damaged.
    #[error("read {} as a bundle; copy it here again from the operator's state folder", .path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: serde_json::Error,
    },
    /// It was made for another version of hactl.
    #[error("use a bundle of {found}; this agent reads {BUNDLE_API}")]
    Version {
        /// `apiVersion` and `kind` as found.
        found: String,
    },
    /// It was made for a declared node that its own spec does not name, or names otherwise.
    #[error("use the bundle of {node}: its spec declares {declared}")]
    NotDeclared {
        /// Whom it was made for.
        node: NodeName,
        /// What the spec says of it.
        declared: String,
    },
    /// A bundle for any worker takes the host's name, and that is no node name.
    #[error("take this host's name as the node's")]
    HostName(#[from] NameError),
}

/// Reads the bundle and checks that it can be one.
pub async fn read<H: Host>(host: &H, path: &Path) -> Result<Bundle, BundleError> {
    let absent = || BundleError::Absent(path.to_owned());
    let stamp = host.stamp(path).await?.ok_or_else(absent)?;
    if stamp.mode & 0o077 != 0 {
        return Err(BundleError::Mode {
            path: path.to_owned(),
            mode: stamp.mode & 0o7777,
        });
    }
    let bytes = host.read(path).await?.ok_or_else(absent)?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Bundle, BundleError> {
    let garbled = |source| BundleError::Garbled {
        path: path.to_owned(),
        source,
    };
    let head: Head = serde_json::from_slice(bytes).map_err(garbled)?;
    if head.api_version != BUNDLE_API || head.kind != "Bundle" {
        return Err(BundleError::Version {
            found: format!("{} {}", head.api_version, head.kind),
        });
    }
    serde_json::from_slice(bytes).map_err(garbled)
}

/// What is read first, so that a bundle of another version is named as that.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

/// Who this node is by its bundle. A bundle for any worker takes `host_name` and `address`, those of the machine.
pub fn identify(
    bundle: &Bundle,
    host_name: &str,
    address: IpAddr,
) -> Result<NodeContext, BundleError> {
    let (node, address) = match &bundle.node {
        None => (NodeName::new(host_name)?, address),
        Some(node) => match bundle.spec.declared(node) {
            Some((declared, role)) if role == bundle.role => (node.clone(), declared.address),
            Some((_, role)) => {
                return Err(BundleError::NotDeclared {
                    node: node.clone(),
                    declared: format!("a {role}, the bundle is for a {}", bundle.role),
                });
            }
            None if bundle.role == NodeRole::Worker => (node.clone(), address),
            None => {
                return Err(BundleError::NotDeclared {
                    node: node.clone(),
                    declared: "no such control plane".to_owned(),
                });
            }
        },
    };
    Ok(NodeContext {
        node,
        address,
        role: bundle.role,
        zone: bundle.zone.clone(),
        spec: bundle.spec.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        match parse(bytes, Path::new("/etc/hactl/bundle.json")) {
            Ok(_) => "read".to_owned(),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                format!("{error}: {}", cause.unwrap_or_default())
            }
        }
    }

    #[test]
    fn what_is_no_bundle_says_where_and_how() {
        insta::assert_snapshot!(fault(b""), @"read /etc/hactl/bundle.json as a bundle; copy it here again from the operator's state folder: EOF while parsing a value at line 1 column 0");
        insta::assert_snapshot!(fault(b"{\"apiVersion\": \"hactl.io/v1alpha1\", \"kind\": \"Bun"), @"read /etc/hactl/bundle.json as a bundle; copy it here again from the operator's state folder: EOF while parsing a string at line 1 column 48");
        insta::assert_snapshot!(fault(b"{\"apiVersion\": \"hactl.io/v2\", \"kind\": \"Bundle\"}"), @"use a bundle of hactl.io/v2 Bundle; this agent reads hactl.io/v1alpha1: ");
        insta::assert_snapshot!(fault(b"{\"apiVersion\": \"hactl.io/v1alpha1\", \"kind\": \"Bundle\"}"), @"read /etc/hactl/bundle.json as a bundle; copy it here again from the operator's state folder: missing field `clusterId` at line 1 column 53");
    }
}

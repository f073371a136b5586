//! What `init` and `bundle` wrote, and what to do with it.

use std::path::PathBuf;

use hactl_proto::name::{ClusterId, ClusterName};
use serde::Serialize;

use super::View;
use super::style::{Style, Tone};
use super::table::{Cell, Table};

/// Bundles that were written.
#[derive(Debug, Clone, Serialize)]
pub struct Bundles {
    /// The cluster's name.
    pub name: ClusterName,
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// The generation of the spec in them.
    pub generation: u64,
    /// The state folder, with the CA's key and the operator's certificate: whoever has it can operate the cluster.
    pub state: PathBuf,
    /// The bundles.
    pub bundles: Vec<WrittenBundle>,
}

/// One bundle.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenBundle {
    /// Whom it is for; a worker's enrolment bundle is for any.
    pub node: String,
    /// Its role.
    pub role: &'static str,
    /// Where it lies.
    pub file: PathBuf,
}

impl View for Bundles {
    fn text(&self, style: Style) -> String {
        let name = style.paint(Tone::Head, self.name.as_str());
        let head = format!(
            "{name}  cluster {}  generation {}\n",
            self.cluster, self.generation
        );
        let mut table = Table::new(["NODE", "ROLE", "BUNDLE"]);
        for bundle in &self.bundles {
            let file = bundle.file.display().to_string();
            table.row([
                Cell::plain(&bundle.node),
                Cell::plain(bundle.role),
                Cell::plain(file),
            ]);
        }
        format!(
            "{head}state folder {} (keep it safe: it holds the cluster's CA)\n\n{}\n\
             Put each bundle on its node as /etc/hactl/bundle.json (mode 0600), and the nodes do the rest.\n\
             Watch them with: hactl-controller status\n",
            self.state.display(),
            table.render(style)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_and_what_to_do_with_them() {
        let view = Bundles {
            name: ClusterName::new("prod").unwrap(),
            cluster: ClusterId::from_bytes([1; 16]),
            generation: 1,
            state: PathBuf::from("/home/op/.local/state/hactl/prod"),
            bundles: vec![WrittenBundle {
                node: "cp1".to_owned(),
                role: "control-plane",
                file: PathBuf::from("/home/op/.local/state/hactl/prod/bundles/cp1.json"),
            }],
        };
        insta::assert_snapshot!(view.text(Style::Plain), @"
        prod  cluster 01010101010101010101010101010101  generation 1
        state folder /home/op/.local/state/hactl/prod (keep it safe: it holds the cluster's CA)

        NODE  ROLE           BUNDLE
        cp1   control-plane  /home/op/.local/state/hactl/prod/bundles/cp1.json

        Put each bundle on its node as /etc/hactl/bundle.json (mode 0600), and the nodes do the rest.
        Watch them with: hactl-controller status
        ");
    }
}

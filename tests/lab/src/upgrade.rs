//! A further Kubernetes version for nodes that run another: its packages in their repository, its images in their
//! containerd. Installing and upgrading is somebody else's affair.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::cache::{Cache, name_of};
use crate::images;
use crate::kubernetes::{Kubernetes, Version};
use crate::lab::{Lab, Node, Place};
use crate::machine;
use crate::package;
use crate::progress::stage;
use crate::rootfs::{ARCHIVES, Base};

const IMPORT_LIMIT: Duration = Duration::from_mins(5);

/// Provides it to every node that is on; where no lab is up, to those to come.
pub(crate) fn provide(cache: &Cache, place: Place, version: Version) -> Result<()> {
    let kubernetes = Kubernetes::obtain(cache, version)?;
    package::packages(cache, &kubernetes)?;
    let archives = images::archives(cache, &Base::obtain(cache)?, &kubernetes)?;
    let Ok(lab) = Lab::load(place) else {
        return Ok(());
    };
    let is_on = |node: &&Node| machine::leader(lab.place(), &node.name).is_some();
    stage(
        &format!("importing the images of {version} into the nodes"),
        |stage| {
            for node in lab.nodes.iter().filter(is_on) {
                stage.detail(node.name.clone());
                import(&lab, node, &archives)?;
            }
            Ok(())
        },
    )
}

fn import(lab: &Lab, node: &Node, archives: &Path) -> Result<()> {
    for archive in std::fs::read_dir(archives)?.flatten() {
        let file = format!(
            "{ARCHIVES}/{}/{}",
            name_of(archives),
            name_of(&archive.path())
        );
        let argv = ["ctr", "-n", "k8s.io", "images", "import", &file];
        machine::inside(lab.place(), &node.name, &argv)?
            .limit(IMPORT_LIMIT)
            .run()?;
    }
    Ok(())
}

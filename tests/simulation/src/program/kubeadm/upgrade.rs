//! `kubeadm upgrade apply` and `kubeadm upgrade node`, as the lab saw 1.36 and 1.20 do them: component by component, then
//! kubeadm-config, then the kubelet's configuration. A failure puts the manifests back.

use hactl_node_plan::command::Output;
use hactl_node_plan::kubeadm::layout;
use serde_json::json;

use super::super::{Run, failed, said};
use crate::cluster::Cluster;
use crate::crash::Interrupted;

impl Run<'_> {
    pub(super) fn upgrade(&mut self, words: &[&str]) -> Result<Output, Interrupted> {
        let version = self.machine().version.clone();
        let control_plane = self.tree().exists(layout::ADMIN_CONF);
        if control_plane && self.own_cluster().is_none() {
            return Ok(failed(
                "[upgrade/health] FATAL: the API server does not answer\n",
            ));
        }
        if !control_plane && self.asked_as(layout::KUBELET_CONF, None).is_none() {
            return Ok(failed(
                "[upgrade] FATAL: failed to get the cluster's configuration: i/o timeout\n",
            ));
        }
        let apply = words.first() == Some(&"apply");
        if apply && words.get(1) != Some(&version.as_str()) {
            return Ok(failed(format!(
                "[upgrade/version] FATAL: specified version is not the one of this kubeadm, {version}\n"
            )));
        }
        if control_plane {
            for file in layout::STATIC_PODS
                .iter()
                .filter(|file| **file != "etcd.yaml")
            {
                let text = self.manifest(file);
                self.tree()
                    .write(format!("{}/{file}", layout::MANIFESTS), text);
                self.place(&format!("upgrade: {file} is replaced"))?;
                // The kubelet of a machine that lost its power is not there to run it.
                self.state.settle();
            }
        }
        if apply {
            let key = Cluster::key("configmap", "kube-system", "kubeadm-config");
            if let Some(config) = self
                .own_cluster()
                .and_then(|cluster| cluster.objects.get_mut(&key))
            {
                let text = config["data"]["ClusterConfiguration"]
                    .as_str()
                    .unwrap_or_default();
                let kept = text
                    .lines()
                    .filter(|line| !line.starts_with("kubernetesVersion:"));
                let text = kept.collect::<Vec<_>>().join("\n");
                config["data"]["ClusterConfiguration"] =
                    json!(format!("{text}\nkubernetesVersion: {version}\n"));
            }
            self.place("upgrade: kubeadm-config is written")?;
        }
        self.tree()
            .write(layout::KUBELET_CONFIG, "kind: KubeletConfiguration\n");
        self.place("upgrade: the kubelet's configuration is written")?;
        Ok(said("[upgrade] SUCCESS!\n"))
    }
}

//! `kubeadm upgrade apply` and `kubeadm upgrade node`, as the lab saw 1.36 and 1.20 do them: etcd where another one comes, then
//! component by component, then kubeadm-config, then the kubelet's configuration. A failure puts the manifests back.

use hactl_node_plan::command::Output;
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::rollout::images::of_manifest;
use serde_json::json;

use super::super::{Run, etcd_of, failed, said};
use super::phase::keeps_existing;
use crate::cluster::{Cluster, Member};
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
            if !words.contains(&"--etcd-upgrade=false")
                && let Some(refused) = self.upgrade_etcd()?
            {
                return Ok(refused);
            }
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

    /// Where the version brings another etcd: every member has to answer, then the manifest is replaced, made anew from
    /// kubeadm-config.
    fn upgrade_etcd(&mut self) -> Result<Option<Output>, Interrupted> {
        let manifest = self.tree().text(layout::ETCD_MANIFEST);
        let brought = etcd_of(&self.machine().version);
        if of_manifest(&manifest, "etcd").is_none_or(|tag| tag == brought) {
            return Ok(None);
        }
        let members = self.own_cluster().map(|cluster| cluster.members.clone());
        let own = self.machine().address;
        let answers = |member: &Member| {
            self.state.runs_member(member) && self.state.linked(own, member.address)
        };
        if !members.iter().flatten().all(answers) {
            return Ok(Some(failed(
                "[upgrade/etcd] FATAL: fatal error when trying to upgrade the etcd cluster: etcd cluster is not healthy: context deadline exceeded\n",
            )));
        }
        let key = Cluster::key("configmap", "kube-system", "kubeadm-config");
        let config = self.own_cluster().and_then(|one| one.objects.get(&key));
        let existing = config.is_some_and(keeps_existing);
        self.etcd_manifest(existing);
        self.place("upgrade: etcd.yaml is replaced")?;
        self.state.settle();
        Ok(None)
    }
}

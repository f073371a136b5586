//! Certificates: made by init and join, renewed by `kubeadm certs renew`, which exits with 0 also where it renewed nothing
//! (kubeadm reference, 2.1.1), and writes the key before the certificate.

use hactl_node_plan::certificate::place::{KUBELET_CLIENT, KUBELET_SELF_SIGNED};
use hactl_node_plan::command::Output;
use hactl_node_plan::kubeadm::layout;

use super::super::{Run, said};
use super::KUBECONFIGS;
use crate::boot::server_of;
use crate::crash::Interrupted;
use crate::pki::{self, AUTHORITIES, LEAVES, Pair};

impl Run<'_> {
    /// The authorities of a first control plane, where they are not there already.
    pub(super) fn authorities(&mut self) -> Result<(), Interrupted> {
        for (file, name) in AUTHORITIES {
            if self.pair(file).is_none()
                && let Some(made) = pki::authority(name, self.state.now())
            {
                self.write_pair(file, &made);
            }
            self.place("certificates: an authority is written")?;
        }
        self.tree()
            .write(format!("{}/sa.key", layout::PKI), "simulated");
        Ok(())
    }

    /// What a joining control plane gets of the others: their authorities with keys.
    pub(super) fn download(&mut self, ca: &str) -> Result<(), Interrupted> {
        let files: Vec<String> = AUTHORITIES
            .iter()
            .flat_map(|(file, _)| [format!("{file}.crt"), format!("{file}.key")])
            .collect();
        let mut machines = self.state.machines.values();
        let source = machines.find(|one| {
            one.tree.text(layout::CA) == ca && one.tree.exists("/etc/kubernetes/pki/ca.key")
        });
        let Some(source) = source.map(|machine| machine.tree.clone()) else {
            return self.place("certificates: nobody has the authorities");
        };
        for file in files {
            let path = format!("{}/{file}", layout::PKI);
            let text = source.text(&path);
            self.tree().write(&path, text);
        }
        self.tree()
            .write(format!("{}/sa.key", layout::PKI), "simulated");
        self.place("certificates: the authorities are written")
    }

    /// A node's own.
    pub(super) fn certificates(&mut self) -> Result<(), Interrupted> {
        for (file, name, authority) in LEAVES {
            if let Some(made) = self.signed(authority, name) {
                self.write_pair(file, &made);
            }
        }
        self.place("certificates: all are written")
    }

    pub(super) fn kubeconfigs(&mut self, endpoint: &str) -> Result<(), Interrupted> {
        for file in KUBECONFIGS {
            self.kubeconfig(file, endpoint);
        }
        self.place("kubeconfigs: all are written")
    }

    /// The kubelet's: signed by the control plane's controller manager, in a moment.
    pub(super) fn kubelet_certificate(&mut self) {
        let name = format!("system:node:{}", self.name);
        let ca = self.tree().text(layout::CA);
        let signer = self.pair("ca").or_else(|| {
            let key = "/etc/kubernetes/pki/ca.key";
            let mut machines = self.state.machines.values();
            let found =
                machines.find(|one| one.tree.text(layout::CA) == ca && one.tree.exists(key))?;
            Some(Pair {
                certificate: ca,
                key: found.tree.text(key),
            })
        });
        let (now, life) = (self.state.now(), self.state.certificate_seconds);
        if let Some(made) = signer.and_then(|signer| pki::leaf(&signer, &name, now, life)) {
            let both = format!("{}{}", made.certificate, made.key);
            self.tree().write(KUBELET_CLIENT, both);
        }
        if let Some(made) = pki::authority("kubelet", now) {
            self.tree().write(KUBELET_SELF_SIGNED, made.certificate);
            self.tree()
                .write("/var/lib/kubelet/pki/kubelet.key", made.key);
        }
    }

    /// `kubeadm certs renew all`.
    pub(super) fn renew(&mut self) -> Result<Output, Interrupted> {
        let mut words = String::new();
        for (file, name, authority) in LEAVES {
            if !self.tree().exists(format!("{}/{file}.crt", layout::PKI)) {
                words = format!("{words}MISSING! certificate for {name}\n");
                continue;
            }
            let Some(made) = self.signed(authority, name) else {
                words = format!(
                    "{words}Detected external {authority}, certificate for {name} can't be renewed\n"
                );
                continue;
            };
            if self.machine().renews_nothing {
                continue;
            }
            self.tree()
                .write(format!("{}/{file}.key", layout::PKI), &*made.key);
            self.place("certs renew: a key is written")?;
            self.tree()
                .write(format!("{}/{file}.crt", layout::PKI), &*made.certificate);
            self.place("certs renew: a certificate is written")?;
            words = format!("{words}certificate for {name} renewed\n");
        }
        for file in KUBECONFIGS {
            let old = self.tree().text(file);
            if !old.is_empty() && !self.machine().renews_nothing {
                self.kubeconfig(file, &server_of(&old).unwrap_or_default());
                self.place("certs renew: a kubeconfig is written")?;
            }
        }
        Ok(said(words))
    }

    /// Of several CAs it is given the first alone, as kubeadm up to 1.30 does.
    fn kubeconfig(&mut self, file: &str, endpoint: &str) {
        let ca = pki::first(&self.tree().text(layout::CA));
        let name = file.rsplit('/').next().unwrap_or(file);
        if let Some(made) = self.signed("ca", name) {
            self.tree()
                .write(file, pki::kubeconfig(endpoint, &ca, &made));
        }
    }

    fn signed(&mut self, authority: &str, name: &str) -> Option<Pair> {
        let (now, life) = (self.state.now(), self.state.certificate_seconds);
        pki::leaf(&self.pair(authority)?, name, now, life)
    }

    /// A pair below `pki`, where both halves are there.
    fn pair(&mut self, file: &str) -> Option<Pair> {
        let text = |end: &str| format!("{}/{file}.{end}", layout::PKI);
        let pair = Pair {
            certificate: self.tree().text(text("crt")),
            key: self.tree().text(text("key")),
        };
        (!pair.certificate.is_empty() && !pair.key.is_empty()).then_some(pair)
    }

    fn write_pair(&mut self, file: &str, pair: &Pair) {
        let path = |end: &str| format!("{}/{file}.{end}", layout::PKI);
        self.tree().write(path("key"), &*pair.key);
        self.tree().write(path("crt"), &*pair.certificate);
    }
}

//! apt and containerd's ctr, as far as an upgrade asks them.

use std::fmt::Write as _;
use std::path::Path;

use hactl_node_plan::command::{Command, Output};

use super::{Run, failed, said};
use crate::crash::Interrupted;

/// Images that every version brings, besides those of its own and its etcd.
const OTHERS: [&str; 2] = [
    "registry.k8s.io/pause:3.10.2",
    "registry.k8s.io/coredns/coredns:v1.14.2",
];
const VERSIONED: [&str; 4] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
];

/// The tag of the etcd that a version of Kubernetes brings: patch releases raise it now and then.
pub fn etcd_of(version: &str) -> &'static str {
    match version {
        old if old.starts_with("v1.20.") => "3.4.13-0",
        "v1.36.4" => "3.5.31-0",
        _ => "3.5.30-0",
    }
}

impl Run<'_> {
    pub(super) fn packages(&mut self, command: &Command) -> Result<Output, Interrupted> {
        let words: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        Ok(match (command.program.as_str(), words.as_slice()) {
            ("apt-cache", ["madison", names @ ..]) => self.madison(names),
            ("apt-get", words) if words.contains(&"--print-uris") => Self::uris(words),
            ("apt-get", words) if words.contains(&"--download-only") => self.offered(words),
            ("apt-get", words) => return self.install(words),
            // Folders are there as long as something is in them: a made one holds a mark.
            ("mkdir", ["-p", path]) => {
                self.tree().write(format!("{path}/.folder"), "");
                said("")
            }
            ("dpkg-query", [.., "hactl-agent"]) => {
                let machine = self.machine();
                let state = if machine.installs_agent() {
                    "half-configured"
                } else {
                    "installed"
                };
                said(format!("install ok {state} {}\n", machine.agent))
            }
            ("dpkg-deb", ["--show", _, file]) => self.shown(file),
            ("dpkg", ["--force-confold", "--install", file]) => return self.install_agent(file),
            ("dpkg-deb", ["-x", _, into])
                if !self
                    .tree()
                    .exists(Path::new(into).parent().unwrap_or(Path::new("/"))) =>
            {
                failed(format!(
                    "dpkg-deb: error: failed to create directory: No such file or directory ({into})"
                ))
            }
            ("dpkg-deb", ["-x", deb, into]) => {
                let version = deb.split('_').nth(1).unwrap_or_default();
                let version = format!("v{}", version.trim_end_matches("-1.1"));
                self.tree()
                    .write(format!("{into}/usr/bin/kubeadm"), version);
                said("")
            }
            ("ctr", [.., "images", "list", "--quiet"]) => self.images(),
            ("ctr", [.., "containers", "list"]) => {
                let mut text = "CONTAINER IMAGE RUNTIME\n".to_owned();
                let machine = self.machine();
                for (component, tag) in &machine.pods {
                    let number = machine.begun.get(component).copied().unwrap_or_default();
                    let _ = writeln!(
                        text,
                        "{component}-{number} registry.k8s.io/{component}:{tag} io.containerd.runc.v2"
                    );
                }
                said(text)
            }
            ("ctr", [.., "tasks", "list"]) => {
                let mut text = "TASK PID STATUS\n".to_owned();
                let machine = self.machine();
                for component in machine.pods.keys() {
                    let number = machine.begun.get(component).copied().unwrap_or_default();
                    let _ = writeln!(text, "{component}-{number} 7 RUNNING");
                }
                said(text)
            }
            ("ctr", [.., "tasks", "kill", "--signal", _, id]) => self.end(id),
            _ => said(""),
        })
    }

    /// A package of ours is its name and version, as the tool would show it.
    fn shown(&mut self, file: &str) -> Output {
        let text = self.tree().text(file);
        if text.split_whitespace().count() == 2 {
            return said(text);
        }
        failed(format!(
            "dpkg-deb: error: '{file}' is not a Debian format archive\n"
        ))
    }

    /// The kubelet starts the next one where the manifest is there.
    fn end(&mut self, id: &str) -> Output {
        let machine = self.machine();
        let runs = id.rsplit_once('-').filter(|(component, number)| {
            machine.pods.contains_key(*component)
                && machine
                    .begun
                    .get(*component)
                    .copied()
                    .unwrap_or_default()
                    .to_string()
                    == *number
        });
        if let Some((component, _)) = runs {
            machine.pods.remove(component);
            return said("");
        }
        failed(format!(
            "ctr: container \"{id}\" in namespace \"k8s.io\": not found\n"
        ))
    }

    /// It is configured when its unit ends; its scripts restart the agent before that.
    fn install_agent(&mut self, file: &str) -> Result<Output, Interrupted> {
        let text = self.tree().text(file);
        let Some(version) = text.trim().strip_prefix("hactl-agent ") else {
            return Ok(failed("dpkg: error: not a Debian package\n"));
        };
        version.clone_into(&mut self.machine().agent);
        self.place("dpkg: hactl-agent is unpacked")?;
        Ok(said("Setting up hactl-agent\n"))
    }

    /// kubeadm out of a package that is not installed: its path tells its version.
    pub(super) fn staged_kubeadm(&mut self, command: &Command) -> Output {
        let version = self.tree().text(&command.program);
        if version.is_empty() {
            return failed("no such file or directory\n");
        }
        said(Self::images_of(&version).join("\n") + "\n")
    }

    fn images_of(version: &str) -> Vec<String> {
        let versioned = VERSIONED.map(|name| format!("registry.k8s.io/{name}:{version}"));
        let etcd = format!("registry.k8s.io/etcd:{}", etcd_of(version));
        versioned
            .into_iter()
            .chain([etcd])
            .chain(OTHERS.map(str::to_owned))
            .collect()
    }

    fn images(&mut self) -> Output {
        let offered = self.machine().offered.clone();
        let missing = self.machine().missing_images.clone();
        let mut all: Vec<String> = offered
            .iter()
            .flat_map(|version| Self::images_of(version))
            .collect();
        all.retain(|image| !missing.contains(image));
        said(all.join("\n") + "\n")
    }

    fn madison(&mut self, names: &[&str]) -> Output {
        let mut text = String::new();
        for name in names {
            for version in &self.machine().offered {
                let _ = writeln!(
                    text,
                    " {name} | {}-1.1 | https://pkgs Packages",
                    version.trim_start_matches('v')
                );
            }
        }
        said(text)
    }

    fn uris(words: &[&str]) -> Output {
        let Some((name, revision)) = words.iter().find_map(|word| word.split_once('=')) else {
            return failed("E: no package\n");
        };
        said(format!(
            "'file:/srv/{name}_{revision}_amd64.deb' {name}.deb 1\n"
        ))
    }

    fn offered(&mut self, words: &[&str]) -> Output {
        let wanted = words.iter().filter_map(|word| word.split_once('='));
        for (name, revision) in wanted.filter(|(name, _)| name.starts_with("kube")) {
            let version = format!("v{}", revision.trim_end_matches("-1.1"));
            if !self.machine().offered.contains(&version) {
                return failed(format!(
                    "E: Version '{revision}' for '{name}' was not found\n"
                ));
            }
        }
        said("")
    }

    fn install(&mut self, words: &[&str]) -> Result<Output, Interrupted> {
        let offered = self.offered(words);
        if !offered.success() {
            return Ok(offered);
        }
        let wanted: Vec<(String, String)> = words
            .iter()
            .filter_map(|word| word.split_once('='))
            .filter(|(name, _)| name.starts_with("kube"))
            .map(|(name, revision)| {
                (
                    name.to_owned(),
                    format!("v{}", revision.trim_end_matches("-1.1")),
                )
            })
            .collect();
        for (name, version) in wanted {
            self.tree()
                .write(format!("/usr/bin/{name}"), version.clone());
            let machine = self.machine();
            match name.as_str() {
                "kubeadm" => machine.version = version,
                "kubelet" => machine.kubelet = version,
                _ => machine.kubectl = version,
            }
            self.place(&format!("apt-get: {name} is unpacked"))?;
        }
        Ok(said(""))
    }
}

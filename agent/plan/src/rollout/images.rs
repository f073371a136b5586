//! Images: what kubeadm wants, what the runtime has, what it runs, what a manifest names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hactl_proto::role::NodeRole;
use hactl_proto::version::KubernetesVersion;

use crate::command::Command;

/// Pulls of a slow registry.
const PULL_LIMIT: Duration = Duration::from_mins(20);

/// The components whose image bears Kubernetes' own version.
pub const VERSIONED: [&str; 3] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// Which images a kubeadm wants for a version. Asked of the target's own program: another minor's gives wrong answers without a
/// word (kubeadm reference, 0.1).
pub fn list(program: &str, version: &KubernetesVersion, repository: Option<&str>) -> Command {
    Command::new(program, words("list", version, repository))
}

/// Pulls them through the runtime.
pub fn pull(program: &str, version: &KubernetesVersion, repository: Option<&str>) -> Command {
    Command::new(program, words("pull", version, repository)).limit(PULL_LIMIT)
}

fn words(verb: &str, version: &KubernetesVersion, repository: Option<&str>) -> Vec<String> {
    let mut words: Vec<String> = ["config", "images", verb, "--kubernetes-version"]
        .map(str::to_owned)
        .to_vec();
    words.push(version.to_string());
    if let Some(repository) = repository {
        words.extend(["--image-repository".to_owned(), repository.to_owned()]);
    }
    words
}

/// The lines of [`list`]; warnings may stand among them.
pub fn parse_list(text: &str) -> Vec<String> {
    let image = |line: &&str| line.contains(':') && line.contains('/') && !line.contains(' ');
    text.lines()
        .map(str::trim)
        .filter(image)
        .map(str::to_owned)
        .collect()
}

/// Of the images of a version, those that a node of this role runs.
pub fn wanted(images: &[String], role: NodeRole) -> Vec<String> {
    let runs = |image: &&String| {
        role == NodeRole::ControlPlane
            || ["kube-proxy", "pause"].contains(&component_and_tag(image).0.as_str())
    };
    images.iter().filter(runs).cloned().collect()
}

/// The images that the runtime has, by name.
pub fn present() -> Command {
    Command::new(
        "ctr",
        ["--namespace", "k8s.io", "images", "list", "--quiet"],
    )
}

/// Containers with their images; whether they run is [`tasks`]'s to say.
pub fn containers() -> Command {
    Command::new("ctr", ["--namespace", "k8s.io", "containers", "list"])
}

/// The images with their digests: [`running`] needs them where a container bears its image's digest instead of a name.
pub fn digests() -> Command {
    Command::new("ctr", ["--namespace", "k8s.io", "images", "list"])
}

/// What runs.
pub fn tasks() -> Command {
    Command::new("ctr", ["--namespace", "k8s.io", "tasks", "list"])
}

/// Ends a container's process as the kubelet would. The container stays, and the kubelet starts the next one.
pub fn end(container: &str, signal: &str) -> Command {
    let words = [
        "--namespace",
        "k8s.io",
        "tasks",
        "kill",
        "--signal",
        signal,
        container,
    ];
    Command::new("ctr", words)
}

/// The tags that run, by component, as the container runtime sees them: the API server that would say it otherwise may be the
/// very one that is being replaced.
pub fn running(containers: &str, tasks: &str, digests: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut running: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, component, tag) in alive(containers, tasks, digests) {
        running.entry(component).or_default().insert(tag);
    }
    running
}

/// The ids of a component's containers that run.
pub fn running_of(
    component: &str,
    containers: &str,
    tasks: &str,
    digests: &str,
) -> BTreeSet<String> {
    alive(containers, tasks, digests)
        .into_iter()
        .filter(|(_, found, _)| found == component)
        .map(|(id, _, _)| id)
        .collect()
}

/// Id, component and tag of each container that runs.
fn alive(containers: &str, tasks: &str, digests: &str) -> Vec<(String, String, String)> {
    let alive: BTreeSet<&str> = tasks
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.last() == Some(&"RUNNING")).then(|| words[0])
        })
        .collect();
    let container = |line: &str| {
        let mut words = line.split_whitespace();
        let (id, image) = (words.next()?, words.next()?);
        let (component, tag) = component_and_tag(&named(image, digests));
        alive.contains(id).then(|| (id.to_owned(), component, tag))
    };
    containers.lines().filter_map(container).collect()
}

/// The kubelet may name an image by its digest; the name with a tag is another line of the images, of the same content.
fn named(image: &str, digests: &str) -> String {
    if !image.starts_with("sha256:") {
        return image.to_owned();
    }
    let lines = || {
        digests.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.nth(1)?))
        })
    };
    let content = lines()
        .find(|(name, _)| *name == image)
        .map(|(_, content)| content);
    let tagged = |name: &str| !name.starts_with("sha256:") && !name.contains('@');
    lines()
        .find(|(name, found)| Some(*found) == content && tagged(name))
        .map_or_else(|| image.to_owned(), |(name, _)| name.to_owned())
}

/// `registry.k8s.io/kube-apiserver:v1.36.2` is `kube-apiserver` and `v1.36.2`. A registry may have a port; a digest is no tag.
pub fn component_and_tag(image: &str) -> (String, String) {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    let (component, tag) = last.split_once(':').unwrap_or((last, ""));
    (component.to_owned(), tag.to_owned())
}

/// The image of a static pod's manifest that is the component's own.
pub fn of_manifest(text: &str, component: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("image:"))
        .map(|image| component_and_tag(image.trim().trim_matches(['"', '\''])))
        .find(|(found, _)| found == component)
        .map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_told_by_tasks_not_by_containers() {
        let containers = "CONTAINER    IMAGE                                RUNTIME\n\
                          aa1          registry:5000/kube-apiserver:v1.36.3 io.containerd.runc.v2\n\
                          bb2          registry:5000/kube-apiserver:v1.36.2 io.containerd.runc.v2\n\
                          cc3          registry.k8s.io/pause:3.10.2         io.containerd.runc.v2\n";
        let tasks = "TASK    PID     STATUS\naa1     101     RUNNING\nbb2     90      STOPPED\n";
        let running = running(containers, tasks, "");
        assert_eq!(
            running["kube-apiserver"],
            BTreeSet::from(["v1.36.3".to_owned()])
        );
        assert!(!running.contains_key("pause"));
        let ids = running_of("kube-apiserver", containers, tasks, "");
        assert_eq!(ids, BTreeSet::from(["aa1".to_owned()]));
        assert!(super::running("", "garbage\n\n", "").is_empty());
        let by_digest = "CONTAINER IMAGE RUNTIME\naa1 sha256:77aa io.containerd.runc.v2\n";
        let images = "REF TYPE DIGEST SIZE\n\
                      k8s.gcr.io/kube-apiserver:v1.20.3 application/x sha256:c0 30 MiB\n\
                      k8s.gcr.io/kube-apiserver@sha256:c0 application/x sha256:c0 30 MiB\n\
                      sha256:77aa application/x sha256:c0 30 MiB\n";
        let running = super::running(by_digest, tasks, images);
        assert_eq!(
            running["kube-apiserver"],
            BTreeSet::from(["v1.20.3".to_owned()])
        );
    }

    #[test]
    fn a_manifest_names_its_image() {
        let manifest = "spec:\n  containers:\n  - command:\n    - etcd\n    image: registry.k8s.io/etcd:3.6.8-0\n    imagePullPolicy: IfNotPresent\n";
        assert_eq!(of_manifest(manifest, "etcd").as_deref(), Some("3.6.8-0"));
        assert_eq!(of_manifest(manifest, "kube-apiserver"), None);
        assert_eq!(of_manifest("", "etcd"), None);
    }

    #[test]
    fn a_worker_wants_what_it_runs() {
        let text = "W1122 version.go: could not fetch a version\nk8s.gcr.io/kube-apiserver:v1.20.3\nk8s.gcr.io/kube-proxy:v1.20.3\nk8s.gcr.io/pause:3.2\nk8s.gcr.io/etcd:3.4.13-0\n";
        let images = parse_list(text);
        assert_eq!(images.len(), 4);
        assert_eq!(
            wanted(&images, NodeRole::Worker),
            ["k8s.gcr.io/kube-proxy:v1.20.3", "k8s.gcr.io/pause:3.2"]
        );
        assert_eq!(wanted(&images, NodeRole::ControlPlane).len(), 4);
    }

    #[test]
    fn images_are_asked_for_of_a_version_and_a_mirror_where_there_is_one() {
        let version = KubernetesVersion::new(1, 36, 3);
        let words = |repository| list("/p/kubeadm", &version, repository).arguments;
        let asked = [
            "config",
            "images",
            "list",
            "--kubernetes-version",
            "v1.36.3",
        ];
        assert_eq!(words(None), asked);
        let mirror = ["--image-repository", "r.io/k8s"];
        assert_eq!(
            words(Some("r.io/k8s")),
            [asked.as_slice(), &mirror].concat()
        );
        assert_eq!(pull("/p/kubeadm", &version, None).arguments[2], "pull");
    }
}

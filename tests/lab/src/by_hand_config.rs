//! The files that an administrator without hactl writes: kubeadm's documents in the version that the kubeadm takes, a
//! plain HAProxy and keepalived, the two lines of containerd's configuration that everyone forgets.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::component;
use crate::lab::{ENDPOINT_ADDRESS, ENDPOINT_PORT, Lab, Node, POD_NETWORK, Role, SERVICE_NETWORK};

/// What joining nodes prove themselves with; good for this one cluster, for as long as kubeadm lets it.
pub(crate) struct Secrets {
    token: String,
    certificate_key: String,
}

impl Secrets {
    /// Fresh ones.
    pub(crate) fn new() -> Result<Self> {
        let mut bytes = [0_u8; 48];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
        };
        Ok(Self {
            token: format!("{}.{}", hex(&bytes[..3]), hex(&bytes[3..11])),
            certificate_key: hex(&bytes[16..48]),
        })
    }
}

/// The documents of `kubeadm init`. JSON is YAML.
pub(crate) fn init(lab: &Lab, node: &Node, secrets: &Secrets) -> String {
    let api = lab.version.kubeadm_config();
    let init = json!({
        "apiVersion": api,
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": secrets.token}],
        "certificateKey": secrets.certificate_key,
        "localAPIEndpoint": {"advertiseAddress": node.address()},
        "nodeRegistration": registration(lab, node),
    });
    let cluster = json!({
        "apiVersion": api,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": lab.version.to_string(),
        "controlPlaneEndpoint": format!("{ENDPOINT_ADDRESS}:{ENDPOINT_PORT}"),
        "networking": {"podSubnet": POD_NETWORK, "serviceSubnet": SERVICE_NETWORK},
    });
    let mut kubelet = component::kubelet(lab.version);
    kubelet["apiVersion"] = json!("kubelet.config.k8s.io/v1beta1");
    kubelet["kind"] = json!("KubeletConfiguration");
    kubelet["cgroupDriver"] = json!("systemd");
    let mut proxy = component::kube_proxy();
    proxy["apiVersion"] = json!("kubeproxy.config.k8s.io/v1alpha1");
    proxy["kind"] = json!("KubeProxyConfiguration");
    [init, cluster, kubelet, proxy]
        .map(|document| document.to_string())
        .join("\n---\n")
}

/// The document of `kubeadm join`.
pub(crate) fn join(lab: &Lab, node: &Node, secrets: &Secrets) -> String {
    let mut join = json!({
        "apiVersion": lab.version.kubeadm_config(),
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": {
            "token": secrets.token,
            "apiServerEndpoint": format!("{ENDPOINT_ADDRESS}:{ENDPOINT_PORT}"),
            "unsafeSkipCAVerification": true,
        }},
        "nodeRegistration": registration(lab, node),
    });
    if node.role == Role::ControlPlane {
        join["controlPlane"] = json!({
            "certificateKey": secrets.certificate_key,
            "localAPIEndpoint": {"advertiseAddress": node.address()},
        });
    }
    join.to_string()
}

fn registration(lab: &Lab, node: &Node) -> Value {
    let scheme = if lab.version.minor < 24 {
        ""
    } else {
        "unix://"
    };
    json!({"name": node.name, "criSocket": format!("{scheme}/run/containerd/containerd.sock")})
}

/// containerd's configuration with the systemd cgroup driver and the pause image that kubeadm wants.
pub(crate) fn containerd(before: &str, pause: &str) -> Result<String> {
    let mark = "    restrict_oom_score_adj = true\n";
    ensure!(
        before.contains(mark),
        "containerd's configuration is not the lab's own any more"
    );
    let runtime = "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc";
    let more = format!(
        "{mark}    sandbox_image = \"{pause}\"\n    [{runtime}]\n      runtime_type = \"io.containerd.runc.v2\"\n      \
         [{runtime}.options]\n        SystemdCgroup = true\n"
    );
    Ok(before.replace(mark, &more))
}

/// HAProxy in front of all API servers, with the checks that a manual would have.
pub(crate) fn haproxy(control_planes: &[&Node]) -> String {
    let mut config = format!(
        "global\n    daemon\ndefaults\n    mode tcp\n    timeout connect 2s\n    timeout client 5m\n    timeout server 5m\n\
         frontend monitor\n    bind 127.0.0.1:8444\n    mode http\n    monitor-uri /healthz\n\
         frontend api\n    bind *:{ENDPOINT_PORT}\n    default_backend api-servers\n\
         backend api-servers\n    option httpchk GET /readyz\n    http-check expect status 200\n    \
         default-server check check-ssl verify none inter 1s fall 2 rise 2\n"
    );
    for node in control_planes {
        writeln!(config, "    server {} {}:6443", node.name, node.address()).ok();
    }
    config
}

/// keepalived with an advert each second, the address on the first that is up.
pub(crate) fn keepalived(node: &Node, control_planes: &[&Node]) -> String {
    let peers: String = control_planes
        .iter()
        .filter(|peer| peer.name != node.name)
        .fold(String::new(), |text, peer| {
            text + "        " + &peer.address() + "\n"
        });
    let priority = 150 - node.number;
    let address = node.address();
    format!(
        "global_defs {{\n    enable_script_security\n    script_user nobody\n}}\n\
         vrrp_script haproxy {{\n    script \"/usr/bin/curl -fsS --max-time 1 http://127.0.0.1:8444/healthz\"\n    \
         interval 1\n    fall 2\n    rise 1\n}}\n\
         vrrp_instance api {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    priority {priority}\n    \
         nopreempt\n    advert_int 1\n    unicast_src_ip {address}\n    unicast_peer {{\n{peers}    }}\n    \
         virtual_ipaddress {{\n        {ENDPOINT_ADDRESS}/24\n    }}\n    track_script {{\n        haproxy\n    }}\n}}\n"
    )
}

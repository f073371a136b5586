//! Answers of components on the network: the API servers', the kubelets', the load balancers'.

use std::net::SocketAddr;

use hactl_agent::host::{Answer, HostError, Question};
use hactl_node_plan::certificate::place::KUBELET_SELF_SIGNED;
use hactl_proto::name::NodeName;

use crate::boot::host_of;
use crate::pki::der;
use crate::world::State;

impl State {
    /// The answer to a question from a machine.
    pub(crate) fn answer(&self, from: &NodeName, question: &Question) -> Result<Answer, HostError> {
        match question {
            Question::Get { url, .. } => self.get(from, url),
            Question::Certificate { of } => self.shown(from, *of),
            Question::Connect { to } => self.connect(from, *to),
            // `State::converse` answers it before.
            Question::ConnectUnix { .. } | Question::Converse { .. } => Ok(Answer {
                status: 0,
                body: Vec::new(),
            }),
        }
    }

    /// HAProxy's admin socket.
    pub(crate) fn converse(&mut self, from: &NodeName, line: &str) -> Result<Answer, HostError> {
        let names: Vec<String> = self.machines.keys().map(ToString::to_string).collect();
        let Some(machine) = self
            .machines
            .get_mut(from)
            .filter(|one| one.runs("haproxy"))
        else {
            return Err(HostError::Ask {
                what: "/run/haproxy/admin.sock".to_owned(),
                reason: "no such file or directory".to_owned(),
            });
        };
        let mut body = "\n".to_owned();
        if let Some(rest) = line.strip_prefix("set server api-servers/") {
            match rest.split_once(" state ") {
                Some((name, _)) if !names.iter().any(|known| known == name) => {
                    "No such server.\n".clone_into(&mut body);
                }
                Some((name, "drain")) => drop(machine.released.insert(name.to_owned())),
                Some((name, "ready")) => drop(machine.released.remove(name)),
                _ => "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"
                    .clone_into(&mut body),
            }
        } else if line != "show servers state api-servers" {
            "Can't find backend.\n".clone_into(&mut body);
        } else {
            "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n"
                .clone_into(&mut body);
            for name in names {
                let state = if machine.released.contains(&name) {
                    8
                } else {
                    0
                };
                body = format!("{body}4 api-servers 1 {name} 10.0.0.1 2 {state} 1 1\n");
            }
        }
        Ok(Answer {
            status: 0,
            body: body.into_bytes(),
        })
    }

    fn get(&self, from: &NodeName, url: &str) -> Result<Answer, HostError> {
        let refused = || HostError::Ask {
            what: url.to_owned(),
            reason: "connection refused".to_owned(),
        };
        let machine = self.machine(from);
        if url.contains(":10248/") {
            return if machine.runs("kubelet") {
                Ok(ok())
            } else {
                Err(refused())
            };
        }
        if url.ends_with(":2381/metrics") {
            let (_, number) = machine.etcd.as_ref().ok_or_else(refused)?;
            let body = format!("process_start_time_seconds {number}\n");
            return Ok(Answer {
                status: 200,
                body: body.into_bytes(),
            });
        }
        let plain = url.replace("http://", "https://");
        let host = host_of(&plain).ok_or_else(refused)?;
        let answer = self
            .reached(from, &host)
            .map(|_| ok())
            .ok_or_else(refused)?;
        if !url.ends_with("/version") {
            return Ok(answer);
        }
        let asked = host.parse().ok().and_then(|ip| self.route(machine, ip));
        let tag = asked.and_then(|machine| machine.pods.get("kube-apiserver"));
        Ok(Answer {
            status: 200,
            body: serde_json::json!({ "gitVersion": tag })
                .to_string()
                .into_bytes(),
        })
    }

    /// What a port shows: what its process took up when it began.
    fn shown(&self, from: &NodeName, of: SocketAddr) -> Result<Answer, HostError> {
        let machine = self.route(self.machine(from), of.ip());
        let (component, file) = match of.port() {
            6443 => ("kube-apiserver", None),
            2379 => ("etcd", None),
            2380 => ("etcd", Some("/etc/kubernetes/pki/etcd/peer.crt")),
            10250 => ("kubelet", Some(KUBELET_SELF_SIGNED)),
            _ => ("", None),
        };
        let shown = machine
            .filter(|one| one.runs("kubelet"))
            .and_then(|machine| {
                let up = component == "kubelet" || machine.pods.contains_key(component);
                let text = match file {
                    Some(file) => machine.tree.text(file),
                    None => machine.holds.get(component).cloned().unwrap_or_default(),
                };
                up.then(|| der(&text))?
            });
        shown
            .map(|body| Answer { status: 0, body })
            .ok_or_else(|| HostError::Ask {
                what: format!("{of} for its certificate"),
                reason: "connection refused".to_owned(),
            })
    }

    fn connect(&self, from: &NodeName, to: SocketAddr) -> Result<Answer, HostError> {
        let asker = self.machine(from);
        let accepted = match self.route(asker, to.ip()) {
            Some(machine) => machine.powered,
            // The endpoint's address: up as soon as one control plane carries it.
            None if to.ip().to_string() == self.endpoint => self.machines.values().any(|machine| {
                self.linked(asker.address, machine.address)
                    && machine.runs("haproxy")
                    && machine.runs("keepalived")
            }),
            None => false,
        };
        if accepted {
            return Ok(Answer {
                status: 0,
                body: Vec::new(),
            });
        }
        Err(HostError::Ask {
            what: to.to_string(),
            reason: "no route to host".to_owned(),
        })
    }
}

fn ok() -> Answer {
    Answer {
        status: 200,
        body: b"ok".to_vec(),
    }
}

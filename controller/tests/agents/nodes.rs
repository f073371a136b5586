//! Three control planes at loopback, from bundles that the program itself made.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use hactl_agent::api::Server;
use hactl_agent::host::RealHost;
use hactl_agent::paths::Paths;
use hactl_agent::trust::{Identity, OwnTrust, in_force};
use hactl_proto::bundle::Bundle;
use hactl_proto::rollout::RolloutRecord;
use hactl_proto::standing::Override;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::duties::Made;

const HOSTS: [(&str, u8); 3] = [("cp1", 11), ("cp2", 12), ("cp3", 13)];

/// The operator's home, and the agents.
pub(crate) struct Nodes {
    home: TempDir,
    pub(crate) made: Vec<Arc<Made>>,
    serving: Vec<JoinHandle<()>>,
}

/// How the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Nodes {
    /// Makes a cluster with the program and starts its control planes' servers.
    pub(crate) async fn start() -> Self {
        let (port, listeners) = listeners().await;
        let mut nodes = Self {
            home: tempfile::tempdir().unwrap(),
            made: Vec::new(),
            serving: Vec::new(),
        };
        fs::write(nodes.path("cluster.yaml"), spec(port)).unwrap();
        let init = nodes.run(&["init", "cluster.yaml"]).await;
        assert_eq!(init.code, 0, "{}", init.err);
        for ((name, _), listener) in HOSTS.iter().zip(listeners) {
            nodes.serve(name, listener).await;
        }
        nodes
    }

    async fn serve(&mut self, name: &str, listener: TcpListener) {
        let bundle = fs::read(self.path(&format!("state/hactl/prod/bundles/{name}.json"))).unwrap();
        let bundle: Bundle = serde_json::from_slice(&bundle).unwrap();
        let paths = Paths::under(&self.path(name));
        let host = Arc::new(RealHost::new(paths.run.clone()));
        let bundle = in_force(&*host, &paths, bundle).await;
        let node = bundle.node.clone().unwrap();
        let identity = Identity::establish(&*host, &paths, &bundle, &node).await;
        let identity = Arc::new(identity.map_err(|error| error.to_string()).unwrap());
        let own_trust = OwnTrust::new(host, &paths, &bundle, identity.clone()).await;
        let made = Arc::new(Made::new(&bundle, &node, own_trust));
        let server = Server::new(
            identity.trust().clone(),
            identity.credential().clone(),
            &made.duties(),
        );
        self.serving
            .push(tokio::spawn(server.serve(listener, std::future::pending())));
        self.made.push(made);
    }

    /// The agent dies and starts again, from its files.
    pub(crate) async fn restart(&mut self, at: usize) {
        let address = self.made[at].address();
        let dead = self.serving.remove(at);
        dead.abort();
        let _ = dead.await;
        self.made.remove(at);
        let listener = TcpListener::bind(address).await.unwrap();
        self.serve(HOSTS[at].0, listener).await;
        self.made[at..].rotate_right(1);
        self.serving[at..].rotate_right(1);
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// Runs the program in the operator's home.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_hactl-controller"))
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("XDG_STATE_HOME", self.path("state"))
            .output()
            .await
            .unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the program; it ends with the value.
    pub(crate) fn start_program(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_hactl-controller"))
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("XDG_STATE_HOME", self.path("state"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Has every agent keep this rollout.
    pub(crate) fn keep(&self, record: &RolloutRecord) {
        for made in &self.made {
            *made.rollout.lock().unwrap() = Some(record.clone());
        }
    }

    /// The overrides that the agents took.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        self.made
            .iter()
            .flat_map(|made| made.overrides.lock().unwrap().clone())
            .collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

/// A port that is free on all three addresses.
async fn listeners() -> (u16, Vec<TcpListener>) {
    let at = |host: u8, port: u16| SocketAddr::from(([127, 0, 0, host], port));
    for _ in 0..50 {
        let first = TcpListener::bind(at(HOSTS[0].1, 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(at(HOSTS[1].1, port)).await;
        let third = TcpListener::bind(at(HOSTS[2].1, port)).await;
        if let (Ok(second), Ok(third)) = (second, third) {
            return (port, vec![first, second, third]);
        }
    }
    panic!("no port is free on three addresses of loopback");
}

fn spec(port: u16) -> String {
    let planes: String = HOSTS
        .iter()
        .zip(["a", "b", "c"])
        .map(|((name, host), zone)| {
            format!("    - {{name: {name}, address: 127.0.0.{host}, zone: {zone}}}\n")
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "apiVersion: hactl.io/v1alpha1\nkind: Cluster\nmetadata: {{name: prod}}\nspec:\n  kubernetes: {{version: v1.36.2}}\n  \
         endpoint: {{host: 127.0.0.10}}\n  zones: [a, b, c]\n  controlPlanes:\n{planes}  workers:\n    \
         - {{name: w1, address: 127.0.0.21, zone: a}}\n  policies: {{agentPort: {port}}}\n"
    )
}

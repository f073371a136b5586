//! The agents: each on a thread and a runtime of its own, so that one can be killed as a power cut would.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use hactl_agent::daemon::Agent;
use hactl_agent::paths::Paths;
use hactl_controller::observe::{Inquiry, Operator};
use hactl_controller::trust::Authority;
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use hactl_simulation::World;
use tokio::sync::oneshot;

/// How long one agent may take to answer the operator.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Five agents and the operator who watches them. All of it is in one temporary folder, gone at the end.
pub(crate) struct Fleet {
    pub(crate) operator: Arc<Operator>,
    pub(crate) inquiry: Inquiry,
    world: World,
    running: Vec<Running>,
    _folder: tempfile::TempDir,
}

/// One agent's thread.
struct Running {
    node: NodeName,
    kill: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Fleet {
    /// Makes the cluster's trust as the operator does, puts each node's bundle on its disk and starts the agents.
    pub(crate) fn boot(spec: ClusterSpec, pace: f64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hactl-demo-").tempdir()?;
        let now = Timestamp::now();
        let state = folder.path().join("operator");
        let authority = Authority::create(&state, now)?;
        let person = NodeName::new("operator")?;
        let operator = Operator::in_folder(&state, &person, ANSWER_LIMIT)
            .context("read the operator's certificate")?;
        let world = World::of(&spec, now);
        world.state().pace = pace;
        let mut running = Vec::new();
        let token_expires = now + Duration::from_hours(1);
        for node in spec.control_planes.iter().chain(&spec.workers) {
            let bundle = authority.bundle(&spec, &node.name, now, token_expires)?;
            let root = folder.path().join(node.name.as_str());
            let paths = Paths::under(&root);
            place(&paths.bundle(), &serde_json::to_vec(&bundle)?)?;
            running.push(start(&world, node.name.clone(), root, paths)?);
        }
        let inquiry = Inquiry {
            cluster: operator.cluster(),
            generation: authority.generation(),
            spec,
            limit: ANSWER_LIMIT,
        };
        Ok(Self {
            operator: Arc::new(operator),
            inquiry,
            world,
            running,
            _folder: folder,
        })
    }

    /// The power of a node goes: its agent gets to say goodbye to nobody.
    pub(crate) fn power_off(&mut self, node: &NodeName) -> Result<()> {
        self.world.power_off(node);
        let place = self.running.iter().position(|one| one.node == *node);
        let one = self
            .running
            .swap_remove(place.context("no such node runs")?);
        // Its runtime is dropped, with all tasks and sockets in it.
        let _ = one.kill.send(());
        ended(one.thread)
    }

    /// An agent that ended by itself, with why.
    pub(crate) fn fallen(&mut self) -> Result<()> {
        let Some(place) = self.running.iter().position(|one| one.thread.is_finished()) else {
            return Ok(());
        };
        let one = self.running.swap_remove(place);
        ended(one.thread).with_context(|| format!("the agent of {} ended", one.node))?;
        anyhow::bail!("the agent of {} ended by itself", one.node)
    }

    /// Who ran `kubeadm init`, as the world saw it: one, or the product is broken.
    pub(crate) fn inits(&self) -> Vec<NodeName> {
        self.world.state().inits.clone()
    }

    /// Ends all.
    pub(crate) fn end(self) -> Result<()> {
        for one in self.running {
            let _ = one.kill.send(());
            ended(one.thread)?;
        }
        Ok(())
    }
}

fn start(world: &World, node: NodeName, root: PathBuf, paths: Paths) -> Result<Running> {
    let host = Arc::new(world.host(&node).with_real_files(root));
    let (kill, killed) = oneshot::channel();
    let agent = move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let life = async {
                let agent = Agent::start(host, paths).await?;
                Box::pin(agent.run(std::future::pending())).await?;
                Ok(())
            };
            tokio::select! {
                ended = life => ended,
                _ = killed => Ok(()),
            }
        })
    };
    let thread = std::thread::Builder::new()
        .name(node.to_string())
        .spawn(agent)?;
    Ok(Running { node, kill, thread })
}

fn ended(thread: JoinHandle<Result<()>>) -> Result<()> {
    match thread.join() {
        Ok(ended) => ended,
        Err(_) => anyhow::bail!("an agent's thread panicked"),
    }
}

/// Writes a file that only its owner may read.
fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(bytes)?)
}

//! The network between agents, and between the operator and them: calls are lost, late, doubled and overtake each other.
//!
//! What programs on the machines say to each other (API servers, etcd) goes by [`State::cut`](hactl_simulation::State) alone:
//! TCP hides loss from them.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hactl_simulation::World;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::log::Log;

/// How calls fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// Requests, and answers, that never arrive: so many in a thousand.
    pub lost: u64,
    /// Requests that arrive long after their caller gave up: so many in a thousand.
    pub late: u64,
    /// Requests that arrive twice: so many in a thousand.
    pub doubled: u64,
    /// The longest time on the way, in milliseconds.
    pub slowest: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FINE: Self = Self {
        lost: 0,
        late: 0,
        doubled: 0,
        slowest: 20,
    };
}

/// What a call does where it arrives; `None`: nobody listens there.
pub type Work<T> = Option<Pin<Box<dyn Future<Output = Result<T, String>> + Send>>>;

/// The network. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct Network {
    world: World,
    log: Log,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    weather: Weather,
    chance: Chance,
    names: BTreeMap<IpAddr, String>,
    /// How long the next order to upgrade a node stays on its way.
    held: Option<Duration>,
}

/// What became of one request.
struct Fate {
    way: Duration,
    lost: bool,
    again: Option<Duration>,
}

impl Network {
    /// Between the machines of a world; `names` are for the log.
    pub fn new(world: World, log: Log, seed: u64, names: BTreeMap<IpAddr, String>) -> Self {
        Self {
            world,
            log,
            inner: Arc::new(Mutex::new(Inner {
                weather: Weather::FINE,
                chance: Chance::new(seed, "network"),
                names,
                held: None,
            })),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another weather from now on.
    pub fn weather(&self, weather: Weather) {
        self.inner().weather = weather;
    }

    /// The next order to upgrade a node stays on its way for so long, and whoever gives it dies meanwhile; `None`: it does not.
    pub fn hold_order(&self, way: Option<Duration>) {
        self.inner().held = way;
    }

    /// How long the order that is given now stays on its way, where it is held up. The one after it is not.
    pub fn held_order(&self) -> Option<Duration> {
        self.inner().held.take()
    }

    /// Whether a packet passes that way.
    fn passes(&self, from: IpAddr, to: IpAddr) -> bool {
        let state = self.world.state();
        let up = |ip| {
            state
                .at(ip)
                .is_none_or(|(_, machine)| machine.powered && !machine.isolated)
        };
        from == to || (up(from) && up(to) && !state.cut.contains(&(from, to)))
    }

    /// Whether a connection between the two stands.
    pub fn connected(&self, one: IpAddr, other: IpAddr) -> bool {
        self.passes(one, other) && self.passes(other, one)
    }

    fn fate(&self) -> Fate {
        let mut inner = self.inner();
        let weather = inner.weather;
        let chance = &mut inner.chance;
        let way = chance.millis(1, weather.slowest);
        if chance.per_mille(weather.late) {
            return Fate {
                way: chance.millis(5_000, 120_000),
                lost: false,
                again: None,
            };
        }
        Fate {
            way,
            lost: chance.per_mille(weather.lost),
            again: chance
                .per_mille(weather.doubled)
                .then(|| chance.millis(1, 60_000)),
        }
    }

    /// The way back; `None`: the answer is lost.
    fn way_back(&self) -> Option<Duration> {
        let mut inner = self.inner();
        let weather = inner.weather;
        let way = inner.chance.millis(1, weather.slowest);
        (!inner.chance.per_mille(weather.lost)).then_some(way)
    }

    fn note(&self, from: IpAddr, to: IpAddr, what: &str, became: &str) {
        self.log.event(|| {
            let inner = self.inner();
            let name = |ip| inner.names.get(&ip).cloned().unwrap_or_default();
            format!("{} -> {} {what}: {became}", name(from), name(to))
        });
    }

    /// A call, bounded by `limit`. `serve` is what it does where it arrives; it goes on there though nobody waits any more.
    pub async fn call<T: Send + 'static>(
        &self,
        from: IpAddr,
        to: IpAddr,
        what: &'static str,
        limit: Duration,
        serve: impl Fn() -> Work<T> + Send + Sync + 'static,
    ) -> Result<T, String> {
        let fate = self.fate();
        let serve = Arc::new(serve);
        let (sender, answer) = oneshot::channel();
        if let Some(later) = fate.again {
            let (network, serve) = (self.clone(), Arc::clone(&serve));
            tokio::spawn(async move {
                sleep(later).await;
                if network.passes(from, to)
                    && let Some(work) = serve()
                {
                    network.note(from, to, what, "arrives again");
                    let _ = work.await;
                }
            });
        }
        let network = self.clone();
        tokio::spawn(async move {
            sleep(fate.way).await;
            if fate.lost || !network.passes(from, to) {
                network.note(from, to, what, "is lost");
                // The sender has to live: a caller of something lost waits.
                sleep(limit).await;
                drop(sender);
                return;
            }
            let Some(work) = serve() else {
                let _ = sender.send(Err("connection refused".to_owned()));
                return;
            };
            network.note(from, to, what, "arrives");
            let answer = work.await;
            match network.way_back() {
                Some(way) if network.passes(to, from) => {
                    sleep(way).await;
                    let _ = sender.send(answer);
                }
                _ => {
                    network.note(to, from, what, "answer is lost");
                    sleep(limit).await;
                }
            }
        });
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Err(format!("no answer within {} s", limit.as_secs())),
        }
    }
}

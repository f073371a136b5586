//! The thin task around the core: one thread, one socket, one sleep. It drains the socket before it lets timers fire.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hactl_proto::member::ZoneCondition;
use tokio::sync::{broadcast, mpsc};

use super::clock::Now;
use super::core::{Core, Seed, Settings, StreamProbe, ZoneEvent};
use super::handle::MembershipError;
use super::seal::{KeyRing, MAX_DATAGRAM, Rejection};
use super::table::{Change, MemberEvent};

/// Something to be done on the core's thread.
pub(super) type Work = Box<dyn FnOnce(&mut Core, Now) + Send>;

/// Where what the core has to say goes.
pub(super) struct Outlets {
    pub(super) members: broadcast::Sender<MemberEvent>,
    pub(super) zones: broadcast::Sender<ZoneEvent>,
    pub(super) streams: mpsc::Sender<StreamProbe>,
    pub(super) repairs: mpsc::Sender<Seed>,
}

/// Datagrams taken in one go: a flood must not keep timers from firing.
const BATCH: usize = 512;
/// One line a reason in this time.
const QUIET: Duration = Duration::from_secs(10);
const STACK: usize = 256 * 1024;

/// Binds the socket and starts the thread. It ends when all senders are gone.
pub(super) fn spawn(
    settings: Settings,
    ring: KeyRing,
    bind: SocketAddr,
    outlets: Outlets,
) -> Result<mpsc::Sender<Work>, MembershipError> {
    let fail = |source| MembershipError::Bind {
        address: bind,
        source,
    };
    let socket = UdpSocket::bind(bind).map_err(fail)?;
    socket.set_nonblocking(true).map_err(fail)?;
    let ready = socket.try_clone().map_err(fail)?;
    let clock = Clock(Instant::now());
    let core = Core::new(settings, ring, clock.now())?;
    let (work, queue) = mpsc::channel(64);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(MembershipError::Thread)?;
    let shell = Shell {
        core,
        socket,
        clock,
        outlets,
        complaints: HashMap::new(),
        outranked: None,
    };
    thread::Builder::new()
        .name("membership".into())
        .stack_size(STACK)
        .spawn(move || runtime.block_on(shell.run(ready, queue)))
        .map_err(MembershipError::Thread)?;
    Ok(work)
}

struct Clock(Instant);

impl Clock {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall_ms = wall.map_or(0, |wall| i64::try_from(wall.as_millis()).unwrap_or(0));
        Now {
            mono: self.0.elapsed(),
            wall_ms,
        }
    }
}

struct Shell {
    core: Core,
    socket: UdpSocket,
    clock: Clock,
    outlets: Outlets,
    /// When a reason was last told, and how often it came since.
    complaints: HashMap<std::mem::Discriminant<Rejection>, (Instant, u64)>,
    /// When it was last told that another has our name.
    outranked: Option<Instant>,
}

impl Shell {
    async fn run(mut self, ready: UdpSocket, mut queue: mpsc::Receiver<Work>) {
        let ready = match tokio::net::UdpSocket::from_std(ready) {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(%error, "the membership cannot wait for its socket");
                return;
            }
        };
        loop {
            self.drain();
            while let Ok(work) = queue.try_recv() {
                work(&mut self.core, self.clock.now());
            }
            self.core.advance(self.clock.now());
            self.flush();
            // The socket is read past tokio, which may hold an old readiness: a read that finds nothing clears it.
            self.read_through(&ready);
            let wait = self
                .core
                .next_deadline()
                .map_or(QUIET, |at| at.saturating_sub(self.clock.now().mono));
            tokio::select! {
                _ = ready.readable() => {}
                work = queue.recv() => match work {
                    Some(work) => {
                        // What came before the question counts for the answer.
                        self.drain();
                        work(&mut self.core, self.clock.now());
                        self.flush();
                    }
                    None => return,
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Reads the socket itself rather than tokio's memory of it: after a stall the memory is older than the datagrams.
    fn drain(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM + 1];
        for _ in 0..BATCH {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => self.receive(&buffer[..length], from),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A peer's closed port comes back as an error of the next call (ICMP); there may be more behind it.
                Err(_) => {}
            }
        }
    }

    fn read_through(&mut self, ready: &tokio::net::UdpSocket) {
        let mut buffer = [0; MAX_DATAGRAM + 1];
        while let Ok((length, from)) = ready.try_recv_from(&mut buffer) {
            self.receive(&buffer[..length], from);
        }
    }

    fn receive(&mut self, datagram: &[u8], from: SocketAddr) {
        if let Err(rejection) = self.core.receive(datagram, self.clock.now()) {
            self.complain(rejection, from);
        }
    }

    fn flush(&mut self) {
        while let Some((to, datagram)) = self.core.poll_datagram() {
            // A datagram that cannot be sent is one that got lost: the protocol lives with that.
            if let Err(error) = self.socket.send_to(&datagram, to) {
                tracing::trace!(%to, %error, "datagram not sent");
            }
        }
        if self.core.take_outranked() && self.outranked.is_none_or(|told| told.elapsed() >= QUIET) {
            self.outranked = Some(Instant::now());
            tracing::error!(
                "another agent has this node's name, or its boot epoch went back: it is not heard"
            );
        }
        while let Some(event) = self.core.poll_event() {
            let MemberEvent { node, change, .. } = &event;
            match change {
                Change::Up => tracing::info!(%node, "member is up"),
                Change::Suspect => tracing::info!(%node, "member is suspected"),
                Change::Refuted => tracing::info!(%node, "member refuted the suspicion"),
                Change::Down => tracing::warn!(%node, "member is down"),
                Change::Renamed => tracing::info!(%node, "member started again or moved"),
            }
            // Nobody may be listening.
            let _ = self.outlets.members.send(event);
        }
        while let Some(probe) = self.core.poll_stream() {
            // Where too many wait already, the suspicion goes on without this one.
            let _ = self.outlets.streams.try_send(probe);
        }
        while let Some(peer) = self.core.poll_repair() {
            // Where one waits already, the next comparison asks again.
            let _ = self.outlets.repairs.try_send(peer);
        }
        while let Some(event) = self.core.poll_zone_event() {
            tell_of_zone(&event);
            let _ = self.outlets.zones.send(event);
        }
    }

    fn complain(&mut self, rejection: Rejection, from: SocketAddr) {
        let kind = std::mem::discriminant(&rejection);
        let told = self.complaints.get_mut(&kind);
        let mut unsaid = 0;
        if let Some((last, count)) = told {
            *count += 1;
            if last.elapsed() < QUIET {
                return;
            }
            unsaid = *count - 1;
        }
        self.complaints.insert(kind, (Instant::now(), 0));
        tracing::warn!(%from, reason = %rejection, unsaid, "datagram refused");
    }
}

fn tell_of_zone(event: &ZoneEvent) {
    match event {
        ZoneEvent::Zone {
            zone, condition, ..
        } => match condition {
            ZoneCondition::Reachable => tracing::info!(%zone, "zone is reachable again"),
            ZoneCondition::Silent => tracing::warn!(%zone, "zone fell silent as a whole"),
            ZoneCondition::CutOff => {
                tracing::error!(%zone, "this node's own zone is cut off: all others fell silent");
            }
            ZoneCondition::Undecided | ZoneCondition::Alone => {
                tracing::warn!(%zone, "zone is silent; whether it is gone or this one is cut off cannot be told");
            }
        },
        ZoneEvent::Alone { .. } => {
            tracing::error!(
                "nothing is heard of anybody: this node is cut off, and accuses nobody"
            );
        }
        ZoneEvent::InCompany { .. } => tracing::info!("others are heard again"),
    }
}

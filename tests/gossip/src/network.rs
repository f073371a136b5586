//! The network: delays within and between zones, loss, zones that are cut off, and how long a call over TCP takes in it.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

/// How datagrams fare.
#[derive(Debug, Clone)]
pub struct Network {
    /// Part of the datagrams that get lost, independently.
    pub loss: f64,
    /// Zones whose datagrams to other zones, and from them, are lost.
    pub cut: Vec<usize>,
    /// Ordered pairs of zones: what the first sends, the second does not receive.
    pub deaf: Vec<(usize, usize)>,
    rng: SmallRng,
}

/// A stalled or dead peer is given up after this, as the agent does.
pub const CALL_LIMIT: Duration = Duration::from_secs(5);
/// TCP's time until it sends a lost SYN again, and at least until any other segment (Linux).
const SYN_AGAIN: Duration = Duration::from_secs(1);
const SEGMENT_AGAIN: Duration = Duration::from_millis(200);
/// A gigabit a second.
const BYTES_A_MILLISECOND: u64 = 125_000;

impl Network {
    /// A whole one.
    pub fn new(loss: f64, rng: SmallRng) -> Self {
        Self {
            loss,
            cut: Vec::new(),
            deaf: Vec::new(),
            rng,
        }
    }

    /// Whether anything of zone `from` reaches zone `to`.
    pub fn connected(&self, from: usize, to: usize) -> bool {
        let apart = from != to && (self.cut.contains(&from) || self.cut.contains(&to));
        !apart && !self.deaf.contains(&(from, to))
    }

    /// How long a datagram takes; `None` where it is lost.
    pub fn carry(&mut self, from: usize, to: usize) -> Option<Duration> {
        let arrives = self.connected(from, to) && !self.rng.random_bool(self.loss);
        let delay = self.delay(from, to);
        arrives.then_some(delay)
    }

    /// 1 ms within a zone, 15 ± 5 ms between zones.
    fn delay(&mut self, from: usize, to: usize) -> Duration {
        let micros = if from == to {
            self.rng.random_range(500..1500)
        } else {
            self.rng.random_range(10_000..20_000)
        };
        Duration::from_micros(micros)
    }

    /// How long one round trip of a stream takes, with what TCP does about loss; `None` where nothing comes through.
    pub fn round_trip(
        &mut self,
        from: usize,
        to: usize,
        bytes: usize,
        first: bool,
    ) -> Option<Duration> {
        if !self.connected(from, to) || !self.connected(to, from) {
            return None;
        }
        let mut again = if first { SYN_AGAIN } else { SEGMENT_AGAIN };
        let mut time = self.delay(from, to) + self.delay(to, from);
        while self.rng.random_bool(1.0 - (1.0 - self.loss).powi(2)) {
            time += again;
            again *= 2;
            if time > CALL_LIMIT {
                return None;
            }
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Some(time + Duration::from_micros(bytes * 1000 / BYTES_A_MILLISECOND))
    }

    /// Connect, shake hands, ask and hear: three round trips before the answer (TCP, TLS 1.3, the call).
    pub fn call(&mut self, from: usize, to: usize, bytes: usize) -> Option<Duration> {
        let connect = self.round_trip(from, to, 0, true)?;
        let shake = self.round_trip(from, to, 3000, false)?;
        let ask = self.round_trip(from, to, bytes, false)?;
        Some(connect + shake + ask).filter(|time| *time < CALL_LIMIT)
    }
}

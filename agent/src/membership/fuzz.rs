//! Entry points for fuzzing: any bytes may come from the network, and none of them may panic or be taken without a seal.

use std::time::Duration;

use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;

use super::clock::Now;
use super::core::{Core, Seed, Settings};
use super::detect::Profile;
use super::exchange::Exchange;
use super::identity::MemberId;
use super::record::Record;
use super::seal::{Epoch, KeyRing, Sealer};
use super::wire::Reader;

const KEY: &str = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";
const NOW: Now = Now {
    mono: Duration::from_secs(9),
    wall_ms: 1_790_000_000_000,
};

fn seed(name: &str) -> Option<Seed> {
    Some(Seed {
        node: NodeName::new(name).ok()?,
        zone: ZoneName::new("a").ok()?,
        role: NodeRole::ControlPlane,
        address: ([127, 0, 0, 1], 7470).into(),
    })
}

fn ring() -> Option<KeyRing> {
    KeyRing::new(ClusterId::from_bytes([5; 16]), [(1, KEY)]).ok()
}

const EPOCH: Epoch = Epoch { boot: 3, salt: 4 };

fn core() -> Option<Core> {
    let settings = Settings {
        node: seed("own")?,
        epoch: EPOCH,
        seed: 1,
        declared: vec![seed("peer")?],
        remembered: Vec::new(),
        zones: Vec::new(),
        member_limit: 16,
        profile: Profile::lan(),
    };
    Core::new(settings, ring()?, NOW).ok()
}

/// Feeds the bytes as a datagram, then as the content of a datagram that a key holder sealed.
///
/// # Panics
///
/// Where an unsealed datagram is taken or answered, which is what a fuzzer looks for.
pub fn fuzz_datagram(bytes: &[u8]) {
    let Some(mut core) = core() else { return };
    assert!(core.receive(bytes, NOW).is_err(), "taken without a seal");
    assert!(core.poll_datagram().is_none(), "answered before a seal");
    let (Some(peer), Some(ring)) = (seed("peer"), ring()) else {
        return;
    };
    let own = seed("own").map(|own| id(&own));
    let peer = id(&peer);
    let Ok(mut sealer) = Sealer::new(&ring, peer.node, EPOCH) else {
        return;
    };
    let mut front = Vec::new();
    MemberId { boot: 3, ..peer }.encode(&mut front);
    let mut addressed = front.clone();
    addressed.extend_from_slice(&[0, 0]);
    if let Some(own) = own {
        MemberId { boot: 3, ..own }.encode(&mut addressed);
    }
    for front in [&front[..12], &addressed] {
        let payload = [front, bytes].concat();
        if let Ok(datagram) = sealer.seal(&payload, NOW) {
            // Refused or taken: it only must not panic, nor pass the limit.
            let _ = core.receive(&datagram, NOW);
        }
    }
    core.advance(Now {
        mono: NOW.mono + Duration::from_mins(1),
        ..NOW
    });
    assert!(core.members().len() <= 17, "over the member limit");
}

fn id(seed: &Seed) -> MemberId {
    MemberId::seed(&seed.node, &seed.zone, seed.role, seed.address)
}

/// Feeds the bytes to every decoder behind the state exchange.
///
/// # Panics
///
/// Where a decoder or the merge does.
pub fn fuzz_exchange(bytes: &[u8]) {
    let _ = Record::decode(bytes);
    let _ = MemberId::decode(&mut Reader::new(bytes));
    if let Ok(message) = Exchange::decode(bytes) {
        assert_eq!(message.encode(), bytes, "reads back");
    }
    let Some(mut core) = core() else { return };
    let _ = core.answer(bytes, NOW);
    let _ = core.take_answer(bytes, NOW);
    let state = [&[super::exchange::VERSION, 2][..], bytes].concat();
    let _ = core.take_answer(&state, NOW);
    core.advance(NOW);
    assert!(core.members().len() <= 17, "over the member limit");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fuzz_datagram, fuzz_exchange};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz_datagram(&bytes);
            fuzz_exchange(&bytes);
        }

        #[test]
        fn plausible_messages_are_survived(
            tag in 0_u8..11,
            count in 0_u16..4,
            bytes in proptest::collection::vec(0_u8..4, 0..200),
        ) {
            let message = [&[tag, 1][..], &count.to_be_bytes(), &bytes].concat();
            fuzz_datagram(&message);
            fuzz_exchange(&[&[0, 1][..], &count.to_be_bytes(), &bytes].concat());
        }
    }
}

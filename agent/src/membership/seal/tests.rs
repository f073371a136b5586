//! Bad datagrams by name, and the good ones beside them.

use std::time::Duration;

use hactl_proto::name::ClusterId;
use proptest::prelude::*;

use super::*;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const A: NodeId = NodeId([0xa; 8]);
const B: NodeId = NodeId([0xb; 8]);

fn ring(cluster: u8, keys: &[(u8, &str)]) -> KeyRing {
    KeyRing::new(ClusterId::from_bytes([cluster; 16]), keys.iter().copied()).unwrap()
}

fn epoch(boot: u32) -> Epoch {
    Epoch { boot, salt: 7 }
}

fn sealer(boot: u32) -> Sealer {
    Sealer::new(&ring(1, &[(1, KEY)]), A, epoch(boot)).unwrap()
}

fn opener() -> Opener {
    Opener::new(ring(1, &[(1, KEY)]), B, 8)
}

fn payload(boot: u32) -> Vec<u8> {
    [&A.0[..], &boot.to_be_bytes(), b"ping"].concat()
}

fn at(seconds: i64) -> Now {
    Now {
        mono: Duration::from_secs(u64::try_from(seconds).unwrap()),
        wall_ms: 1_700_000_000_000 + seconds * 1000,
    }
}

#[test]
fn a_sealed_datagram_opens_once_with_sender_and_time() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let datagram = sealer.seal(&payload(1), at(5)).unwrap();
    assert_eq!(datagram.len(), HEADER_LEN + SENT_LEN + 4 + TAG_LEN);
    let taken = opener.open(&datagram, at(6)).unwrap();
    assert_eq!(
        (taken.sender, taken.sent_ms, taken.payload),
        (A, at(5).wall_ms, payload(1))
    );
    assert_eq!(opener.open(&datagram, at(6)), Err(Rejection::Replayed));
}

#[test]
fn garbage_is_refused() {
    for bytes in [&b""[..], b"\x01", &[0; 200], &[9; 44], &[0xff; 1000]] {
        assert_eq!(opener().open(bytes, at(0)), Err(Rejection::Garbage));
    }
}

#[test]
fn an_oversize_datagram_is_refused() {
    let bytes = vec![VERSION; MAX_DATAGRAM + 1];
    assert_eq!(opener().open(&bytes, at(0)), Err(Rejection::Oversize));
}

#[test]
fn a_foreign_cluster_or_key_is_refused() {
    let datagram = sealer(1).seal(&payload(1), at(0)).unwrap();
    for foreign in [ring(2, &[(1, KEY)]), ring(1, &[(1, OTHER)])] {
        let opened = Opener::new(foreign, B, 8).open(&datagram, at(0));
        assert_eq!(opened, Err(Rejection::Foreign));
    }
    let unknown = Opener::new(ring(1, &[(2, KEY)]), B, 8).open(&datagram, at(0));
    assert_eq!(unknown, Err(Rejection::UnknownKey(1)));
}

#[test]
fn a_truncated_or_altered_datagram_is_refused_at_every_byte() {
    let datagram = sealer(1).seal(&payload(1), at(0)).unwrap();
    let mut opener = opener();
    for cut in 0..datagram.len() {
        assert!(
            opener.open(&datagram[..cut], at(0)).is_err(),
            "cut at {cut}"
        );
    }
    for byte in 0..datagram.len() {
        let mut altered = datagram.clone();
        altered[byte] ^= 0x40;
        assert!(opener.open(&altered, at(0)).is_err(), "byte {byte}");
    }
    assert!(
        opener.open(&datagram, at(0)).is_ok(),
        "refusals change nothing"
    );
}

#[test]
fn a_payload_in_another_senders_name_is_not_sealed() {
    let mut forged = payload(1);
    forged[0] ^= 1;
    assert_eq!(sealer(1).seal(&forged, at(0)), Err(SealError::NotOurs));
    assert_eq!(sealer(1).seal(&payload(2), at(0)), Err(SealError::NotOurs));
    assert_eq!(sealer(1).seal(b"short", at(0)), Err(SealError::NotOurs));
}

#[test]
fn a_datagram_under_another_senders_header_is_refused() {
    let mut datagram = sealer(1).seal(&payload(1), at(0)).unwrap();
    datagram[2..10].copy_from_slice(&[0xc; 8]);
    assert_eq!(opener().open(&datagram, at(0)), Err(Rejection::Foreign));
}

#[test]
fn our_own_name_is_refused() {
    let datagram = sealer(1).seal(&payload(1), at(0)).unwrap();
    let mut opener = Opener::new(ring(1, &[(1, KEY)]), A, 8);
    assert_eq!(opener.open(&datagram, at(0)), Err(Rejection::Namesake));
}

#[test]
fn a_stale_datagram_is_refused_and_says_how_far_off_the_clock_is() {
    let datagram = sealer(1).seal(&payload(1), at(0)).unwrap();
    let stale = Rejection::Stale {
        sender: A,
        offset_ms: -61_000,
    };
    assert_eq!(opener().open(&datagram, at(61)), Err(stale));
    let early = sealer(1).seal(&payload(1), at(100)).unwrap();
    assert!(matches!(
        opener().open(&early, at(0)),
        Err(Rejection::Stale {
            offset_ms: 100_000,
            ..
        })
    ));
}

#[test]
fn a_held_back_datagram_is_stale_even_if_its_counter_is_new() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let first = sealer.seal(&payload(1), at(0)).unwrap();
    let held = sealer.seal(&payload(1), at(1)).unwrap();
    assert!(opener.open(&first, at(0)).is_ok());
    assert!(matches!(
        opener.open(&held, at(90)),
        Err(Rejection::Stale { .. })
    ));
}

#[test]
fn a_step_of_our_own_clock_does_not_cut_us_off_from_known_senders() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let first = sealer.seal(&payload(1), at(0)).unwrap();
    assert!(opener.open(&first, at(0)).is_ok());
    let stepped = Now {
        wall_ms: at(1).wall_ms + 7_200_000,
        ..at(1)
    };
    let next = sealer.seal(&payload(1), at(1)).unwrap();
    assert!(opener.open(&next, stepped).is_ok());
}

#[test]
fn an_older_epoch_is_refused_after_a_newer_one_was_heard() {
    let (mut old, mut new, mut opener) = (sealer(1), sealer(2), opener());
    let late = old.seal(&payload(1), at(0)).unwrap();
    let fresh = new.seal(&payload(2), at(0)).unwrap();
    assert!(opener.open(&fresh, at(0)).is_ok());
    assert_eq!(opener.open(&late, at(0)), Err(Rejection::Superseded));
}

#[test]
fn a_rotation_loses_nothing_while_rings_overlap_and_refuses_the_retired_key() {
    let both = || ring(1, &[(2, OTHER), (1, KEY)]);
    let (mut sealer, mut opener) = (sealer(1), opener());
    let before = sealer.seal(&payload(1), at(0)).unwrap();
    opener.rotate(both());
    assert!(opener.open(&before, at(0)).is_ok());
    let old = sealer.seal(&payload(1), at(0)).unwrap();
    sealer.rotate(&both()).unwrap();
    let new = sealer.seal(&payload(1), at(0)).unwrap();
    assert_eq!(new[1], 2, "the first key seals");
    assert!(opener.open(&new, at(0)).is_ok());
    assert!(opener.open(&old, at(0)).is_ok(), "in flight");
    assert_eq!(opener.open(&before, at(0)), Err(Rejection::Replayed));
    opener.rotate(ring(1, &[(2, OTHER)]));
    assert_eq!(opener.open(&old, at(0)), Err(Rejection::UnknownKey(1)));
    assert_eq!(opener.open(&new, at(0)), Err(Rejection::Replayed));
}

#[test]
fn senders_over_the_limit_are_refused_until_one_was_long_unheard() {
    let mut opener = Opener::new(ring(1, &[(1, KEY)]), B, 1);
    let first = sealer(1).seal(&payload(1), at(0)).unwrap();
    assert!(opener.open(&first, at(0)).is_ok());
    let second = |now| {
        let mut sealer = Sealer::new(&ring(1, &[(1, KEY)]), NodeId([0xc; 8]), epoch(1)).unwrap();
        let payload = [&[0xc; 8][..], &1_u32.to_be_bytes(), b"ping"].concat();
        sealer.seal(&payload, now).unwrap()
    };
    assert_eq!(opener.open(&second(at(1)), at(1)), Err(Rejection::Crowded));
    assert!(opener.open(&second(at(700)), at(700)).is_ok());
}

#[test]
fn bad_key_rings_are_refused() {
    let cluster = ClusterId::from_bytes([1; 16]);
    let error = |keys: &[(u8, &'static str)]| KeyRing::new(cluster, keys.iter().copied()).err();
    assert_eq!(error(&[]), Some(KeyRingError::Empty));
    assert_eq!(error(&[(1, KEY), (1, OTHER)]), Some(KeyRingError::Twice(1)));
    assert_eq!(error(&[(3, "beef")]), Some(KeyRingError::NotHex(3)));
}

proptest! {
    #[test]
    fn whatever_was_not_sealed_does_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..1400)) {
        prop_assert!(opener().open(&bytes, at(0)).is_err());
    }

    #[test]
    fn a_forged_envelope_does_not_open(body in proptest::collection::vec(any::<u8>(), 45..300)) {
        let mut forged = body;
        forged[0] = VERSION;
        forged[1] = 1;
        prop_assert_eq!(opener().open(&forged, at(0)), Err(Rejection::Foreign));
    }
}

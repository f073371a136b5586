use std::path::Path;

use hactl_proto::instruction::OperationId;
use hactl_proto::report::Outcome;
use proptest::prelude::*;

use super::*;
use crate::host::RealHost;

fn id(text: &str) -> OperationId {
    OperationId::new(text).unwrap()
}

fn accepted(text: &str, fence: u64) -> Entry {
    Entry::Accepted {
        id: id(text),
        kind: "prepare".to_owned(),
        generation: 7,
        fence: Some(Fence(fence)),
        order: None,
    }
}

fn started(text: &str) -> Entry {
    Entry::Started {
        id: id(text),
        index: 1,
        step: "swap-off".to_owned(),
    }
}

async fn open(folder: &Path) -> (Journal<RealHost>, Past) {
    let host = Arc::new(RealHost::new(folder.join("run")));
    Journal::open(host, folder.join("journal")).await.unwrap()
}

fn current(folder: &Path) -> PathBuf {
    folder.join("journal").join(CURRENT)
}

#[tokio::test]
async fn what_was_recorded_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, past) = open(folder.path()).await;
    assert_eq!(past, Past::default());
    journal.record(accepted("a", 4)).await.unwrap();
    journal.record(started("a")).await.unwrap();
    let ended = Entry::Ended {
        id: id("a"),
        outcome: Outcome::Succeeded,
    };
    journal.record(ended).await.unwrap();
    journal.record(accepted("b", 2)).await.unwrap();
    journal.record(started("b")).await.unwrap();

    let (_, past) = open(folder.path()).await;
    assert_eq!(past.highest_fence, Some(Fence(4)));
    let unfinished: Vec<_> = past.unfinished().collect();
    assert_eq!(unfinished.len(), 1);
    assert_eq!(unfinished[0].id, id("b"));
    assert_eq!(unfinished[0].step, Some((1, 0, "swap-off".to_owned())));
    assert_eq!(
        past.operation(&id("a")).unwrap().outcome,
        Some(Outcome::Succeeded)
    );
    assert!(past.notes.is_empty());
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path()).await;
    journal.record(accepted("a", 1)).await.unwrap();
    journal.record(started("a")).await.unwrap();
    let bytes = std::fs::read(current(folder.path())).unwrap();
    for cut in 1..=bytes.len() / 3 {
        std::fs::write(current(folder.path()), &bytes[..bytes.len() - cut]).unwrap();
        let (mut journal, past) = open(folder.path()).await;
        assert_eq!(past.operations.len(), 1, "cut {cut}");
        assert_eq!(past.notes.len(), 1, "cut {cut}: {:?}", past.notes);
        journal.record(started("a")).await.unwrap();
        let (_, past) = open(folder.path()).await;
        assert!(past.notes.is_empty());
        assert!(past.operations[0].step.is_some());
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_named_and_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path()).await;
    for number in 0..3 {
        journal
            .record(accepted(&format!("op-{number}"), number))
            .await
            .unwrap();
    }
    let whole = std::fs::read(current(folder.path())).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(current(folder.path()), &bytes).unwrap();

    let (_, past) = open(folder.path()).await;
    let ids: Vec<_> = past.operations.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["op-0", "op-2"]);
    assert!(
        past.notes[0].contains("line 2 is damaged"),
        "{:?}",
        past.notes
    );
    let aside = folder.path().join("journal/journal.damaged-1");
    assert_eq!(std::fs::read(aside).unwrap(), bytes);
    assert!(open(folder.path()).await.1.notes.is_empty());
}

#[tokio::test]
async fn a_grown_file_is_rotated_and_nothing_is_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path()).await;
    journal.record(accepted("a", 9)).await.unwrap();
    journal.size = ROTATE_BYTES + 1;
    let before = std::fs::read(current(folder.path())).unwrap();
    journal.rotate(Some(Fence(9))).await.unwrap();
    journal.record(accepted("b", 3)).await.unwrap();
    let (_, past) = open(folder.path()).await;
    assert_eq!(past.operations.len(), 2);
    // The old file gone, or the cut between the two writes: the fence stays, and no operation is there twice.
    let after = std::fs::read(current(folder.path())).unwrap();
    std::fs::remove_file(folder.path().join("journal").join(PREVIOUS)).unwrap();
    assert_eq!(open(folder.path()).await.1.highest_fence, Some(Fence(9)));
    std::fs::write(folder.path().join("journal").join(PREVIOUS), &before).unwrap();
    std::fs::write(current(folder.path()), &before).unwrap();
    assert_eq!(open(folder.path()).await.1.operations.len(), 1);
    std::fs::write(current(folder.path()), after).unwrap();
    assert_eq!(
        show(&*journal.host, &journal.folder).await.unwrap().len(),
        3
    );
}

#[test]
fn a_later_agents_line_is_named_and_kept() {
    let json = r#"{"v":2,"seq":1,"at":"2026-01-01T00:00:00Z","entry":"teleported","id":"a"}"#;
    let sum = &hex::encode(ring::digest::digest(&ring::digest::SHA256, json.as_bytes()))[..32];
    let file = format!("{sum} {json}\n");
    let reading = read(file.as_bytes());
    assert_eq!(reading.newer, [(1, 2)]);
    assert_eq!(reading.good, file.as_bytes());
    assert!(reading.is_whole());
}

#[test]
fn a_journal_of_version_1_still_reads() {
    let reading = read(include_bytes!("../../tests/fixtures/journal-v1"));
    assert!(reading.is_whole());
    let mut past = Past::default();
    reading.lines.iter().for_each(|line| past.apply(line));
    insta::assert_debug_snapshot!(
        past.operations
            .iter()
            .map(|one| (
                one.id.as_str(),
                one.kind.as_str(),
                one.done.len(),
                &one.step,
                one.outcome.is_some()
            ))
            .collect::<Vec<_>>()
    );
    assert_eq!(past.highest_fence, Some(Fence(12)));
}

#[test]
fn bytes_that_are_no_journal_read_as_nothing() {
    for bytes in [
        &b""[..],
        b"\n\n\n",
        &[0; 4096],
        &[0xff; 77],
        b"{}\n",
        b"\r\n{",
    ] {
        assert!(read(bytes).lines.is_empty());
        fuzz_journal(bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes_after_good_lines_lose_none(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_journal(&bytes);
    }

    #[test]
    fn any_flipped_bit_is_found(place in 0_usize..2000, bit in 0_u8..8) {
        let file = include_bytes!("../../tests/fixtures/journal-v1");
        let whole = read(file);
        let mut bytes = file.to_vec();
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        let reading = read(&bytes);
        prop_assert!(!reading.is_whole());
        // One line is lost; two where the newline between them was hit.
        prop_assert!(reading.lines.len() + 2 >= whole.lines.len());
        prop_assert!(reading.lines.iter().all(|line| whole.lines.contains(line)));
    }
}

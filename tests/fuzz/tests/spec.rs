//! The spec's promises, for the corpus and for what random hands make of good specs.

// The lint's leave for tests does not reach the functions beside them.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use hactl_fuzz::spec::fuzz_spec;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Every file of a folder below the repository's root.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(folder);
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.unwrap().path()).unwrap();
    fs::read_dir(root).unwrap().map(read).collect()
}

#[test]
fn the_corpus_and_the_examples_keep_the_promises() {
    let (corpus, examples) = (files("tests/fuzz/corpus/spec"), files("docs/examples"));
    assert!(!corpus.is_empty() && !examples.is_empty());
    for bytes in corpus.iter().chain(&examples) {
        fuzz_spec(bytes);
    }
}

/// A hand that slips: what it puts where, over how many bytes.
fn slips() -> impl Strategy<Value = Vec<(Index, usize, String)>> {
    let words = select(vec![
        "",
        " ",
        "\n",
        "\n  ",
        "\t",
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        "\"",
        "'",
        "#",
        "---\n",
        "~",
        "0",
        "-1",
        "/",
        "\u{0}",
        "\u{1b}[2J",
        "\r",
        "\u{85}",
        "\u{2028}",
        "é",
        "spec",
        "zones: [a]\n",
        "10.0.0.0/8",
        "fd00::/8",
        "::ffff:10.0.0.11",
        "true",
        "6443",
        "a",
    ]);
    vec(
        (any::<Index>(), 0..24_usize, words.prop_map(str::to_owned)),
        1..8,
    )
}

proptest! {
    #[test]
    fn random_bytes_keep_the_promises(bytes in vec(any::<u8>(), 0..400)) {
        fuzz_spec(&bytes);
    }

    #[test]
    fn random_texts_keep_the_promises(text in "[-a-z0-9:, \n\t\\[\\]{}&*!|>'\"#%@~?.]{0,200}") {
        fuzz_spec(text.as_bytes());
    }

    #[test]
    fn good_specs_after_slips_keep_the_promises(which in any::<Index>(), slips in slips()) {
        let examples = files("docs/examples");
        let mut bytes = which.get(&examples).clone();
        for (at, over, word) in slips {
            let start = at.index(bytes.len() + 1);
            let end = (start + over).min(bytes.len());
            bytes.splice(start..end, word.bytes());
        }
        fuzz_spec(&bytes);
    }
}

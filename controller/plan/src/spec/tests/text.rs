//! Files that are no spec at all, or hardly.

use super::super::SIZE_LIMIT;
use super::{GOOD, changed, said, with};

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(said(""), @"
    cluster.yaml:1:1: error: the file holds nothing
        why:    a cluster is made from what its spec says
        remedy: start from one of the worked examples in docs/examples
    ");
    assert_eq!(said("# only a comment\n"), said(""));
    assert_eq!(said("---\n"), said(""));
}

#[test]
fn a_tab_as_indentation() {
    insta::assert_snapshot!(changed("    version: v1.36.2", "\tversion: v1.36.2"), @"
    cluster.yaml:7:1: error: the line is indented with a tab
        why:    YAML allows spaces only for indentation
        remedy: replace the tab with spaces
    ");
}

#[test]
fn brackets_that_are_never_closed() {
    insta::assert_snapshot!(changed("[a, b, c]", "[a, b, c"), @"
    cluster.yaml:16:16: error: not YAML: illegal placement of ':' indicator
        why:    nothing after this place can be read
        remedy: correct the syntax here or just above: indentation, a missing ':', quotes or brackets
    ");
}

#[test]
fn a_second_document_is_told_beside_the_problems_of_the_first() {
    insta::assert_snapshot!(said(with("kind: Cluster", "kind: Clutser") + "---\nkind: Other\n"), @r#"
    cluster.yaml:2:7: error: kind: "Clutser" is not known
        why:    hactl reads hactl.io/v1alpha1 of kind Cluster
        remedy: write kind: Cluster
    cluster.yaml:24:1: error: a second document starts here
        why:    one file describes one cluster; what follows would be ignored
        remedy: keep one document and move the other to a file of its own
    "#);
}

#[test]
fn bytes_that_are_no_text() {
    insta::assert_snapshot!(said(b"apiVersion: hactl.io/v1alpha1\nkind: \xff\xfe\n"), @"
    cluster.yaml:2:7: error: byte 0xff is not UTF-8
        why:    a spec is a YAML text in UTF-8
        remedy: save the file as UTF-8, or check that it is a text at all
    ");
    insta::assert_snapshot!(said("kind: \u{0}\n"), @"
    cluster.yaml:1:7: error: not YAML: found unprintable character
        why:    nothing after this place can be read
        remedy: correct the syntax here or just above: indentation, a missing ':', quotes or brackets
    ");
}

#[test]
fn a_huge_file() {
    insta::assert_snapshot!(said("a".repeat(SIZE_LIMIT + 1)), @"
    cluster.yaml:1:1: error: the file has 1048577 bytes
        why:    a spec of more than 1048576 bytes is surely another file
        remedy: name the cluster's spec; a pod network's manifest goes in a file of its own
    ");
}

#[test]
fn nesting_without_end() {
    insta::assert_snapshot!(said("[".repeat(100_000)), @"
    cluster.yaml:1:256: error: not YAML: recursion limit exceeded
        why:    nothing after this place can be read
        remedy: correct the syntax here or just above: indentation, a missing ':', quotes or brackets
    ");
    let line = |depth| " ".repeat(depth) + "a:\n";
    let block: String = (0..1_000).map(line).collect();
    insta::assert_snapshot!(said(block), @"
    cluster.yaml:33:33: error: nested more than 32 deep
        why:    no field of a spec is that deep; reading on could exhaust memory
        remedy: correct the indentation or the brackets
    ");
}

#[test]
fn an_anchor_bomb() {
    let bomb = "v1.36.2\n    kubelet: {a: &a [x, x], b: &b [*a, *a], c: [*b, *b]}";
    insta::assert_snapshot!(changed("v1.36.2", bomb), @"
    cluster.yaml:8:18: error: anchors (&) and aliases (*) are not read
        why:    a spec must say each thing where it stands, and an alias can blow a small file up without bound
        remedy: write the value out
    cluster.yaml:8:32: error: anchors (&) and aliases (*) are not read
        why:    a spec must say each thing where it stands, and an alias can blow a small file up without bound
        remedy: write the value out
    cluster.yaml:8:36: error: anchors (&) and aliases (*) are not read
        why:    a spec must say each thing where it stands, and an alias can blow a small file up without bound
        remedy: write the value out
    cluster.yaml:8:40: error: anchors (&) and aliases (*) are not read
        why:    a spec must say each thing where it stands, and an alias can blow a small file up without bound
        remedy: write the value out
    cluster.yaml:8:49: error: anchors (&) and aliases (*) are not read
        why:    a spec must say each thing where it stands, and an alias can blow a small file up without bound
        remedy: write the value out
    cluster.yaml:8:53: error: anchors (&) and aliases (*) are not read
        why:    a spec must say each thing where it stands, and an alias can blow a small file up without bound
        remedy: write the value out
    ");
}

#[test]
fn tags_and_odd_keys() {
    insta::assert_snapshot!(changed("name: prod", "name: !!binary prod\n  [a, b]: c"), @"
    cluster.yaml:4:9: error: the tag tag:yaml.org,2002:binary is not read
        why:    each field has one type already
        remedy: remove the tag; put quotes around what is to be a text
    cluster.yaml:5:3: error: a key is not a plain word
        why:    every field of a spec has a name
        remedy: write name: value
    ");
}

#[test]
fn a_list_or_a_word_instead_of_a_spec() {
    insta::assert_snapshot!(said("- a\n- b\n"), @"
    cluster.yaml:1:1: error: is a list
        why:    this field takes a mapping with apiVersion, kind, metadata, spec
        remedy: give a mapping with apiVersion, kind, metadata, spec
    ");
    insta::assert_snapshot!(said("cluster\n"), @r#"
    cluster.yaml:1:1: error: "cluster" is of the wrong type or out of range
        why:    this field takes a mapping with apiVersion, kind, metadata, spec
        remedy: give a mapping with apiVersion, kind, metadata, spec
    "#);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    assert_eq!(said(format!("\u{feff}{}", GOOD.replace('\n', "\r\n"))), "");
}

#[test]
fn a_key_given_twice() {
    insta::assert_snapshot!(changed("  zones: [a, b, c]", "  zones: [a, b, c]\n  zones: [a]"), @r#"
    cluster.yaml:16:3: error: "zones" is given a second time
        why:    it is given at line 15 already, and only one of the two can hold
        remedy: remove one of them
    "#);
}

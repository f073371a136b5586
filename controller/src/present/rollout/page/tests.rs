//! A page is read back by a parser of its own that knows nothing but what a page may hold: any other element, attribute or open
//! end fails.

use hactl_cluster_plan::observed::samples::ago;
use hactl_cluster_plan::rollout::plan;
use hactl_cluster_plan::rollout::samples::{request, seen, version};
use hactl_proto::report::Outcome;

use super::*;
use crate::present::Run;
use crate::rollout::{End, EndpointSeen, Missed};

/// Markup that an agent's or a program's words may hold.
const HOSTILE: &str = "</td><script src=\"//x\" onload='y'>&amp;\u{1b}[2J";
const SHOWN: &str = "</td><script src=\"//x\" onload='y'>&amp;\\u{1b}[2J";
const VOID: [&str; 2] = ["!doctype", "meta"];
const ELEMENTS: &str =
    "html head title style body h1 b p ul li table thead tbody tr th td div span i";
const ATTRIBUTES: &str = "html lang charset name content http-equiv class style title";

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

/// A step of that order, from and to so many seconds before the end.
fn step(node: &str, subject: &str, order: &str, from: i64, to: Option<i64>) -> Line {
    Line {
        node: name(node),
        subject: name(subject),
        order: order.to_owned(),
        step: order.to_owned(),
        begun: ago(from),
        ended: to.map(ago),
        failed: false,
    }
}

fn report(timeline: Vec<Line>) -> ReportView {
    let plan = plan(&seen(1), &request(version(36, 3)), 4).unwrap();
    let end = Ok(End::Stopped {
        node: name("cp1"),
        outcome: Outcome::Failed {
            step: "kubeadm-upgrade".to_owned(),
            error: HOSTILE.to_owned(),
            done: Vec::new(),
            remedy: "Read it.".to_owned(),
        },
    });
    let failures = vec![Missed {
        at: ago(60),
        nodes: vec![name("cp1")],
        why: HOSTILE.to_owned(),
    }];
    let run = Run {
        begun: ago(120),
        ended: ago(0),
        end: &end,
        timeline,
        endpoint: EndpointSeen::Observed {
            asked: 120,
            failed: 3,
            slowest_ms: 35,
            failures,
        },
    };
    ReportView::new(&plan, run)
}

/// The text of a page, markup resolved, an element's text a line.
fn read(page: &str) -> Vec<String> {
    let (mut open, mut texts, mut rest) = (Vec::new(), Vec::new(), page);
    while let Some((text, after)) = rest.split_once('<') {
        let (tag, next) = after.split_once('>').unwrap();
        rest = next;
        assert!(!text.contains('>'), "a loose > in {text}");
        if open.last() != Some(&"style") && !text.trim().is_empty() {
            texts.push(resolved(text));
        }
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "before {rest:.80}");
            continue;
        }
        let (element, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        texts.extend(titles(attributes));
        if !VOID.contains(&element) {
            assert!(ELEMENTS.split(' ').any(|known| known == element), "<{tag}>");
            open.push(element);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    texts
}

/// What a pointer is shown; every attribute is known, in double quotes, and calls nothing.
fn titles(attributes: &str) -> Vec<String> {
    let mut titles = Vec::new();
    let mut rest = attributes;
    while let Some((attribute, after)) = rest.split_once("=\"") {
        let attribute = attribute.trim();
        assert!(
            ATTRIBUTES.split(' ').any(|known| known == attribute),
            "{attribute} in {attributes}"
        );
        let (value, next) = after.split_once('"').unwrap();
        assert!(!value.contains("url("), "{value}");
        if attribute == "title" {
            titles.push(resolved(value));
        }
        rest = next;
    }
    assert!(["", "html"].contains(&rest), "{rest} in {attributes}");
    titles
}

fn resolved(text: &str) -> String {
    let known = text.replace("&lt;", "<").replace("&gt;", ">");
    let known = known.replace("&quot;", "\"").replace("&amp;", "&");
    assert_eq!(escaped(&known), text.trim_end(), "an ampersand alone");
    known
}

#[test]
fn a_page_is_whole_calls_nothing_and_shows_every_word_as_text() {
    let mut hostile = step("cp2", "cp1", "drain", 100, Some(20));
    (hostile.order, hostile.step) = (HOSTILE.to_owned(), format!("{HOSTILE}2"));
    hostile.failed = true;
    let page = report(vec![hostile, step("w1", "w1", "stage", 20, None)]).html();
    let texts = read(&page);
    let count = texts.iter().filter(|text| text.contains(SHOWN)).count();
    assert_eq!(count, 5, "why, failure, step and two bars: {texts:#?}");
    for wanted in [
        "not ended",
        "failed",
        "by cp2",
        "and 2 more",
        "stopped",
        "stage",
    ] {
        assert!(
            texts.iter().any(|text| text.trim() == wanted),
            "{wanted}: {texts:#?}"
        );
    }
}

#[test]
#[should_panic(expected = "<script>")]
fn the_parser_takes_no_other_element() {
    read("<p>1</p><script>2</script>");
}

#[test]
fn steps_at_once_count_once() {
    let steps = [
        step("cp1", "cp1", "release-backend", 100, Some(90)),
        step("cp2", "cp1", "release-backend", 100, Some(88)),
        step("cp1", "cp1", "upgrade", 80, Some(40)),
        step("cp1", "cp1", "upgrade", 10, None),
    ];
    let report = report(steps.to_vec());
    let lines: Vec<&Line> = report.timeline.iter().collect();
    assert_eq!(report.in_work(&lines), 12 + 40 + 10);
}

#[test]
fn a_run_that_did_nothing_has_a_page() {
    let mut report = report(Vec::new());
    report.ended = report.begun;
    read(&report.html());
}

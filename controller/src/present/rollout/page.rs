//! The report as one page of HTML with nothing outside of it: no script, no font, no picture from anywhere.

use std::fmt::Write as _;

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;

use super::report::{ReportView, missed_words};
use crate::present::time;
use crate::present::words::clean;
use crate::rollout::Line;

/// Marks on the axis, besides its begin.
const MARKS: i64 = 4;

const STYLE: &str = "\
body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:80em;padding:0 1em;color:#222;background:#fff}\
h1{font-size:1.5em}h1 b{font-size:.6em;padding:.2em .7em;margin-left:.6em;border-radius:1em;color:#fff;background:#b60;vertical-align:middle}\
h1 b.finished{background:#287a50}.why{border-left:4px solid #b60;padding:.2em 1em;background:#fff6e8}\
.failed{color:#b00020;font-weight:600}\
table{border-collapse:collapse;width:100%}td,th{padding:1px 8px;white-space:nowrap;text-align:left;font-weight:400}\
thead th,tbody th{border-bottom:1px solid #ccc}tbody th{padding-top:.8em;font-weight:600;vertical-align:bottom}\
.n{text-align:right;font-variant-numeric:tabular-nums}.by{color:#777}\
.t{width:55%;padding:0}.t div{position:relative;height:1.3em;background:#f3f4f6}thead .t div{background:none}\
.t span{position:absolute;color:#777;font-size:.85em}.t span.last{right:0}\
i{position:absolute;top:3px;bottom:3px;min-width:2px;border-radius:2px}\
.good{background:#3a9a6a}.bad,.miss{background:#b00020}.open{background:#b60}.miss{width:2px}th .good{background:#9db8aa}";

impl ReportView {
    /// One page.
    pub(super) fn html(&self) -> String {
        let whole = self.whole();
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>rollout {0}</title><style>{STYLE}</style></head><body>\n\
             <h1>rollout {0}: {1} to {2}<b class=\"{3}\">{3}</b></h1>\n<p>{4} to {5}, {whole} s</p>\n",
            self.number,
            self.from,
            self.to,
            self.end,
            time::moment(self.begun),
            time::moment(self.ended),
        );
        // Writing to a String cannot fail.
        if let Some(why) = &self.why {
            let _ = writeln!(page, "<p class=\"why\">{}</p>", escaped(why));
        }
        page.push_str(&self.endpoint_html());
        let _ = write!(
            page,
            "<table>\n<thead><tr><th>node, order and step</th><th class=\"n\">lasted</th><th class=\"t\"><div>{}</div></th></tr></thead>\n",
            axis(whole)
        );
        let marks = self.missed_marks(whole);
        if !marks.is_empty() {
            let _ = writeln!(
                page,
                "<tbody><tr><th class=\"failed\">requests that failed</th><th></th><th class=\"t\"><div>{marks}</div></th></tr></tbody>"
            );
        }
        for node in self.subjects() {
            page.push_str(&self.node_html(node, whole));
        }
        page.push_str("</table>\n</body></html>\n");
        page
    }

    /// Seconds of the run; never none, as lengths are shares of it.
    fn whole(&self) -> i64 {
        (self.ended.as_second() - self.begun.as_second()).max(1)
    }

    /// The nodes that something was done to, in that order.
    fn subjects(&self) -> Vec<&NodeName> {
        let mut nodes = Vec::new();
        for line in &self.timeline {
            if !nodes.contains(&&line.subject) {
                nodes.push(&line.subject);
            }
        }
        nodes
    }

    /// A node's steps, below a line that has them all.
    fn node_html(&self, node: &NodeName, whole: i64) -> String {
        let lines: Vec<&Line> = self
            .timeline
            .iter()
            .filter(|line| line.subject == *node)
            .collect();
        let bars: String = lines.iter().map(|line| self.bar(line, whole)).collect();
        let took = self.in_work(&lines);
        let mut text = format!(
            "<tbody><tr><th>{}</th><th class=\"n\">{took} s</th><th class=\"t\"><div>{bars}</div></th></tr>\n",
            escaped(node.as_str())
        );
        for line in lines {
            let by = if line.node == line.subject {
                String::new()
            } else {
                format!(
                    " <span class=\"by\">by {}</span>",
                    escaped(line.node.as_str())
                )
            };
            let failed = if line.failed {
                " <span class=\"failed\">failed</span>"
            } else if line.ended.is_none() {
                " <span class=\"failed\">not ended</span>"
            } else {
                ""
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "<tr><td>{}{by}{failed}</td><td class=\"n\">{} s</td><td class=\"t\"><div>{}</div></td></tr>",
                work(line),
                self.seconds(line).1,
                self.bar(line, whole),
            );
        }
        text.push_str("</tbody>\n");
        text
    }

    /// Seconds in which some of these lines were under way: several may have been at once.
    fn in_work(&self, lines: &[&Line]) -> i64 {
        let mut spans: Vec<(i64, i64)> = lines.iter().map(|line| self.seconds(line)).collect();
        spans.sort_unstable();
        let (mut took, mut until) = (0, 0);
        for (since, lasted) in spans {
            let end = since + lasted;
            took += (end - since.max(until)).max(0);
            until = until.max(end);
        }
        took
    }

    fn bar(&self, line: &Line, whole: i64) -> String {
        let (since, lasted) = self.seconds(line);
        let class = match (line.failed, line.ended) {
            (true, _) => "bad",
            (false, None) => "open",
            (false, Some(_)) => "good",
        };
        format!(
            "<i class=\"{class}\" style=\"left:{:.2}%;width:{:.2}%\" title=\"{} from {since} s, {lasted} s\"></i>",
            percent(since, whole),
            percent(lasted, whole),
            work(line),
        )
    }

    /// What a client saw, each failed request with its time and who was in work.
    fn endpoint_html(&self) -> String {
        let (missed, more) = self.endpoint.failures();
        let class = if missed.is_empty() {
            ""
        } else {
            " class=\"failed\""
        };
        let mut text = format!("<p{class}>{}</p>\n", escaped(&self.endpoint.words()));
        if missed.is_empty() {
            return text;
        }
        text.push_str("<ul>");
        for one in missed {
            let since = self.since(one.at);
            // Writing to a String cannot fail.
            let _ = write!(text, "<li>{since} s: {}</li>", escaped(&missed_words(one)));
        }
        if more > 0 {
            let _ = write!(text, "<li>and {more} more</li>");
        }
        text.push_str("</ul>\n");
        text
    }

    fn missed_marks(&self, whole: i64) -> String {
        let mark = |at: Timestamp| {
            let left = percent(self.since(at), whole);
            format!("<i class=\"miss\" style=\"left:{left:.2}%\"></i>")
        };
        let (missed, _) = self.endpoint.failures();
        missed.iter().map(|one| mark(one.at)).collect()
    }
}

/// Order and step; many orders have one step, called as they are.
fn work(line: &Line) -> String {
    if line.order == line.step {
        escaped(&line.order)
    } else {
        format!("{}: {}", escaped(&line.order), escaped(&line.step))
    }
}

fn axis(whole: i64) -> String {
    let mark = |at: i64| {
        let seconds = whole * at / MARKS;
        if at == MARKS {
            format!("<span class=\"last\">{seconds} s</span>")
        } else {
            format!(
                "<span style=\"left:{:.2}%\">{seconds} s</span>",
                percent(at, MARKS)
            )
        }
    };
    (0..=MARKS).map(mark).collect()
}

#[allow(clippy::cast_precision_loss, reason = "seconds of a rollout are few")]
fn percent(part: i64, whole: i64) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// Text of others, as text: a page takes no markup from afar.
pub(super) fn escaped(text: &str) -> String {
    clean(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;

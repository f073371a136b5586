//! The table's heart as a picture: how long a lost node is missed, by the size of the cluster.

use std::fmt::Write as _;

use crate::row::{Row, Time};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 52.0;

/// One line of the picture.
struct Line {
    label: &'static str,
    of: &'static str,
    colour: &'static str,
    dashes: &'static str,
    value: fn(&Row) -> Time,
}

const LINES: [Line; 4] = [
    Line {
        label: "foca's defaults: 99 % informed, median",
        of: "foca",
        colour: "#b4541f",
        dashes: "",
        value: |row| row.most[0],
    },
    Line {
        label: "foca's defaults: first down, median",
        of: "foca",
        colour: "#b4541f",
        dashes: "5 4",
        value: |row| row.down[0],
    },
    Line {
        label: "hactl: 99 % informed, median",
        of: "hactl",
        colour: "#1f5fb4",
        dashes: "",
        value: |row| row.most[0],
    },
    Line {
        label: "hactl: first down, median",
        of: "hactl",
        colour: "#1f5fb4",
        dashes: "5 4",
        value: |row| row.down[0],
    },
];

/// Draws the runs without loss; `under` says where the figures are from.
pub fn draw(rows: &[Row], under: &str) -> String {
    let whole: Vec<&Row> = rows.iter().filter(|row| row.subject.loss <= 0.0).collect();
    let sizes: Vec<usize> = {
        let mut sizes: Vec<usize> = whole.iter().map(|row| row.subject.members).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    };
    let x = |members: usize| {
        let log = |members: usize| f64::from(u32::try_from(members).unwrap_or(u32::MAX)).log10();
        let (first, last) = (
            sizes.first().copied().unwrap_or(1),
            sizes.last().copied().unwrap_or(10),
        );
        let span = (log(last) - log(first)).max(0.1);
        LEFT + (log(members) - log(first)) / span * (WIDTH - LEFT - RIGHT)
    };
    let times = LINES
        .iter()
        .flat_map(|line| whole.iter().filter_map(|row| (line.value)(row)));
    let top = times.fold(1.0_f64, f64::max).ceil();
    let y = |time: f64| HEIGHT - BOTTOM - time / top * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">Seconds until a lost node is missed, by members</text>\n\
         <text x=\"{LEFT}\" y=\"{}\" fill=\"#555555\">{under}</text>\n",
        HEIGHT - 10.0
    );
    grid(&mut out, top, y);
    for size in &sizes {
        let at = x(*size);
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{size}</text>",
            HEIGHT - BOTTOM + 18.0
        );
    }
    for (place, line) in (0_u8..).zip(&LINES) {
        let points: Vec<(f64, f64)> = whole
            .iter()
            .filter(|row| row.subject.of == line.of)
            .filter_map(|row| Some((x(row.subject.members), y((line.value)(row)?))))
            .collect();
        stroke(&mut out, line, &points);
        legend(&mut out, line, f64::from(place));
    }
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, top: f64, y: impl Fn(f64) -> f64) {
    let step = if top > 8.0 { 2.0 } else { 1.0 };
    let mut time = 0.0;
    while time <= top {
        let at = y(time);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{time} s</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
        time += step;
    }
}

fn stroke(out: &mut String, line: &Line, points: &[(f64, f64)]) {
    let path: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\" points=\"{}\"/>",
        line.colour,
        line.dashes,
        path.join(" ")
    );
    for (x, y) in points {
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\"/>",
            line.colour
        );
    }
}

fn legend(out: &mut String, line: &Line, place: f64) {
    let (x, y) = (LEFT + 16.0, TOP + place * 18.0);
    let _ = writeln!(
        out,
        "<line x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>\
         <text x=\"{}\" y=\"{}\">{}</text>",
        x + 28.0,
        line.colour,
        line.dashes,
        x + 36.0,
        y + 4.0,
        line.label
    );
}

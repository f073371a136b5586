//! The table's heart as a picture: how long a lost node is missed, by the size of the cluster.
//!
//! Of each kind a band: from the first who calls the node down to when 99 % have heard it, medians both.

use std::fmt::Write as _;

use crate::row::{Row, Time};

const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 64.0;
/// Room for what a band is called, behind its end.
const RIGHT: f64 = 168.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 88.0;

/// One band of the picture.
struct Band {
    of: &'static str,
    label: &'static str,
    colour: &'static str,
}

const BANDS: [Band; 2] = [
    Band {
        of: "foca",
        label: "foca, its own defaults",
        colour: "#b5501b",
    },
    Band {
        of: "hactl",
        label: "hactl",
        colour: "#1b5fae",
    },
];

/// A size of cluster, until the first calls the node down and until 99 % have heard it.
#[derive(Debug, Clone, Copy)]
struct Point {
    members: usize,
    first: f64,
    most: f64,
}

/// From figures to places.
struct Scale {
    sizes: Vec<usize>,
    top: f64,
}

impl Scale {
    fn of(points: &[Point]) -> Self {
        let mut sizes: Vec<usize> = points.iter().map(|point| point.members).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let longest = points
            .iter()
            .map(|point| point.most)
            .fold(1.0_f64, f64::max);
        let top = (longest / step(longest)).ceil() * step(longest);
        Self { sizes, top }
    }

    fn x(&self, members: usize) -> f64 {
        let log = |members: usize| f64::from(u32::try_from(members).unwrap_or(u32::MAX)).log10();
        let (first, last) = (
            log(self.sizes.first().copied().unwrap_or(1)),
            log(self.sizes.last().copied().unwrap_or(10)),
        );
        LEFT + (log(members) - first) / (last - first).max(0.1) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, time: f64) -> f64 {
        HEIGHT - BOTTOM - time / self.top * (HEIGHT - TOP - BOTTOM)
    }
}

/// Seconds between two lines of the grid.
fn step(longest: f64) -> f64 {
    match longest {
        ..=4.0 => 1.0,
        ..=10.0 => 2.0,
        _ => 5.0,
    }
}

/// Draws the runs without loss; `under` says where the figures are from.
pub fn draw(rows: &[Row], under: &str) -> String {
    let bands = BANDS.map(|band| {
        let points = points(rows, band.of);
        (band, points)
    });
    let all: Vec<Point> = bands
        .iter()
        .flat_map(|(_, points)| points.clone())
        .collect();
    let scale = Scale::of(&all);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222222\">\n\
         <title>Seconds until a lost node is missed, by members of the cluster</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"32\" font-size=\"19\" font-weight=\"bold\">How long until a lost node is missed</text>\n\
         <text x=\"{LEFT}\" y=\"54\" fill=\"#555555\">Lower edge: the first member calls it down. \
         Upper edge: 99 % of the members have heard it. Medians.</text>\n"
    );
    grid(&mut out, &scale);
    for (band, points) in &bands {
        draw_band(&mut out, &scale, band, points);
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\" font-size=\"11\" fill=\"#777777\">{under}</text>\n</svg>",
        HEIGHT - 14.0
    );
    out
}

/// Of the runs without loss, by members; a run in which a time did not end has no place.
fn points(rows: &[Row], of: &str) -> Vec<Point> {
    let whole = rows.iter().filter(|row| row.subject.loss <= 0.0);
    let mut points: Vec<Point> = whole
        .filter(|row| row.subject.of == of)
        .filter_map(|row| {
            let [first, most]: [Time; 2] = [row.down[0], row.most[0]];
            Some(Point {
                members: row.subject.members,
                first: first?,
                most: most?,
            })
        })
        .collect();
    points.sort_by_key(|point| point.members);
    points
}

fn grid(out: &mut String, scale: &Scale) {
    let (right, low) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut time = 0.0;
    while time <= scale.top {
        let (y, colour) = (
            scale.y(time),
            if time > 0.0 { "#e3e3e3" } else { "#888888" },
        );
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{time} s</text>",
            LEFT - 10.0,
            y + 4.5
        );
        time += step(scale.top);
    }
    for size in &scale.sizes {
        let x = scale.x(*size);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low}\" y2=\"{}\" stroke=\"#888888\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            low + 5.0,
            low + 21.0,
            thousands(*size)
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555555\">members of the cluster (logarithmic)</text>",
        f64::midpoint(LEFT, right),
        low + 42.0
    );
}

fn draw_band(out: &mut String, scale: &Scale, band: &Band, points: &[Point]) {
    let Band { label, colour, .. } = band;
    let edge = |value: fn(&Point) -> f64| -> Vec<String> {
        let place =
            |point: &Point| format!("{:.1},{:.1}", scale.x(point.members), scale.y(value(point)));
        points.iter().map(place).collect()
    };
    let (first, most) = (edge(|point| point.first), edge(|point| point.most));
    let back: Vec<&str> = first.iter().rev().map(String::as_str).collect();
    let _ = writeln!(
        out,
        "<polygon fill=\"{colour}\" fill-opacity=\"0.16\" points=\"{} {}\"/>\n\
         <polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-dasharray=\"5 4\" points=\"{}\"/>\n\
         <polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" points=\"{}\"/>",
        most.join(" "),
        back.join(" "),
        first.join(" "),
        most.join(" ")
    );
    for point in points {
        let (x, y) = (scale.x(point.members), scale.y(point.most));
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{:.1}</text>",
            y - 9.0,
            point.most
        );
    }
    if let Some(last) = points.last() {
        let (x, y) = (scale.x(last.members) + 14.0, scale.y(last.most));
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-weight=\"bold\" fill=\"{colour}\">{label}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"12\" fill=\"{colour}\">{:.1} s, then {:.1} s</text>",
            y + 2.0,
            y + 18.0,
            last.first,
            last.most
        );
    }
}

/// `5,000`.
fn thousands(number: usize) -> String {
    if number < 1000 {
        return number.to_string();
    }
    format!("{},{:03}", number / 1000, number % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Subject;

    fn row(of: &str, members: usize, loss: f64, times: [Time; 2]) -> Row {
        Row {
            subject: Subject {
                of: of.to_owned(),
                members,
                loss,
            },
            count: 1,
            suspected: [None; 2],
            down: [times[0]; 2],
            most: [times[1]; 2],
            all: [None; 2],
            bytes: [0.0; 2],
            alarms: [0.0; 2],
            starved: None,
            zone: None,
            memory: 0,
            cpu: 0.0,
            alone: None,
            agent: None,
        }
    }

    #[test]
    fn both_bands_end_at_the_largest_cluster_and_every_place_is_within_the_picture() {
        let rows = [
            row("hactl", 5, 0.0, [Some(1.0), Some(1.1)]),
            row("hactl", 5000, 0.0, [Some(2.1), Some(2.3)]),
            row("hactl", 5000, 0.05, [Some(77.0), Some(77.0)]),
            row("foca", 5, 0.0, [Some(6.3), Some(6.4)]),
            row("foca", 5000, 0.0, [Some(16.6), Some(17.3)]),
        ];
        let picture = draw(&rows, "Seed 1.");
        let end = format!("cx=\"{:.1}\"", WIDTH - RIGHT);
        assert_eq!(picture.matches(&end).count(), 2, "{picture}");
        assert!(picture.contains(">5,000<") && picture.contains("16.6 s, then 17.3 s"));
        // The run with loss would have stretched the axis.
        assert!(
            !picture.contains(">80 s<") && !picture.contains("NaN"),
            "{picture}"
        );
        for (_, rest) in picture
            .match_indices("cy=\"")
            .map(|(at, key)| picture.split_at(at + key.len()))
        {
            let y: f64 = rest.split('"').next().unwrap().parse().unwrap();
            assert!((TOP..=HEIGHT - BOTTOM).contains(&y), "{y}");
        }
    }

    #[test]
    fn a_time_that_did_not_end_has_no_place() {
        let rows = [row("foca", 5, 0.0, [Some(1.0), None])];
        assert!(points(&rows, "foca").is_empty());
        assert!(draw(&rows, "").ends_with("</svg>\n"));
    }
}

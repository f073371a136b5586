//! `members`: who sees whom, how, and since when.

use hactl_cluster_plan::observed::{Observed, Opinion, ZoneOpinion, opinions, zone_opinions};
use hactl_proto::Timestamp;
use hactl_proto::member::{MemberState, Reach, ZoneCondition};
use hactl_proto::name::NodeName;
use serde::Serialize;

use super::View;
use super::style::{Style, Tone};
use super::table::{Cell, Table};
use super::{time, words};

/// Every member with what the others believe of it.
#[derive(Debug, Clone, Serialize)]
pub struct MembersView {
    /// The operator's clock when the answers were there.
    pub at: Timestamp,
    /// The members.
    pub members: Vec<Member>,
    /// What is said of whole zones.
    pub zones: Vec<ZoneOpinion>,
    /// Who was asked and did not answer.
    pub silent: Vec<(NodeName, String)>,
}

/// One member.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub node: NodeName,
    /// Its zone.
    pub zone: String,
    /// Where its datagrams come from, as the first who knows says.
    pub address: Option<String>,
    /// The highest incarnation that anybody knows.
    pub incarnation: Option<u16>,
    /// The highest boot epoch that anybody knows.
    pub boot_epoch: Option<u64>,
    /// What each of the others believes.
    pub seen: Vec<Opinion>,
}

impl MembersView {
    /// Puts the views side by side.
    pub fn new(observed: &Observed) -> Self {
        let members = observed.nodes.iter().map(|node| {
            let views = || {
                let all = observed
                    .nodes
                    .iter()
                    .filter_map(|observer| observer.members.said())
                    .flatten();
                all.filter(|view| view.node == node.name)
            };
            Member {
                node: node.name.clone(),
                zone: node.zone.to_string(),
                address: views().next().map(|view| view.address.to_string()),
                incarnation: views().map(|view| view.incarnation).max(),
                boot_epoch: views().map(|view| view.boot_epoch).max(),
                seen: opinions(observed, &node.name),
            }
        });
        let silent = observed.nodes.iter().filter_map(|node| {
            let silence = node.members.silence()?;
            let seconds = silence.tried_ms / 1000;
            Some((
                node.name.clone(),
                format!("{} (tried for {seconds} s)", silence.reason),
            ))
        });
        Self {
            at: observed.at,
            members: members.collect(),
            zones: zone_opinions(observed),
            silent: silent.collect(),
        }
    }

    /// Whether all who answered believe the same of every member.
    pub fn agree(&self) -> bool {
        let same = |member: &Member| {
            member
                .seen
                .windows(2)
                .all(|pair| pair[0].state == pair[1].state)
        };
        self.members.iter().all(same)
    }

    /// Whether everybody answered and sees everybody alive.
    pub fn all_alive(&self) -> bool {
        let alive = |member: &Member| {
            member
                .seen
                .iter()
                .all(|opinion| opinion.state == MemberState::Alive)
        };
        self.silent.is_empty() && self.members.iter().all(alive)
    }

    fn list(&self, style: Style) -> String {
        let mut table = Table::new([
            "NODE",
            "ZONE",
            "ADDRESS",
            "SEEN",
            "BY",
            "SINCE",
            "RTT",
            "INCARNATION",
            "BOOT",
        ]);
        for member in &self.members {
            let mut first = [
                member.node.to_string(),
                member.zone.clone(),
                member.address.clone().unwrap_or_else(|| "?".to_owned()),
                member
                    .incarnation
                    .map(|number| number.to_string())
                    .unwrap_or_default(),
                member
                    .boot_epoch
                    .map(|number| number.to_string())
                    .unwrap_or_default(),
            ];
            if member.seen.is_empty() {
                let [node, zone, address, ..] = &first;
                let nobody = Cell::new(Tone::Doubtful, "? nobody says");
                table.row([
                    Cell::plain(node),
                    Cell::plain(zone),
                    Cell::plain(address),
                    nobody,
                ]);
            }
            for state in [MemberState::Down, MemberState::Suspect, MemberState::Alive] {
                let who: Vec<&Opinion> = member
                    .seen
                    .iter()
                    .filter(|opinion| opinion.state == state)
                    .collect();
                if let Some(since) = who.iter().map(|opinion| opinion.since).min() {
                    let [node, zone, address, incarnation, boot] = std::mem::take(&mut first);
                    let (word, tone) = words::member(state);
                    table.row([
                        Cell::plain(node),
                        Cell::plain(zone),
                        Cell::plain(address),
                        Cell::new(tone, word),
                        Cell::plain(words::names(who.iter().map(|opinion| &opinion.observer))),
                        Cell::plain(time::since(since, self.at)),
                        Cell::plain(round_trip(&who)),
                        Cell::plain(incarnation),
                        Cell::plain(boot),
                    ]);
                }
            }
        }
        table.render(style)
    }

    /// Members that are not reached by datagrams both ways, and how else.
    fn detours(&self) -> impl Iterator<Item = String> {
        let ways = [Reach::NotTo, Reach::NotFrom, Reach::Stream];
        self.members.iter().flat_map(move |member| {
            ways.into_iter().filter_map(|way| {
                let living =
                    |opinion: &&Opinion| opinion.reach == way && opinion.state != MemberState::Down;
                let who: Vec<&Opinion> = member.seen.iter().filter(living).collect();
                (!who.is_empty()).then(|| of_way(way, &member.node, &who))
            })
        })
    }

    /// Rows see columns. Shown when views differ: that is when the list above does not tell which link is to blame.
    fn matrix(&self, style: Style) -> String {
        let names = self.members.iter().map(|member| member.node.as_str());
        let mut table = Table::new(std::iter::once("").chain(names)).indented(2);
        for observer in &self.members {
            let mut row = vec![Cell::plain(observer.node.as_str())];
            let silent = self.silent.iter().any(|(name, _)| *name == observer.node);
            row.extend(self.members.iter().map(|member| {
                if member.node == observer.node {
                    return Cell::new(Tone::Faint, "-");
                }
                let seen = member
                    .seen
                    .iter()
                    .find(|opinion| opinion.observer == observer.node);
                let (word, tone) = match seen {
                    Some(opinion) => words::member(opinion.state),
                    None if silent => ("?", Tone::Doubtful),
                    None => ("unknown", Tone::Doubtful),
                };
                Cell::new(tone, word)
            }));
            table.row(row);
        }
        let head = style.paint(
            Tone::Head,
            "Views differ; each row says how it sees each column",
        );
        format!("\n{head}\n{}", table.render(style))
    }
}

fn of_zone(opinion: &ZoneOpinion) -> String {
    let zone = &opinion.zone;
    let who = words::names(opinion.observers.iter());
    match opinion.condition {
        ZoneCondition::Reachable => format!("zone {zone} is reachable, says {who}"),
        ZoneCondition::Silent => format!("zone {zone} fell silent as a whole, says {who}"),
        ZoneCondition::CutOff => {
            format!("zone {zone} is cut off from all others, says {who} in it")
        }
        ZoneCondition::Undecided => format!(
            "zone {zone} is silent to {who}; whether it is gone or they are cut off cannot be told"
        ),
        ZoneCondition::Alone => format!("{who} in zone {zone} hears nobody at all"),
    }
}

fn of_way(way: Reach, member: &NodeName, who: &[&Opinion]) -> String {
    let who = words::names(who.iter().map(|opinion| &opinion.observer));
    match way {
        Reach::Direct => format!("{who} reaches {member}"),
        Reach::NotTo => format!(
            "UDP from {who} to {member} gets lost one way: {member} is heard, and others reach it"
        ),
        Reach::NotFrom => {
            format!("UDP from {member} to {who} gets lost one way: others hear {member}")
        }
        Reach::Stream => {
            format!("{who} reaches {member} over TCP alone: UDP does not come through")
        }
    }
}

fn round_trip(opinions: &[&Opinion]) -> String {
    let times = || opinions.iter().filter_map(|opinion| opinion.round_trip_us);
    match (times().min(), times().max()) {
        (Some(least), Some(most)) if least == most => milliseconds(least),
        (Some(least), Some(most)) => format!("{} to {}", milliseconds(least), milliseconds(most)),
        _ => String::new(),
    }
}

fn milliseconds(micros: u32) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

impl View for MembersView {
    fn text(&self, style: Style) -> String {
        let mut text = self.list(style);
        if !self.agree() {
            text.push_str(&self.matrix(style));
        }
        let remarks: Vec<String> = self
            .zones
            .iter()
            .map(of_zone)
            .chain(self.detours())
            .collect();
        if !(self.silent.is_empty() && remarks.is_empty()) {
            text.push('\n');
        }
        for remark in remarks {
            let line = style.paint(Tone::Bad, &remark);
            words::line(&mut text, format_args!("{line}"));
        }
        for (node, reason) in &self.silent {
            let line = format!("{node} does not answer: {}", words::clean(reason));
            let line = style.paint(Tone::Bad, &line);
            words::line(&mut text, format_args!("{line}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples;

    #[test]
    fn all_see_all() {
        let view = MembersView::new(&samples::healthy());
        assert!(view.agree() && view.all_alive());
        insta::assert_snapshot!(view.text(Style::Plain), @"
        NODE  ZONE  ADDRESS         SEEN   BY             SINCE               RTT     INCARNATION  BOOT
        cp1   a     10.0.0.11:7470  alive  cp2, cp3, w1   16:20:00Z (60 min)  0.4 ms  0            2
        cp2   b     10.0.0.12:7470  alive  cp1, cp3, w1   16:20:00Z (60 min)  0.4 ms  0            2
        cp3   c     10.0.0.13:7470  alive  cp1, cp2, w1   16:20:00Z (60 min)  0.4 ms  0            2
        w1    a     10.0.0.21:7470  alive  cp1, cp2, cp3  16:20:00Z (60 min)  0.4 ms  0            2
        ");
    }

    #[test]
    fn views_that_differ_are_shown_as_a_matrix() {
        let view = MembersView::new(&samples::troubled());
        assert!(!view.agree() && !view.all_alive());
        insta::assert_snapshot!(view.text(Style::Plain), @"
        NODE  ZONE  ADDRESS         SEEN     BY        SINCE               RTT     INCARNATION  BOOT
        cp1   a     10.0.0.11:7470  alive    cp3, w1   16:20:00Z (60 min)  0.4 ms  0            2
        cp2   b     10.0.0.12:7470  down     cp1, cp3  17:19:18Z (42 s)            0            2
                                    suspect  w1        17:19:18Z (42 s)
        cp3   c     10.0.0.13:7470  alive    cp1, w1   16:20:00Z (60 min)  0.4 ms  0            2
        w1    a     10.0.0.21:7470  alive    cp1, cp3  16:20:00Z (60 min)  0.4 ms  0            2

        Views differ; each row says how it sees each column
               cp1    cp2      cp3    w1
          cp1  -      down     alive  alive
          cp2  ?      -        ?      ?
          cp3  alive  down     -      alive
          w1   alive  suspect  alive  -

        cp2 does not answer: connect: no route to host (tried for 5 s)
        ");
        assert!(view.text(Style::Colour).contains("\u{1b}[31mdown\u{1b}[0m"));
    }

    #[test]
    fn a_member_that_nobody_knows() {
        let mut observed = samples::healthy();
        for node in &mut observed.nodes {
            node.members = samples::silent("connection refused");
        }
        insta::assert_snapshot!(MembersView::new(&observed).text(Style::Plain), @"
        NODE  ZONE  ADDRESS  SEEN           BY  SINCE  RTT  INCARNATION  BOOT
        cp1   a     ?        ? nobody says
        cp2   b     ?        ? nobody says
        cp3   c     ?        ? nobody says
        w1    a     ?        ? nobody says

        cp1 does not answer: connection refused (tried for 5 s)
        cp2 does not answer: connection refused (tried for 5 s)
        cp3 does not answer: connection refused (tried for 5 s)
        w1 does not answer: connection refused (tried for 5 s)
        ");
    }
}

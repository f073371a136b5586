//! The lines about refusals, few for each source: whoever knocks all the time must not fill the disk, nor hide another in the noise.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Refusal;

/// Lines of one source within a window; the rest is counted.
const LINES: u32 = 5;
/// From the first line of a source.
const WINDOW: Duration = Duration::from_mins(1);
/// Sources that are told apart at once. All further ones share the lines of one.
const SOURCES: usize = 1024;

/// What was said of the sources of the last minute.
#[derive(Debug, Default)]
pub(super) struct RefusalLog(Mutex<Sources>);

#[derive(Debug, Default)]
struct Sources(HashMap<IpAddr, Source>);

#[derive(Debug)]
struct Source {
    began: Instant,
    said: u32,
    suppressed: u64,
}

/// What to write down on a refusal.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    /// Whether it gets its own line.
    say: bool,
    /// Whether that line is the last one of its source in this window.
    last: bool,
    /// Sources whose window is over, with the number of their refusals that got no line.
    over: Vec<(IpAddr, u64)>,
}

impl RefusalLog {
    /// Logs the refusal, or counts it.
    pub(super) fn write(&self, refusal: &Refusal) {
        let heard = {
            let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sources.hear(refusal.from().ip(), Instant::now())
        };
        for (source, suppressed) in heard.over {
            tracing::warn!(%source, suppressed, "refused it that often more within a minute");
        }
        match (heard.say, heard.last) {
            (true, false) => tracing::warn!("refused {refusal}"),
            (true, true) => {
                tracing::warn!(
                    "refused {refusal}; further ones of this source are counted, for a minute"
                );
            }
            (false, _) => {}
        }
    }
}

impl Sources {
    fn hear(&mut self, from: IpAddr, now: Instant) -> Heard {
        let mut over = Vec::new();
        self.0.retain(|source, one| {
            let lasts = now.duration_since(one.began) < WINDOW;
            if !lasts && one.suppressed > 0 {
                over.push((*source, one.suppressed));
            }
            lasts
        });
        let known = self.0.contains_key(&from) || self.0.len() < SOURCES;
        let key = if known {
            from
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let one = self.0.entry(key).or_insert(Source {
            began: now,
            said: 0,
            suppressed: 0,
        });
        let say = one.said < LINES;
        if say {
            one.said += 1;
        } else {
            one.suppressed += 1;
        }
        Heard {
            say,
            last: say && one.said == LINES,
            over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(of: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + of).into()
    }

    #[test]
    fn a_source_gets_few_lines_a_minute_and_the_rest_is_counted() {
        let (mut sources, start) = (Sources::default(), Instant::now());
        let mut said = 0;
        for _ in 0..1000 {
            let heard = sources.hear(source(1), start);
            said += u32::from(heard.say);
            assert_eq!(heard.last, heard.say && said == LINES);
        }
        assert_eq!(said, LINES);
        // Another source is heard all the same.
        assert!(sources.hear(source(2), start).say);
        let later = sources.hear(source(2), start + WINDOW);
        assert_eq!(later.over, [(source(1), 1000 - u64::from(LINES))]);
        assert!(sources.hear(source(1), start + WINDOW).say);
    }

    #[test]
    fn a_flood_from_all_over_takes_no_more_than_its_room() {
        let (mut sources, start) = (Sources::default(), Instant::now());
        let lines = (0..100_000_u32).filter(|one| sources.hear(source(*one), start).say);
        assert!(lines.count() <= SOURCES + LINES as usize);
        assert!(sources.0.len() <= SOURCES + 1);
    }
}

//! `imports`: which further files a configuration names, with the globs that Go's `filepath.Glob` takes in practice.

use super::{ConfigError, parse};

/// A pattern of `imports`: a folder, and the names in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPattern {
    /// Absolute folder.
    pub folder: String,
    /// The names: `*` and `?` are wild.
    pub names: String,
}

/// What a file imports, in its order. A relative one is relative to the file's folder.
pub fn imports(path: &str, text: &str) -> Result<Vec<ImportPattern>, ConfigError> {
    let doc = parse(path, text)?;
    let base = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let patterns = super::listed(&doc, "imports").map(|pattern| {
        let (folder, names) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let folder = match (pattern.starts_with('/'), folder) {
            (true, _) => folder.to_owned(),
            (false, "" | ".") => base.to_owned(),
            (false, below) => format!("{base}/{}", below.trim_start_matches("./")),
        };
        ImportPattern {
            folder,
            names: names.to_owned(),
        }
    });
    Ok(patterns.collect())
}

impl ImportPattern {
    /// Whether a bare file name fits.
    pub fn fits(&self, name: &str) -> bool {
        fits(self.names.as_bytes(), name.as_bytes())
    }
}

/// Greedy match with one point to come back to: linear for one star, never exponential.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match back {
                Some((after_star, from)) => {
                    back = Some((after_star, from + 1));
                    (p, n) = (after_star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_resolved_against_the_file() {
        let text =
            "imports = [\"/etc/containerd/conf.d/*.toml\", \"extra.toml\", \"./more/x?.toml\"]\n";
        let found: Vec<_> = imports("/etc/containerd/config.toml", text)
            .unwrap()
            .into_iter()
            .map(|pattern| format!("{} {}", pattern.folder, pattern.names))
            .collect();
        assert_eq!(
            found,
            [
                "/etc/containerd/conf.d *.toml",
                "/etc/containerd extra.toml",
                "/etc/containerd/more x?.toml",
            ]
        );
        assert!(imports("/c.toml", "version = 2\n").unwrap().is_empty());
        assert!(imports("/c.toml", "imports = 3\n").unwrap().is_empty());
        assert!(imports("/c.toml", "imports = [").is_err());
    }

    #[test]
    fn stars_and_question_marks_are_wild() {
        for (pattern, name, fit) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.hactl-draft", false),
            ("x?.toml", "x1.toml", true),
            ("x?.toml", "x.toml", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab.a", false),
            ("config.toml", "config.toml", true),
            ("", "a", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                fit,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_pattern_is_of_bare_names() {
        let pattern = ImportPattern {
            folder: "/etc/containerd/conf.d".to_owned(),
            names: "*.toml".to_owned(),
        };
        assert!(pattern.fits("a.toml"));
        assert!(!pattern.fits("a.toml.bak"));
    }
}

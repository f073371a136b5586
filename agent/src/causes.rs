//! An error with its causes, in one line: no `Display` here repeats its source, so whoever writes an error out asks for both.

use std::error::Error;

/// The error and what is behind it, each after a colon. What a library's error already says of its own cause is not said twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("{says}")]
    struct Layer {
        says: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(says: &[&'static str]) -> Layer {
        let (first, rest) = says.split_first().unwrap();
        Layer {
            says: first,
            source: (!rest.is_empty()).then(|| Box::new(layers(rest))),
        }
    }

    #[test]
    fn every_cause_is_said_once_and_in_its_order() {
        let deep = layers(&["read the bundle", "open it", "no such file"]);
        assert_eq!(chain(&deep), "read the bundle: open it: no such file");
        let wordy = layers(&["connect: refused (os error 111)", "refused (os error 111)"]);
        assert_eq!(chain(&wordy), "connect: refused (os error 111)");
        assert_eq!(chain(&layers(&["alone"])), "alone");
    }
}

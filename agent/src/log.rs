//! Logs go to stderr: readable lines on a terminal, JSON elsewhere. `HACTL_LOG` sets the filter, `info` by default.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging for this process. A wrong filter is named and `info` is used.
pub fn start() {
    let (filter, complaint) = match std::env::var("HACTL_LOG") {
        Ok(text) => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
        },
        Err(_) => (EnvFilter::new("info"), None),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
    if let Some(error) = complaint {
        tracing::warn!(error, "HACTL_LOG is not a filter; using info");
    }
}

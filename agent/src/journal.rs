//! The journal: what was begun and how it ended, durable, append-only, never a secret.

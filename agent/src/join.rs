//! Join: a member admits a node, mints what it needs, and removes it again.

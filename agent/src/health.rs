//! Health: this node's digest, made from facts, given to the gossip.

//! Membership: who lives, by SWIM over sealed datagrams.

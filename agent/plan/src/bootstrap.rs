//! Bootstrap: who may run `kubeadm init`, and what a node does next in the first boot.
//!
//! # The promise
//! Never two clusters of one cluster id that could both serve. It is kept without a clock, a leader or an API server, by
//! grants that the declared control planes write to disk:
//!
//! 1. The **candidate** is fixed by the spec ([`ClusterSpec::candidate`]), never "the lowest reachable".
//! 2. It runs `kubeadm init` only with a **grant** of every other declared control plane (policy `all`) or of more than half
//!    of the others (policy `majority`), its own first. It then writes [`record::Stage::Initialising`] and begins.
//! 3. A node **grants once** an epoch, to one instance of one candidate, on disk before it answers; no time ends a grant.
//! 4. A node that knows a cluster, has begun an init or holds data of one **never grants**.
//! 5. An **instance** is 128 random bits drawn with the record. A request carries the instances of all that it counts on;
//!    voters keep them with the grant. A node shown under another instance than the one known does not count.
//!
//! # Why that is enough
//! Say X (instance x) inits at epoch e with quorum Q, and Y (instance y) at epoch f ≥ e with quorum R, x ≠ y.
//!
//! - *f = e.* One candidate name an epoch, so Y is X re-imaged, or a second machine with its bundle. Q and R share a node
//!   that is not the candidate (all: every other one; majority: more than half of the others). If that node still has its
//!   disk, it granted x and refuses y. So `all` holds while one other control plane keeps its disk, `majority` while at most
//!   one of them loses it unnoticed. That is why a majority is counted among the *others*: the candidate sits in every
//!   quorum, and a bare majority of three, or of five, breaks with the candidate's own disk.
//! - *f > e.* An override raised the epoch, and R is everyone in its roster. Either x is listed as lost: the operator
//!   asserts that it never runs again. Or X granted at f as x: it had not begun, and never will at e, since its own epoch is
//!   f. Or the operator does not know of x: then a node of Q in R remembers x by rule 5 and refuses the override. That holds
//!   also for a machine that came after the override was written. A joined node counts as X does: it knows the cluster and refuses the override.
//! - *A cluster of an earlier epoch.* An override that was sent as an init began leaves those that took it at f, and the cluster
//!   forms at e. They take it for the one from a machine that their own override counts on ([`voter::believe`]): one that knows a
//!   cluster gives no grant at f, R is everyone that the override counts on, so nobody inits at f. Nor had that machine granted at
//!   f before: it never took the override, or learnt of the cluster from another that the override counts on, and so back to one
//!   that never took it. For the same reason an init that was begun goes on where the later epoch counts on its machine, and
//!   stops where it does not.
//! - An override names the one instance of its candidate, and every other one too: of two machines of a name only one
//!   takes it. Two overrides of one epoch: a node takes the first and refuses the other.
//!
//! **What an override asserts**, and nothing can check: the machines that it lists as lost never run again with their
//! disks, and there are no others but those of its roster. (One that the operator does not know of is noticed while two
//! machines of the roster are older than it.) That is enough also where a lost node was cut off with every older grant in its hands. One that shows up
//! nevertheless is told so by each answer, does not begin if it had not, and is named in a finding if it had.
//!
//! **Not covered**: the same state folder copied to two machines (a cloned disk, after the first start of the agent), and a
//! spec with other declared control planes but no common one under the same cluster id. Both are the operator's to avoid;
//! `docs/first-boot.md` says how.
//!
//! What must not go in here: how answers travel, when to ask again, files.
//!
//! [`ClusterSpec::candidate`]: hactl_proto::spec::ClusterSpec::candidate

/// Whether the candidate may begin.
pub mod candidate;
/// Refusals as findings, with what the operator can do.
pub mod finding;
/// What a node does next.
pub mod next;
/// The operator's override.
pub mod overrule;
/// What a node durably is.
pub mod record;
/// What a node promises.
pub mod voter;

#[cfg(test)]
mod tests;

//! Prepare: the steps that put right what is in the mode `enforce` and can be put right.
//!
//! It never refuses: what can't be mended stays a finding, and holds up init and join, not the mending of the rest.
//! An installed package brings facts of its own (its configuration file): the plan computed again afterwards has the rest.

use super::{NodeContext, Plan};
use crate::facts::Facts;
use crate::prerequisite::{Requirements, mend_all};
use crate::step::Step;

/// The steps. Empty: nothing is left that hactl can put right.
pub fn prepare(context: &NodeContext, facts: &Facts) -> Plan {
    let steps = mend_all(&facts.machine, &Requirements::of(context));
    Plan {
        steps: steps.into_iter().map(Step::Machine).collect(),
    }
}

//! Rollouts over the wire.

use super::v1::take_lease_response;
use super::{WireError, instant, known, moment, v1};
use crate::instruction::Fence;
use crate::rollout::{LeaseAnswer, RolloutRecord, RolloutWish};

impl From<RolloutRecord> for v1::RolloutRecord {
    fn from(record: RolloutRecord) -> Self {
        Self {
            number: record.number,
            revision: record.revision,
            wish: v1::RolloutWish::from(record.wish).into(),
            by: record.by,
            at: Some(instant(record.at)),
            plan: record.plan,
        }
    }
}

impl TryFrom<v1::RolloutRecord> for RolloutRecord {
    type Error = WireError;
    fn try_from(record: v1::RolloutRecord) -> Result<Self, WireError> {
        if record.number == 0 {
            return Err(WireError::absent("number"));
        }
        Ok(Self {
            number: record.number,
            revision: record.revision,
            wish: wish(record.wish)?,
            by: record.by,
            at: moment("at", record.at)?,
            plan: record.plan,
        })
    }
}

impl From<RolloutWish> for v1::RolloutWish {
    fn from(wish: RolloutWish) -> Self {
        match wish {
            RolloutWish::Running => Self::Running,
            RolloutWish::Paused => Self::Paused,
            RolloutWish::Aborted => Self::Aborted,
            RolloutWish::Finished => Self::Finished,
        }
    }
}

fn wish(value: i32) -> Result<RolloutWish, WireError> {
    Ok(match known("wish", value)? {
        v1::RolloutWish::Unspecified => return Err(WireError::absent("wish")),
        v1::RolloutWish::Running => RolloutWish::Running,
        v1::RolloutWish::Paused => RolloutWish::Paused,
        v1::RolloutWish::Aborted => RolloutWish::Aborted,
        v1::RolloutWish::Finished => RolloutWish::Finished,
    })
}

impl From<LeaseAnswer> for v1::TakeLeaseResponse {
    fn from(answer: LeaseAnswer) -> Self {
        let answer = match answer {
            LeaseAnswer::Taken(fence) => take_lease_response::Answer::Fence(fence.0),
            LeaseAnswer::Held { by, renewed } => {
                take_lease_response::Answer::Held(take_lease_response::Held {
                    by,
                    renewed: renewed.map(instant),
                })
            }
        };
        Self {
            answer: Some(answer),
        }
    }
}

impl TryFrom<v1::TakeLeaseResponse> for LeaseAnswer {
    type Error = WireError;
    fn try_from(response: v1::TakeLeaseResponse) -> Result<Self, WireError> {
        match response.answer.ok_or_else(|| WireError::absent("answer"))? {
            take_lease_response::Answer::Fence(fence) => Ok(Self::Taken(Fence(fence))),
            take_lease_response::Answer::Held(held) => Ok(Self::Held {
                by: held.by,
                renewed: held
                    .renewed
                    .map(|renewed| moment("held.renewed", Some(renewed)))
                    .transpose()?,
            }),
        }
    }
}

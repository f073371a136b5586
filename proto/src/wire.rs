//! The wire: generated prost and tonic code, and the border where it becomes domain types.
//!
//! Every message is parsed whole before anything acts on it; an error names the field by its path. No decision here, and no
//! generated type beyond the two shells' service code.

/// Generated from `proto/hactl/v1/*.proto` by `just proto`; committed, and checked by `tests/generated.rs`.
#[allow(
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used
)]
pub mod v1 {
    include!("gen/hactl.v1.rs");
}

mod bootstrap;
mod finding;
mod health;
mod instruction;
mod join;
mod journal;
mod member;
mod refusal;
mod report;
mod rollout;
mod secrets;
mod standing;
mod status;
mod time;
mod trust;

pub use time::{instant, moment};

use std::fmt::Display;

/// A message that does not hold what its type says. Nothing was done with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read field {field}: {reason}")]
pub struct WireError {
    field: String,
    reason: String,
}

impl WireError {
    /// The field holds something else than it should.
    pub fn wrong(field: &str, reason: impl Display) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The field is absent, and must not be.
    pub fn absent(field: &str) -> Self {
        Self::wrong(field, "it is absent")
    }

    /// The path of the field, from the message that was read.
    pub fn field(&self) -> &str {
        &self.field
    }

    fn within(self, parent: &str) -> Self {
        Self {
            field: format!("{parent}.{}", self.field),
            ..self
        }
    }
}

/// Parses a message field that must be there.
pub fn field<W, D>(name: &str, value: Option<W>) -> Result<D, WireError>
where
    D: TryFrom<W, Error = WireError>,
{
    let value = value.ok_or_else(|| WireError::absent(name))?;
    D::try_from(value).map_err(|error| error.within(name))
}

/// Parses a message field that may be absent.
pub fn optional<W, D>(name: &str, value: Option<W>) -> Result<Option<D>, WireError>
where
    D: TryFrom<W, Error = WireError>,
{
    value.map(|value| field(name, Some(value))).transpose()
}

/// Parses a repeated message field; an error names the place from 0.
pub fn list<W, D>(name: &str, values: Vec<W>) -> Result<Vec<D>, WireError>
where
    D: TryFrom<W, Error = WireError>,
{
    let parse = |(at, value)| field(&format!("{name}[{at}]"), Some(value));
    values.into_iter().enumerate().map(parse).collect()
}

/// Parses a text field: a name, an address, a version.
pub fn text<D>(name: &str, value: &str) -> Result<D, WireError>
where
    D: std::str::FromStr,
    D::Err: Display,
{
    value.parse().map_err(|error| WireError::wrong(name, error))
}

/// Reads a field of a fixed number of bytes.
fn bytes<const N: usize>(name: &str, value: &[u8]) -> Result<[u8; N], WireError> {
    value
        .try_into()
        .map_err(|_| WireError::wrong(name, format!("{N} bytes are wanted, not {}", value.len())))
}

/// Reads an enum's number; zero and numbers of a newer protocol are errors.
fn known<E>(name: &str, value: i32) -> Result<E, WireError>
where
    E: TryFrom<i32, Error = prost::UnknownEnumValue>,
{
    E::try_from(value).map_err(|_| WireError::wrong(name, format!("{value} is not known here")))
}

//! Time: protobuf's timestamp and jiff's.

use jiff::Timestamp;
use prost_types::Timestamp as Instant;

use super::WireError;

/// A point in time as protobuf has it: nanoseconds count forward, also before 1970.
pub fn instant(at: Timestamp) -> Instant {
    let (seconds, nanos) = (at.as_second(), at.subsec_nanosecond());
    if nanos < 0 {
        return Instant {
            seconds: seconds - 1,
            nanos: nanos + 1_000_000_000,
        };
    }
    Instant { seconds, nanos }
}

/// Reads a point in time that must be there; one outside the years that jiff knows is an error.
pub fn moment(field: &str, instant: Option<Instant>) -> Result<Timestamp, WireError> {
    let Instant { seconds, nanos } = instant.ok_or_else(|| WireError::absent(field))?;
    if !(0..1_000_000_000).contains(&nanos) {
        return Err(WireError::wrong(field, format!("{nanos} nanoseconds")));
    }
    Timestamp::new(seconds, nanos).map_err(|error| WireError::wrong(field, error))
}

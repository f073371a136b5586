//! Who is who: the node's key and certificate, and those that a control plane gives out.
//!
//! The key is made on the node and lies with its durable state: a wiped node is an unknown node. A control plane signs its
//! own certificate with the intermediate of its bundle; a worker asks control planes, first with its token, later with the
//! certificate that it has. What certificates mean on a connection is `hactl_proto::mtls`; what their holders may call is
//! [`crate::api::permission`]. No decision about Kubernetes belongs here.

mod error;
mod identity;
mod introduction;
mod issuer;
mod kept;
mod registrar;
mod renewal;

pub use error::IdentityError;
pub use identity::Identity;
pub use introduction::Introduction;
pub use issuer::{Issuer, IssuerError};
pub use kept::{OwnTrust, in_force};
pub use registrar::{NoRegistrar, Registrar, TokenRefusal};
pub use renewal::keep_renewed;

//! Text that must not be seen: join tokens, certificate keys, gossip keys, enrolment tokens.

use std::fmt;

use zeroize::Zeroize;

/// A secret text, wiped when dropped. It has no `Display` and no `Serialize`; its `Debug` says nothing.
/// Where it has to be written (a bundle, kubeadm's configuration on tmpfs) the code says so by calling [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every caller is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

//! What foca wants done, kept until the core does it.

use std::time::Duration;

use foca::{Incarnation, Notification, Runtime, Timer};

use crate::membership::identity::MemberId;

/// What foca said in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Somebody suspected us; our incarnation rose.
    Refuted,
    /// The cluster had called us down; this is our new identity.
    Rejoined,
    /// The cluster calls us down and our identity cannot be renewed.
    Defunct,
}

/// Drained by the core after each call into foca.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) sends: Vec<(MemberId, Vec<u8>)>,
    pub(super) timers: Vec<(Duration, Timer<MemberId>)>,
    pub(super) notes: Vec<Note>,
    /// Our own incarnation, as the last datagram said it: foca does not tell it otherwise.
    pub(super) incarnation: Incarnation,
}

impl Runtime<MemberId> for Effects {
    fn notify(&mut self, notification: Notification<'_, MemberId>) {
        let note = match notification {
            Notification::DataSent(header) => {
                if header.src_incarnation > self.incarnation {
                    self.notes.push(Note::Refuted);
                }
                self.incarnation = header.src_incarnation;
                return;
            }
            Notification::Rejoin(_) => {
                self.incarnation = 0;
                Note::Rejoined
            }
            Notification::Defunct => Note::Defunct,
            _ => return,
        };
        self.notes.push(note);
    }

    fn send_to(&mut self, to: MemberId, data: &[u8]) {
        self.sends.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<MemberId>, after: Duration) {
        self.timers.push((after, timer));
    }
}

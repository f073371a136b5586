//! What foca wants done, kept until the core does it.

use std::time::Duration;

use foca::{Header, Incarnation, Message, Notification, ProbeNumber, Runtime, Timer};

use crate::membership::identity::MemberId;

/// What foca said in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// A direct probe was sent.
    Pinged(MemberId, ProbeNumber),
    /// A direct probe was answered, or someone answered late.
    Acked(MemberId, ProbeNumber),
    /// Direct and indirect probe failed.
    ProbeFailed(MemberId),
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
            Notification::DataSent(Header {
                src_incarnation,
                dst,
                message,
                ..
            }) => {
                self.incarnation = *src_incarnation;
                match message {
                    Message::Ping(number) => Note::Pinged(*dst, *number),
                    _ => return,
                }
            }
            Notification::DataReceived(Header {
                src,
                message: Message::Ack(number),
                ..
            }) => Note::Acked(*src, *number),
            Notification::ProbeFailed(_, member) => Note::ProbeFailed(*member),
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

//! Why somebody leaves, in LiveKit's numbers, and what a client shall do about it.

use sfu::LeaveReason;

use crate::proto::{self, DisconnectReason};

/// What a client shall do after it was told to leave.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Stay away.
    Disconnect,
    /// Take up the same membership over a new WebSocket.
    Resume,
    /// Join again from the start.
    Reconnect,
}

impl Action {
    pub(crate) fn to_proto(self) -> proto::leave_request::Action {
        match self {
            Self::Disconnect => proto::leave_request::Action::Disconnect,
            Self::Resume => proto::leave_request::Action::Resume,
            Self::Reconnect => proto::leave_request::Action::Reconnect,
        }
    }
}

/// What a client told of `reason` shall do. Its membership has ended, so it never
/// [resumes](ResumeReason): where the fault is not its own, it joins again.
pub fn action(reason: LeaveReason) -> Action {
    match reason {
        LeaveReason::ClientInitiated
        | LeaveReason::DuplicateIdentity
        | LeaveReason::ParticipantRemoved
        | LeaveReason::RoomDeleted
        | LeaveReason::RoomClosed
        | LeaveReason::JoinFailure => Action::Disconnect,
        LeaveReason::ServerShutdown
        | LeaveReason::StateMismatch
        | LeaveReason::SignalClosed
        | LeaveReason::ConnectionTimeout
        | LeaveReason::Moved => Action::Reconnect,
    }
}

/// Why a client has to come back by a new WebSocket, its membership unharmed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ResumeReason {
    /// Its media is not heard of: ICE has to start anew.
    ConnectionTimeout,
    /// Somewhere else will serve it.
    Migration,
}

impl ResumeReason {
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::ConnectionTimeout => DisconnectReason::ConnectionTimeout,
            Self::Migration => DisconnectReason::Migration,
        }
        .into()
    }
}

/// LiveKit's number for `reason`.
pub fn disconnect_reason(reason: LeaveReason) -> i32 {
    match reason {
        LeaveReason::ClientInitiated => DisconnectReason::ClientInitiated,
        LeaveReason::DuplicateIdentity => DisconnectReason::DuplicateIdentity,
        LeaveReason::ServerShutdown => DisconnectReason::ServerShutdown,
        LeaveReason::ParticipantRemoved => DisconnectReason::ParticipantRemoved,
        LeaveReason::RoomDeleted => DisconnectReason::RoomDeleted,
        LeaveReason::RoomClosed => DisconnectReason::RoomClosed,
        LeaveReason::StateMismatch => DisconnectReason::StateMismatch,
        LeaveReason::JoinFailure => DisconnectReason::JoinFailure,
        LeaveReason::SignalClosed => DisconnectReason::SignalClose,
        LeaveReason::ConnectionTimeout => DisconnectReason::ConnectionTimeout,
        LeaveReason::Moved => DisconnectReason::Migration,
    }
    .into()
}

/// LiveKit's word for `reason`.
pub fn disconnect_word(reason: LeaveReason) -> &'static str {
    let known = DisconnectReason::try_from(disconnect_reason(reason));
    known.unwrap_or_default().as_str_name()
}

/// The reason behind LiveKit's number, where it is one of ours.
pub fn leave_reason(number: i32) -> Option<LeaveReason> {
    Some(match DisconnectReason::try_from(number).ok()? {
        DisconnectReason::ClientInitiated => LeaveReason::ClientInitiated,
        DisconnectReason::DuplicateIdentity => LeaveReason::DuplicateIdentity,
        DisconnectReason::ServerShutdown => LeaveReason::ServerShutdown,
        DisconnectReason::ParticipantRemoved => LeaveReason::ParticipantRemoved,
        DisconnectReason::RoomDeleted => LeaveReason::RoomDeleted,
        DisconnectReason::RoomClosed => LeaveReason::RoomClosed,
        DisconnectReason::StateMismatch => LeaveReason::StateMismatch,
        DisconnectReason::JoinFailure => LeaveReason::JoinFailure,
        DisconnectReason::SignalClose => LeaveReason::SignalClosed,
        DisconnectReason::ConnectionTimeout | DisconnectReason::MediaFailure => {
            LeaveReason::ConnectionTimeout
        }
        DisconnectReason::Migration => LeaveReason::Moved,
        DisconnectReason::UnknownReason
        | DisconnectReason::UserUnavailable
        | DisconnectReason::UserRejected
        | DisconnectReason::SipTrunkFailure
        | DisconnectReason::AgentError => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_their_numbers_and_actions() {
        for (reason, number, expected) in [
            (LeaveReason::ClientInitiated, 1, Action::Disconnect),
            (LeaveReason::DuplicateIdentity, 2, Action::Disconnect),
            (LeaveReason::ServerShutdown, 3, Action::Reconnect),
            (LeaveReason::ParticipantRemoved, 4, Action::Disconnect),
            (LeaveReason::RoomDeleted, 5, Action::Disconnect),
            (LeaveReason::StateMismatch, 6, Action::Reconnect),
            (LeaveReason::JoinFailure, 7, Action::Disconnect),
            (LeaveReason::SignalClosed, 9, Action::Reconnect),
            (LeaveReason::RoomClosed, 10, Action::Disconnect),
            (LeaveReason::ConnectionTimeout, 14, Action::Reconnect),
            (LeaveReason::Moved, 8, Action::Reconnect),
        ] {
            assert_eq!(disconnect_reason(reason), number);
            assert_eq!(leave_reason(number), Some(reason));
            assert_eq!(action(reason), expected);
        }
        assert_eq!(leave_reason(99), None);
    }
}

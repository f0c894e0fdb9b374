//! Counts what a transport refused, by reason: a dropped packet is a decision, not an
//! error. Turning the counts into metrics is left to the shell.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// Why a datagram, a packet or a message went no further; each is one metric label.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The reason as a metric label.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

reasons! {
    /// The first byte belongs to none of STUN, DTLS, RTP and RTCP (RFC 7983).
    UnknownKind => "unknown_kind",
    /// The transport has failed or was closed.
    Closed => "closed",
    /// The remote description has not arrived yet, so nothing can be checked.
    NoRemoteDescription => "no_remote_description",
    /// DTLS or SRTP from an address no authenticated check came from.
    UnvalidatedAddress => "unvalidated_address",
    /// Not a well-formed STUN message, or attributes where none may stand.
    StunMalformed => "stun_malformed",
    /// STUN, but not a Binding request.
    StunNotRequest => "stun_not_request",
    /// A Binding request for other credentials.
    StunUsername => "stun_username",
    /// A Binding request whose integrity does not hold.
    StunIntegrity => "stun_integrity",
    /// A Binding request that came before from another address: somebody repeats what the
    /// client said.
    StunReplay => "stun_replay",
    /// An authenticated request with attributes that must be understood and are not.
    StunUnknownAttribute => "stun_unknown_attribute",
    /// An authenticated request of somebody who believes to be controlled, as we are.
    StunRoleConflict => "stun_role_conflict",
    /// DTLS framing that lies or that no honest client produces.
    DtlsMalformed => "dtls_malformed",
    /// DTLS that the handshake refused.
    DtlsRejected => "dtls_rejected",
    /// More handshake records than any handshake needs.
    DtlsFlood => "dtls_flood",
    /// Media before the keys were agreed on.
    NoKeys => "no_keys",
    /// An RTP header, its extensions or its padding lie.
    RtpMalformed => "rtp_malformed",
    /// The authentication tag does not hold.
    SrtpUnauthentic => "srtp_unauthentic",
    /// Seen before, or too old to tell.
    SrtpReplay => "srtp_replay",
    /// RTCP that asks to be believed without encryption.
    SrtcpUnencrypted => "srtcp_unencrypted",
    /// Of no stream that was negotiated.
    RtpUnknownStream => "rtp_unknown_stream",
    /// More media than any client has to send.
    RtpFlood => "rtp_flood",
    /// A repair that repairs nothing: RTX padding sent as a bandwidth probe.
    RtxProbe => "rtx_probe",
    /// RTCP whose framing lies, or more of it than is read.
    RtcpMalformed => "rtcp_malformed",
    /// RTCP about streams that are not ours and not the client's.
    RtcpUnknownStream => "rtcp_unknown_stream",
    /// More reports were queued than one interval holds.
    RtcpFull => "rtcp_full",
    /// SCTP framing that lies.
    SctpMalformed => "sctp_malformed",
    /// SCTP numbers further ahead than the receive window.
    SctpAhead => "sctp_ahead",
    /// SCTP on more streams than a client may use.
    SctpStreams => "sctp_streams",
    /// SCTP messages cut into pieces so small that they only fill our memory.
    SctpFragments => "sctp_fragments",
    /// A message on a stream nobody opened, or malformed channel control.
    DataUnopened => "data_unopened",
    /// A message longer than we said we take.
    DataTooLarge => "data_too_large",
}

/// How often each [`DropReason`] was had.
#[derive(Clone, Debug)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Drops {
    /// Counts one.
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// How often `reason` was had.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, the ones that never were included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL
            .iter()
            .map(|reason| (*reason, self.of(*reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_label() {
        let mut drops = Drops::default();
        for (times, reason) in DropReason::ALL.iter().enumerate() {
            (0..times).for_each(|_| drops.count(*reason));
        }
        for (times, (reason, count)) in drops.iter().enumerate() {
            assert_eq!(count, times as u64, "{}", reason.label());
        }
        let labels: std::collections::HashSet<_> = DropReason::ALL
            .iter()
            .map(|reason| reason.label())
            .collect();
        assert_eq!(labels.len(), DropReason::ALL.len());
    }
}

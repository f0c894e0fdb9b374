//! What a client's description says of its end of the transport. In a bundle all
//! m-lines share one, described by the first of them (RFC 9143 section 7.2).

use super::error::NegotiationError;
use crate::sdp::{
    Description, Fingerprint, HashAlgorithm, SdpKind, Section, SectionKind, SetupRole,
    TransportLines,
};

/// The client's end of the transport.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Remote {
    /// Its name in connectivity checks.
    pub(crate) ufrag: String,
    /// Its proof.
    pub(crate) pwd: String,
    /// One of them is that of its certificate; all of accepted hashes.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// What we are in the DTLS handshake.
    pub(crate) role: DtlsRole,
    /// Its end of the data channels, if it has an m-line for them.
    pub(crate) data: Option<RemoteData>,
}

/// Who opens the DTLS connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DtlsRole {
    /// We do.
    Client,
    /// The client does.
    Server,
}

/// The client's end of the data channels (RFC 8841).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RemoteData {
    /// SCTP's port.
    pub(crate) sctp_port: u16,
    /// Longest message it takes, in bytes; 0 is any length.
    pub(crate) max_message_size: u64,
}

impl Remote {
    /// Reads the client's end from `description`, in which it said `before`.
    pub(super) fn read(
        description: &Description,
        before: Option<&Self>,
    ) -> Result<Self, NegotiationError> {
        let tagged = tagged(description).ok_or(NegotiationError::NothingBundled)?;
        let (own, session) = (&tagged.transport, &description.transport);
        let ufrag = own.ufrag.as_ref().or(session.ufrag.as_ref());
        let pwd = own.pwd.as_ref().or(session.pwd.as_ref());
        let (Some(ufrag), Some(pwd)) = (ufrag, pwd) else {
            return Err(NegotiationError::MissingIce);
        };
        let fingerprints = fingerprints(own, session)?;
        if before.is_some_and(|before| before.fingerprints != fingerprints) {
            return Err(NegotiationError::FingerprintChanged);
        }
        let setup = own.setup.or(session.setup);
        Ok(Self {
            ufrag: ufrag.clone(),
            pwd: pwd.clone(),
            fingerprints,
            role: role(description.kind, setup, before.map(|before| before.role))?,
            data: data(description),
        })
    }
}

/// Whether `section` is accepted by its own side and shares the transport.
pub(super) fn is_bundled(description: &Description, section: &Section) -> bool {
    let named = section
        .mid
        .is_some_and(|mid| description.bundle.contains(&mid));
    named && !section.is_rejected()
}

fn tagged(description: &Description) -> Option<&Section> {
    let usable = |section: &&Section| is_bundled(description, section);
    let with_port = |section: &&Section| usable(section) && section.port != 0;
    let sections = || description.sections.iter();
    sections()
        .find(with_port)
        .or_else(|| sections().find(usable))
}

fn fingerprints(
    own: &TransportLines,
    session: &TransportLines,
) -> Result<Vec<Fingerprint>, NegotiationError> {
    let written = match own.fingerprints.is_empty() {
        true => &session.fingerprints,
        false => &own.fingerprints,
    };
    if written.is_empty() {
        return Err(NegotiationError::MissingFingerprint);
    }
    let mut usable = written.clone();
    usable.retain(|print| print.algorithm != HashAlgorithm::Unusable);
    if usable.is_empty() {
        return Err(NegotiationError::WeakFingerprint);
    }
    Ok(usable)
}

/// Our role (RFC 8842 section 5). Where the client leaves it to us it opens: it knows
/// first when the path works. Once open, the roles stay.
fn role(
    kind: SdpKind,
    setup: Option<SetupRole>,
    before: Option<DtlsRole>,
) -> Result<DtlsRole, NegotiationError> {
    let said = match (kind, setup) {
        (_, Some(SetupRole::Active)) => DtlsRole::Server,
        (_, Some(SetupRole::Passive)) => DtlsRole::Client,
        (_, Some(SetupRole::HoldConn)) | (SdpKind::Answer, Some(SetupRole::ActPass)) => {
            return Err(NegotiationError::SetupRole);
        }
        (SdpKind::Offer, Some(SetupRole::ActPass) | None) | (SdpKind::Answer, None) => {
            before.unwrap_or(DtlsRole::Server)
        }
    };
    match before {
        Some(before) if before != said => Err(NegotiationError::SetupRole),
        Some(_) | None => Ok(said),
    }
}

fn data(description: &Description) -> Option<RemoteData> {
    let section = description
        .sections
        .iter()
        .find(|section| is_data(section) && is_bundled(description, section))?;
    Some(RemoteData {
        sctp_port: section.sctp_port.unwrap_or(5_000),
        // RFC 8841 section 6.1: the default.
        max_message_size: section.max_message_size.unwrap_or(65_536),
    })
}

/// Whether a section is for data channels as browsers speak them.
pub(super) fn is_data(section: &Section) -> bool {
    section.kind == SectionKind::Application && section.protocol.ends_with("DTLS/SCTP")
}

//! A private CA for the relay and for nothing else, and certificates for nodes, for those who have
//! no CA of their own to do it.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use crate::identity::Identity;

/// What a file holds: a certificate, and the key that belongs to it.
#[derive(Debug)]
pub struct Pair {
    /// PEM.
    pub certificate: String,
    /// PEM, to be kept secret.
    pub key: String,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate: {0}")]
pub struct PkiError(#[from] rcgen::Error);

/// Makes a CA, valid for ten years from `now`.
pub fn authority(now: OffsetDateTime) -> Result<Pair, PkiError> {
    const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
    let mut wanted = CertificateParams::new(Vec::new())?;
    wanted.distinguished_name = named("TOF Edge relay CA");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    span(&mut wanted, now, YEARS);
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: wanted.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

/// Makes a node's certificate, valid for `time` from `now`.
pub fn node(
    authority: &Pair,
    identity: &Identity,
    now: OffsetDateTime,
    time: Duration,
) -> Result<Pair, PkiError> {
    let signs_with = KeyPair::from_pem(&authority.key)?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, signs_with)?;
    let mut wanted = CertificateParams::new(vec![identity.node().to_owned()])?;
    wanted
        .subject_alt_names
        .push(SanType::URI(identity.uri().try_into()?));
    wanted.distinguished_name = named(identity.node());
    wanted.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    span(&mut wanted, now, time);
    let key = KeyPair::generate()?;
    Ok(Pair {
        certificate: wanted.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

fn named(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

/// From a little before `now`: clocks of nodes differ.
fn span(wanted: &mut CertificateParams, now: OffsetDateTime, time: Duration) {
    wanted.not_before = now - Duration::from_secs(300);
    wanted.not_after = now + time;
}

//! Tokens: who may do what, signed with a secret that the app shares with us
//! (JWT, RFC 7519; only HMAC-SHA256).
//!
//! What the claims mean is left to [`Claims`], what they admit to to
//! [`join`](crate::join). Time is an input, so expiry is checked here and not by
//! the JWT library, which would read the clock.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::{Deserialize, Serialize};

use crate::Claims;

/// How far the app's clock may differ from ours.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// Longer texts are refused before they cost anything. Tokens travel in request
/// lines and headers, which proxies cut at this size or earlier.
pub const MAX_TOKEN: usize = 64 * 1024;

/// A refresh token lasts at least this long, so that a short-lived original does
/// not keep somebody from reconnecting.
pub const MIN_REFRESH: Duration = Duration::from_secs(600);

/// The secrets of the apps we serve, by key name.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, String>);

impl Keys {
    /// No keys: every token is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a key. Nothing is added without a name or a secret: an
    /// empty secret would let anybody sign.
    pub fn insert(&mut self, key: impl Into<String>, secret: impl Into<String>) {
        let (key, secret) = (key.into(), secret.into());
        if !key.is_empty() && !secret.is_empty() {
            self.0.insert(key, secret);
        }
    }

    /// Whether every token will be refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks `token` at `now` (seconds since 1970) and reads its claims.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Unreadable);
        }
        let (header, message, signature) = split(token)?;
        let (_, claims) = message.split_once('.').ok_or(TokenError::Unreadable)?;
        let mut claims: Claims = read(claims)?;
        // Only a token of the control plane is one that can be wrapped.
        claims.of.clear();

        let secret = self.0.get(&claims.iss).ok_or(TokenError::UnknownKey)?;
        if header.alg != "HS256" || header.crit.is_some() {
            return Err(TokenError::Algorithm);
        }
        let key = DecodingKey::from_secret(secret.as_bytes());
        let genuine = crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256);
        if !genuine.unwrap_or(false) {
            return Err(TokenError::Signature);
        }
        check_time(&claims, now, LEEWAY)?;
        Ok(claims)
    }

    /// Signs `claims` with the secret of `claims.iss`, valid from `now` for `ttl`;
    /// `None` if that key is not ours.
    pub fn sign(&self, claims: &Claims, now: u64, ttl: Duration) -> Option<String> {
        let secret = self.0.get(&claims.iss)?;
        Some(sign(claims, secret, now, ttl))
    }

    /// The same claims again, for reconnecting later: valid as long as the original,
    /// but at least [`MIN_REFRESH`].
    pub fn refresh(&self, claims: &Claims, now: u64) -> Option<String> {
        let left = claims.exp.unwrap_or(now).saturating_sub(now);
        self.sign(claims, now, Duration::from_secs(left).max(MIN_REFRESH))
    }
}

impl<K: Into<String>, S: Into<String>> FromIterator<(K, S)> for Keys {
    fn from_iter<I: IntoIterator<Item = (K, S)>>(pairs: I) -> Self {
        let mut keys = Self::new();
        for (key, secret) in pairs {
            keys.insert(key, secret);
        }
        keys
    }
}

impl fmt::Debug for Keys {
    /// Tells names only, never secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The token of a request: the `Authorization` header first, else the query
/// parameter `access_token`; `None` if there is neither.
pub fn find<'a>(
    authorization: Option<&'a str>,
    access_token: Option<&'a str>,
) -> Result<Option<&'a str>, TokenError> {
    if let Some(header) = authorization.filter(|header| !header.is_empty()) {
        let token = header.strip_prefix("Bearer ").ok_or(TokenError::NoBearer)?;
        return Ok(Some(token));
    }
    Ok(access_token.filter(|token| !token.is_empty()))
}

/// Signs `claims` with `secret`, valid from `now` (seconds since 1970) for `ttl`.
/// `claims.iss` has to name the key that `secret` belongs to.
pub fn sign(claims: &Claims, secret: &str, now: u64, ttl: Duration) -> String {
    let claims = Claims {
        nbf: Some(now),
        exp: Some(now.saturating_add(ttl.as_secs())),
        ..claims.clone()
    };
    let header = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", encode(&claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256)
        .expect("HMAC takes a key of any length");
    format!("{message}.{signature}")
}

/// Why a token is refused. Always status 401; the text is the response's body.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The header has another scheme.
    #[error("invalid authorization header. Must start with Bearer ")]
    NoBearer,
    /// Not a JWT.
    #[error("invalid authorization token")]
    Unreadable,
    /// Signed with a key that is not ours.
    #[error("invalid API key")]
    UnknownKey,
    /// Signed in a way we do not take, or not at all.
    #[error("invalid authorization token: only HS256 is accepted")]
    Algorithm,
    /// Not signed with the secret of its key.
    #[error("invalid authorization token: the signature does not match")]
    Signature,
    /// Valid for ever.
    #[error("invalid authorization token: exp is missing")]
    NoExpiry,
    /// Signed by an app where only the control plane lets people in.
    #[error("invalid authorization token: it has to be made by joining")]
    Foreign,
    /// A refresh of no token of the control plane.
    #[error("invalid authorization token: it refreshes nothing")]
    Original,
    /// A refresh for somebody else than the original.
    #[error("invalid authorization token: the original is somebody else's")]
    OtherIdentity,
    /// A refresh for another room than the original.
    #[error("invalid authorization token: the original is for another room")]
    OtherRoom,
    /// A refresh that lasts longer than the original lets anybody stay.
    #[error("invalid authorization token: it lasts longer than the stay")]
    Overlong,
    /// Too late.
    #[error("invalid authorization token: it has expired")]
    Expired,
    /// Too early.
    #[error("invalid authorization token: it is not valid yet")]
    NotYetValid,
}

impl TokenError {
    /// The HTTP status to answer with.
    pub fn status(self) -> u16 {
        401
    }
}

/// The first part of a token.
#[derive(Deserialize)]
pub(crate) struct Head {
    pub(crate) alg: String,
    /// Extensions that must be understood; we understand none.
    pub(crate) crit: Option<serde_json::Value>,
    kid: Option<serde_json::Value>,
}

impl Head {
    /// The name of the key, where it is a name.
    pub(crate) fn kid(&self) -> Option<String> {
        Some(self.kid.as_ref()?.as_str()?.to_owned())
    }
}

/// A token's header, what is signed, and the signature.
pub(crate) fn split(token: &str) -> Result<(Head, &str, &str), TokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Unreadable)?;
    let (head, _) = message.split_once('.').ok_or(TokenError::Unreadable)?;
    Ok((read(head)?, message, signature))
}

pub(crate) fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let json = BASE64.decode(part).map_err(|_| TokenError::Unreadable)?;
    // A list would be read as well, its entries as fields in order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(TokenError::Unreadable);
    }
    serde_json::from_slice(&json).map_err(|_| TokenError::Unreadable)
}

/// One part of a token.
pub(crate) fn encode(part: &impl Serialize) -> String {
    BASE64.encode(serde_json::to_vec(part).expect("plain JSON with text keys"))
}

pub(crate) fn check_time(claims: &Claims, now: u64, leeway: Duration) -> Result<(), TokenError> {
    let exp = claims.exp.ok_or(TokenError::NoExpiry)?;
    if now > exp.saturating_add(leeway.as_secs()) {
        return Err(TokenError::Expired);
    }
    if claims
        .nbf
        .is_some_and(|nbf| nbf > now.saturating_add(leeway.as_secs()))
    {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

/// RFC 7515 writes base64url without padding; some libraries pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VideoGrants;

    const NOW: u64 = 1_700_000_000;
    const HOUR: Duration = Duration::from_secs(3600);

    fn keys() -> Keys {
        [("devkey", "secret"), ("other", "hidden")]
            .into_iter()
            .collect()
    }

    fn claims() -> Claims {
        Claims {
            iss: "devkey".into(),
            sub: "ada".into(),
            video: VideoGrants {
                room_join: true,
                room: "parlour".into(),
                ..Default::default()
            },
            attributes: [("colour".to_owned(), "green".to_owned())].into(),
            ..Claims::default()
        }
    }

    /// A token with any header and claims, signed properly.
    fn forge(header: &str, claims: &str, secret: &str) -> String {
        let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    #[test]
    fn au_1_the_header_is_asked_before_the_query() {
        for (header, query, expected) in [
            (Some("Bearer h"), Some("q"), Ok(Some("h"))),
            (None, Some("q"), Ok(Some("q"))),
            (Some(""), Some("q"), Ok(Some("q"))),
            (Some("Basic h"), Some("q"), Err(TokenError::NoBearer)),
            (None, Some(""), Ok(None)),
            (None, None, Ok(None)),
        ] {
            assert_eq!(find(header, query), expected, "{header:?} {query:?}");
        }
    }

    #[test]
    fn a_signed_token_verifies_and_keeps_its_claims() {
        let token = keys().sign(&claims(), NOW, HOUR).unwrap();
        let read = keys().verify(&token, NOW).unwrap();
        assert_eq!((read.identity(), &read.video), ("ada", &claims().video));
        assert_eq!(read.attributes, claims().attributes);
        assert_eq!((read.nbf, read.exp), (Some(NOW), Some(NOW + 3600)));
    }

    #[test]
    fn au_2_only_hs256_is_accepted() {
        let body = format!(r#"{{"iss":"devkey","sub":"ada","exp":{}}}"#, NOW + 60);
        for alg in [
            "none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", "",
        ] {
            let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
            let token = forge(&header, &body, "secret");
            assert_eq!(
                keys().verify(&token, NOW).unwrap_err(),
                TokenError::Algorithm,
                "{alg}"
            );
        }
        let unsigned = format!(
            "{}.{}.",
            BASE64.encode(r#"{"alg":"none"}"#),
            BASE64.encode(&body)
        );
        assert_eq!(
            keys().verify(&unsigned, NOW).unwrap_err(),
            TokenError::Algorithm
        );
        let critical = forge(
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            &body,
            "secret",
        );
        assert_eq!(
            keys().verify(&critical, NOW).unwrap_err(),
            TokenError::Algorithm
        );
        assert!(keys().verify(&forge(HS256, &body, "secret"), NOW).is_ok());
        let with_kid = forge(
            r#"{"alg":"HS256","kid":"../../etc/passwd"}"#,
            &body,
            "secret",
        );
        assert!(
            keys().verify(&with_kid, NOW).is_ok(),
            "a kid is not looked at"
        );
    }

    #[test]
    fn au_2_the_issuer_selects_the_secret() {
        let body = |iss: &str| format!(r#"{{"iss":"{iss}","exp":{}}}"#, NOW + 60);
        for (iss, secret, expected) in [
            ("devkey", "secret", None),
            ("other", "hidden", None),
            ("devkey", "hidden", Some(TokenError::Signature)),
            ("other", "secret", Some(TokenError::Signature)),
            ("nobody", "secret", Some(TokenError::UnknownKey)),
            ("", "", Some(TokenError::UnknownKey)),
        ] {
            let token = forge(HS256, &body(iss), secret);
            assert_eq!(keys().verify(&token, NOW).err(), expected, "{iss} {secret}");
        }
    }

    #[test]
    fn au_2_identity_is_sub_else_jti() {
        for (json, identity) in [
            (r#"{"sub":"ada","jti":"x"}"#, "ada"),
            (r#"{"jti":"grace"}"#, "grace"),
            (r#"{"sub":null}"#, ""),
        ] {
            assert_eq!(
                serde_json::from_str::<Claims>(json).unwrap().identity(),
                identity
            );
        }
    }

    #[test]
    fn au_2_exp_is_mandatory_and_nbf_honoured_with_leeway() {
        for (times, expected) in [
            (String::new(), Some(TokenError::NoExpiry)),
            (r#","exp":null"#.into(), Some(TokenError::NoExpiry)),
            (format!(r#","exp":{NOW}"#), None),
            (format!(r#","exp":{}"#, NOW - 60), None),
            (format!(r#","exp":{}"#, NOW - 61), Some(TokenError::Expired)),
            (format!(r#","exp":{}.5"#, NOW + 10), None),
            (r#","exp":-1"#.into(), Some(TokenError::Expired)),
            (r#","exp":1e300"#.into(), None),
            (r#","exp":"soon""#.into(), Some(TokenError::Unreadable)),
            (format!(r#","exp":{0},"nbf":{0}"#, NOW + 60), None),
            (
                format!(r#","exp":{0},"nbf":{0}"#, NOW + 61),
                Some(TokenError::NotYetValid),
            ),
        ] {
            let token = forge(HS256, &format!(r#"{{"iss":"devkey"{times}}}"#), "secret");
            assert_eq!(keys().verify(&token, NOW).err(), expected, "{times}");
        }
    }

    #[test]
    fn au_3_every_failure_is_a_401_with_its_text() {
        for (error, text) in [
            (
                TokenError::NoBearer,
                "invalid authorization header. Must start with Bearer ",
            ),
            (TokenError::Unreadable, "invalid authorization token"),
            (TokenError::UnknownKey, "invalid API key"),
            (
                TokenError::Expired,
                "invalid authorization token: it has expired",
            ),
        ] {
            assert_eq!((error.status(), error.to_string().as_str()), (401, text));
        }
    }

    #[test]
    fn what_is_no_token_is_unreadable() {
        let deep = format!(r#"{{"iss":"devkey","roomConfig":{}"#, "[".repeat(20_000));
        let deep_unknown = format!(r#"{{"iss":"devkey","x":{}"#, "[".repeat(20_000));
        let many: String = (0..10_000).map(|i| format!(r#""c{i}":{i},"#)).collect();
        for token in [
            String::new(),
            "a".into(),
            "a.b".into(),
            "a.b.c".into(),
            "..".into(),
            "\u{e9}.\u{0}.\u{e9}".into(),
            "x".repeat(MAX_TOKEN + 1),
            forge(HS256, &deep, "secret"),
            forge(HS256, &deep_unknown, "secret"),
            forge(HS256, &format!("{{{many}"), "secret"),
            forge(HS256, "[]", "secret"),
            forge(HS256, r#"{"iss":7}"#, "secret"),
            forge("{}", r#"{"iss":"devkey"}"#, "secret"),
        ] {
            let error = keys().verify(&token, NOW).unwrap_err();
            assert_eq!(error, TokenError::Unreadable, "{:.60}", token);
        }
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = keys().sign(&claims(), NOW, HOUR).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(keys().verify(&changed, NOW).is_err(), "byte {at}");
        }
    }

    #[test]
    fn st_5_a_refresh_token_lasts_at_least_ten_minutes() {
        for (left, expected) in [(30, 600), (7200, 7200)] {
            let original = keys()
                .sign(&claims(), NOW, Duration::from_secs(left))
                .unwrap();
            let read = keys().verify(&original, NOW).unwrap();
            let refreshed = keys()
                .verify(&keys().refresh(&read, NOW).unwrap(), NOW)
                .unwrap();
            assert_eq!(refreshed.exp, Some(NOW + expected));
            assert_eq!(
                (refreshed.identity(), &refreshed.video),
                ("ada", &claims().video)
            );
        }
    }

    #[test]
    fn keys_hide_their_secrets_and_take_no_empty_one() {
        let mut keys = keys();
        assert!(!format!("{keys:?}").contains("secret"));
        keys.insert("open", "");
        let token = forge(
            HS256,
            &format!(r#"{{"iss":"open","exp":{}}}"#, NOW + 60),
            "",
        );
        assert_eq!(
            keys.verify(&token, NOW).unwrap_err(),
            TokenError::UnknownKey
        );
    }
}

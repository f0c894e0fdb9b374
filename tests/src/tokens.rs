//! Tokens as an app's server would sign them, and as it should never sign them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The key of development mode.
pub const KEY: &str = "devkey";
/// Its secret.
pub const SECRET: &str = "secret";

/// The claims of somebody who may do everything in `room`, for an hour.
pub fn claims(room: &str, identity: &str) -> Value {
    json!({
        "iss": KEY,
        "sub": identity,
        "name": identity,
        "nbf": unix_now() - 10,
        "exp": unix_now() + 3600,
        "video": {
            "roomJoin": true,
            "room": room,
            "canPublish": true,
            "canSubscribe": true,
            "canPublishData": true,
        },
    })
}

/// A token for somebody who may do everything in `room`.
pub fn token(room: &str, identity: &str) -> Result<String> {
    sign(&claims(room, identity), SECRET)
}

/// Signs any claims with any secret, HS256.
pub fn sign(claims: &Value, secret: &str) -> Result<String> {
    sign_with(Algorithm::HS256, claims, secret)
}

/// Signs any claims with any secret and any HMAC.
pub fn sign_with(algorithm: Algorithm, claims: &Value, secret: &str) -> Result<String> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(algorithm), claims, &key)?)
}

/// The same with a header of one's own; what it says of the algorithm is not done.
pub fn sign_under(header: &Value, claims: &Value, secret: &str) -> Result<String> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)?;
    Ok(format!("{message}.{signature}"))
}

/// A token that says of itself that it needs no signature.
pub fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.",
        part(&json!({ "alg": "none", "typ": "JWT" })),
        part(claims)
    )
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

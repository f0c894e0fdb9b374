//! Tokens of the control plane, signed so that every node can tell a true one and none can
//! make one (JWT, RFC 7519; EdDSA, RFC 8037): join tokens, and the refresh tokens in which a
//! node wraps one it has verified.
//!
//! A refresh token carries the original: whoever takes over a node can lengthen the stay of
//! people who were let in, up to what the original says, and invent nobody. Tokens of apps,
//! signed with a shared secret, are [`token`](crate::token)'s.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde_json::json;

use crate::Claims;
use crate::token::{Head, MAX_TOKEN, MIN_REFRESH, TokenError, encode, read, split};

/// Who issues join tokens.
const ISSUER: &str = "tof-edge";

/// The control plane's clock and those of nodes are set by each other.
const LEEWAY: Duration = Duration::from_secs(30);

/// Whose signatures are believed.
#[derive(Clone, Default)]
pub struct Trust {
    /// Of the control plane, by name.
    join: BTreeMap<String, String>,
    /// Of nodes, by theirs.
    nodes: BTreeMap<String, String>,
}

impl Trust {
    /// Join tokens signed with this key are believed: its public half, in base64url.
    pub fn add_join_key(&mut self, name: impl Into<String>, key: impl Into<String>) {
        self.join.insert(name.into(), key.into());
    }

    /// Refresh tokens signed by this node are believed.
    pub fn add_node(&mut self, node: impl Into<String>, key: impl Into<String>) {
        self.nodes.insert(node.into(), key.into());
    }

    /// Whether nothing is believed.
    pub fn is_empty(&self) -> bool {
        self.join.is_empty()
    }

    /// Whether this token is to be looked at here: by its form, whatever it is worth.
    pub fn is_for(token: &str) -> bool {
        token.len() <= MAX_TOKEN
            && split(token).is_ok_and(|(head, _, _)| head.alg == "EdDSA" && head.crit.is_none())
    }

    /// Checks `token` at `now` (seconds since 1970) and reads its claims; those of a refresh
    /// token are the original's, with how its bearer showed last and what it may do since.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Unreadable);
        }
        let kid = split(token)?.0.kid();
        match kid.as_deref().and_then(|kid| kid.strip_prefix("node/")) {
            Some(node) => self.verify_refresh(token, node, now),
            None => {
                let claims = self.verify_join(token)?;
                check_time(&claims, now)?;
                Ok(claims)
            }
        }
    }

    /// Everything but its time.
    fn verify_join(&self, token: &str) -> Result<Claims, TokenError> {
        let (head, message, signature) = split(token)?;
        check_algorithm(&head)?;
        let kid = head.kid().ok_or(TokenError::Unreadable)?;
        let key = self.join.get(&kid).ok_or(TokenError::UnknownKey)?;
        check_signature(message, signature, key)?;
        let mut claims = claims(message)?;
        if claims.iss != ISSUER || claims.identity().is_empty() || claims.video.room.is_empty() {
            return Err(TokenError::Unreadable);
        }
        // It lets in whoever joins, and administers nothing; recorders come with the app's keys.
        claims.video.recorder = false;
        token.clone_into(&mut claims.of);
        Ok(claims)
    }

    fn verify_refresh(&self, token: &str, node: &str, now: u64) -> Result<Claims, TokenError> {
        let (head, message, signature) = split(token)?;
        check_algorithm(&head)?;
        let key = self.nodes.get(node).ok_or(TokenError::UnknownKey)?;
        check_signature(message, signature, key)?;
        let refresh = claims(message)?;
        if refresh.iss == ISSUER {
            // A node that would invent somebody.
            return Err(TokenError::UnknownKey);
        }
        if refresh.iss != format!("node:{node}") {
            return Err(TokenError::Unreadable);
        }
        let original = self.verify_join(&refresh.of);
        let mut original = original.map_err(|_| TokenError::Original)?;
        if refresh.identity() != original.identity() {
            return Err(TokenError::OtherIdentity);
        }
        if refresh.video.room != original.video.room {
            return Err(TokenError::OtherRoom);
        }
        if refresh.exp > Some(original.stays_until()) {
            return Err(TokenError::Overlong);
        }
        check_time(&refresh, now)?;
        original.take_over(&refresh);
        Ok(original)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("join", &self.join.keys())
            .field("nodes", &self.nodes.keys())
            .finish()
    }
}

/// A node's own key, with which it signs refresh tokens.
pub struct NodeSigner {
    node: String,
    key: EncodingKey,
}

impl NodeSigner {
    /// Of `node`; the key as PKCS #8.
    pub fn new(node: impl Into<String>, pkcs8: &[u8]) -> Self {
        Self {
            node: node.into(),
            key: EncodingKey::from_ed_der(pkcs8),
        }
    }

    /// A token for coming back to whoever has these claims; `None` if they are not of a join
    /// token, or the stay it allows is over.
    pub fn refresh(&self, claims: &Claims, now: u64) -> Option<String> {
        let stay = claims.stays_until();
        if claims.of.is_empty() || stay <= now {
            return None;
        }
        let exp = claims.exp.unwrap_or(now).max(now + MIN_REFRESH.as_secs());
        let claims = Claims {
            iss: format!("node:{}", self.node),
            jti: String::new(),
            nbf: Some(now),
            exp: Some(exp.min(stay)),
            tof: None,
            ..claims.clone()
        };
        let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": format!("node/{}", self.node) });
        let message = format!("{}.{}", encode(&head), encode(&claims));
        let signature = crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).ok()?;
        Some(format!("{message}.{signature}"))
    }
}

impl fmt::Debug for NodeSigner {
    /// Does not tell the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSigner")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

fn check_algorithm(head: &Head) -> Result<(), TokenError> {
    if head.alg == "EdDSA" && head.crit.is_none() {
        Ok(())
    } else {
        Err(TokenError::Algorithm)
    }
}

fn check_signature(message: &str, signature: &str, key: &str) -> Result<(), TokenError> {
    let key = DecodingKey::from_ed_components(key).map_err(|_| TokenError::UnknownKey)?;
    let genuine = crypto::verify(signature, message.as_bytes(), &key, Algorithm::EdDSA);
    if genuine.unwrap_or(false) {
        Ok(())
    } else {
        Err(TokenError::Signature)
    }
}

fn claims(message: &str) -> Result<Claims, TokenError> {
    let (_, claims) = message.split_once('.').ok_or(TokenError::Unreadable)?;
    read(claims)
}

fn check_time(claims: &Claims, now: u64) -> Result<(), TokenError> {
    crate::token::check_time(claims, now, LEEWAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::Deserialize;
    use sfu::Source;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Key {
        #[serde(default)]
        kid: String,
        #[serde(default)]
        node: String,
        private_key: String,
        key: String,
    }

    #[derive(Deserialize)]
    struct Example {
        name: String,
        token: String,
        at: u64,
        verdict: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Examples {
        token_keys: Vec<Key>,
        node_keys: Vec<Key>,
        joins: Vec<Example>,
        refreshes: Vec<Example>,
    }

    /// What both ends read.
    fn examples() -> Examples {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../convex/fixtures/wire/tokens.json"
        );
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn trust(examples: &Examples) -> Trust {
        let mut trust = Trust::default();
        for key in &examples.token_keys {
            trust.add_join_key(&key.kid, &key.key);
        }
        for key in &examples.node_keys {
            trust.add_node(&key.node, &key.key);
        }
        trust
    }

    fn verdict(result: &Result<Claims, TokenError>) -> &'static str {
        match result {
            Ok(_) => "valid",
            Err(TokenError::Unreadable | TokenError::Algorithm) => "malformed",
            Err(TokenError::UnknownKey) => "unknown_key",
            Err(TokenError::Signature) => "forged",
            Err(TokenError::Expired) => "expired",
            Err(TokenError::NotYetValid) => "early",
            Err(TokenError::Original) => "forged_original",
            Err(TokenError::OtherIdentity) => "other_identity",
            Err(TokenError::OtherRoom) => "other_room",
            Err(TokenError::Overlong) => "overlong",
            Err(TokenError::NoBearer | TokenError::NoExpiry | TokenError::Foreign) => "other",
        }
    }

    #[test]
    fn every_example_is_judged_as_it_says() {
        let examples = examples();
        let trust = trust(&examples);
        for example in examples.joins.iter().chain(&examples.refreshes) {
            let result = trust.verify(&example.token, example.at / 1_000);
            assert_eq!(verdict(&result), example.verdict, "{}", example.name);
        }
    }

    #[test]
    fn a_refresh_lasts_as_long_as_the_stay_and_keeps_what_became_of_its_bearer() {
        let examples = examples();
        let (trust, join) = (trust(&examples), &examples.joins[0]);
        let mut now = join.at / 1_000;
        let mut claims = trust.verify(&join.token, now).unwrap();
        let stay = claims.tof.as_ref().unwrap().stay;
        let key = &examples.node_keys[0];
        let signer = NodeSigner::new(
            &key.node,
            &BASE64_STANDARD.decode(&key.private_key).unwrap(),
        );
        claims.name = "Countess".into();
        claims.attributes.insert("hand".into(), "up".into());
        claims.video.can_publish_sources = vec!["microphone".into()];
        claims.video.room_admin = true;
        let mut refreshes = 0;
        loop {
            let token = signer.refresh(&claims, now).unwrap();
            let read = trust.verify(&token, now).unwrap();
            assert_eq!(
                (read.name.as_str(), read.of.as_str()),
                ("Countess", &*join.token)
            );
            assert_eq!(read.attributes["hand"], "up");
            let permission = read.video.permission();
            assert_eq!(permission.can_publish_sources, [Source::Microphone]);
            assert!(!read.video.room_admin, "a node cannot give that");
            assert_eq!(
                read.tof.as_ref().unwrap().user.as_deref(),
                Some("user-amina")
            );
            assert!(read.exp.unwrap() <= stay);
            claims = read;
            refreshes += 1;
            now += 300;
            if now >= stay {
                break;
            }
        }
        assert!(refreshes > 40, "{refreshes}");
        assert_eq!(signer.refresh(&claims, now), None, "the stay is over");
        let last = signer.refresh(&claims, stay - 1).unwrap();
        assert!(trust.verify(&last, stay + 31).is_err());
    }

    #[test]
    fn tokens_of_others_are_not_looked_at_here() {
        let examples = examples();
        assert!(Trust::is_for(&examples.joins[0].token));
        let claims = Claims::default();
        let shared = crate::token::sign(&claims, "secret", 1, Duration::from_secs(1));
        for token in [
            shared.as_str(),
            "",
            "a.b.c",
            "..",
            &"x".repeat(MAX_TOKEN + 1),
        ] {
            assert!(!Trust::is_for(token), "{token:.40}");
            assert!(Trust::default().verify(token, 1).is_err());
        }
    }

    #[test]
    fn the_debug_form_tells_no_key() {
        let examples = examples();
        let text = format!("{:?}", trust(&examples));
        assert!(text.contains("2026-11") && !text.contains(&examples.token_keys[0].key));
    }
}

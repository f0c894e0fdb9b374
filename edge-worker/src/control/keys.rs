//! This node's own key, with which it signs refresh tokens: drawn once, kept in the folder of
//! the log. Other nodes learn its public half from the control plane.

use std::io;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use livekit::trust::NodeSigner;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::journal;

/// The key, and its public half in base64url.
#[derive(Debug)]
pub(super) struct SigningKey {
    pub(super) signer: NodeSigner,
    pub(super) public: String,
}

impl SigningKey {
    /// The one in `folder`, or a new one that is there from now on.
    pub(super) fn in_folder(folder: &Path, node: &str) -> anyhow::Result<Self> {
        let path = folder.join("signing.key");
        let pkcs8 = match std::fs::read(&path) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let drawn = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
                let drawn = drawn.ok().context("cannot draw a signing key")?;
                journal::replace(&path, drawn.as_ref()).with_context(|| {
                    format!("cannot keep the signing key in {}", path.display())
                })?;
                drawn.as_ref().to_vec()
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok().with_context(|| {
            format!(
                "{} is no Ed25519 key; remove it and a new one is drawn",
                path.display()
            )
        })?;
        Ok(Self {
            signer: NodeSigner::new(node, &pkcs8),
            public: BASE64_URL_SAFE_NO_PAD.encode(pair.public_key()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit::trust::Trust;
    use livekit::{Claims, Tof, VideoGrants};

    #[test]
    fn the_key_is_drawn_once_and_known_to_itself_only() {
        use std::os::unix::fs::PermissionsExt;
        let name = format!("edge-keys-{}", crate::ids::random_suffix());
        let folder = std::env::temp_dir().join(name);
        journal::make_folder(&folder).unwrap();
        let first = SigningKey::in_folder(&folder, "lagos-1").unwrap();
        let again = SigningKey::in_folder(&folder, "lagos-1").unwrap();
        assert_eq!(first.public, again.public);
        let file = folder.join("signing.key");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // What it signs, its public half verifies: the original inside is the next thing refused.
        let claims = Claims {
            sub: "ada".into(),
            of: "a.b.c".into(),
            tof: Some(Tof {
                stay: 2_000,
                ..Tof::default()
            }),
            video: VideoGrants::default(),
            ..Claims::default()
        };
        let token = first.signer.refresh(&claims, 1_000).unwrap();
        let mut trust = Trust::default();
        trust.add_node("lagos-1", &first.public);
        let refused = trust.verify(&token, 1_000).unwrap_err();
        assert_eq!(refused, livekit::token::TokenError::Original);

        std::fs::write(&file, b"no key").unwrap();
        let error = SigningKey::in_folder(&folder, "lagos-1").unwrap_err();
        assert!(error.to_string().contains("remove it"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

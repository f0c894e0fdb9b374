//! What a token and a request to join come to together: who may enter which room,
//! and with what permission.

use std::collections::BTreeMap;

use media::ParticipantId;
use sfu::{
    Identity, MAX_ATTRIBUTES, MAX_METADATA, MAX_NAME, Membership, ParticipantInfo, Pausing,
    Permission, State,
};

use super::{JoinError, JoinRequest, RoomSettings};
use crate::Claims;

/// Somebody who may join.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The room's name.
    pub room: String,
    /// Chosen by the app.
    pub identity: Identity,
    /// For display.
    pub name: String,
    /// What it may do there.
    pub permission: Permission,
    /// Free text of the app.
    pub metadata: String,
    /// Free key-value pairs of the app.
    pub attributes: BTreeMap<String, String>,
    /// LiveKit's number.
    pub kind: i32,
    /// LiveKit's numbers.
    pub kind_details: Vec<i32>,
    /// For the room, if this join creates it.
    pub room_settings: RoomSettings,
}

/// Decides whether `request` may join with these claims, of a token that was
/// verified; `None` where there was no token. The same verdict serves `/validate`.
pub fn authorize(claims: Option<&Claims>, request: &JoinRequest) -> Result<Admission, JoinError> {
    let claims = claims.ok_or(JoinError::NotAllowed)?;
    let grants = &claims.video;
    if !grants.room_join {
        return Err(JoinError::NotAllowed);
    }
    let mut permission = grants.permission();
    let identity = identity(claims, request, &mut permission)?;
    check_names(claims, &identity)?;

    let extra = request.metadata.is_some() || !request.attributes.is_empty();
    if extra && !permission.can_update_metadata {
        return Err(JoinError::MetadataNotAllowed);
    }
    let metadata = request
        .metadata
        .as_ref()
        .unwrap_or(&claims.metadata)
        .clone();
    let mut attributes = claims.attributes.clone();
    for (name, value) in &request.attributes {
        if !value.is_empty() {
            attributes.insert(name.clone(), value.clone());
        }
    }
    check_sizes(&metadata, &attributes)?;

    Ok(Admission {
        room: grants.room.clone(),
        identity: Identity(identity.into()),
        name: claims.name.clone(),
        permission,
        metadata,
        attributes,
        kind: claims.participant_kind(),
        kind_details: claims.participant_kind_details(),
        room_settings: RoomSettings::of(claims)?,
    })
}

impl Admission {
    /// What is brought to the room: this admission as the participant `id`.
    pub fn membership(
        &self,
        request: &JoinRequest,
        id: ParticipantId,
        now_ms: i64,
        region: &str,
    ) -> Membership {
        Membership {
            participant: ParticipantInfo {
                id,
                identity: self.identity.clone(),
                name: self.name.clone(),
                metadata: self.metadata.clone(),
                attributes: self.attributes.clone(),
                state: State::Joining,
                joined_at_ms: now_ms,
                version: 0,
                permission: self.permission.clone(),
                kind: self.kind,
                kind_details: self.kind_details.clone(),
                region: region.to_owned(),
                client_protocol: request.client.client_protocol,
                capabilities: request.client.capabilities.clone(),
                tracks: Vec::new(),
                data_tracks: Vec::new(),
            },
            auto_subscribe: request.auto_subscribe,
            auto_subscribe_data: request.auto_subscribe_data,
            adaptive_stream: request.adaptive_stream,
            pausing: match request.allow_pause {
                Some(false) => Pausing::Never,
                Some(true) | None => Pausing::Allowed,
            },
            protocol: request.client.protocol,
            streams: request.streams(),
        }
    }
}

/// Somebody who only publishes beside an own other membership gets a name derived
/// from it, and hears nothing.
fn identity(
    claims: &Claims,
    request: &JoinRequest,
    permission: &mut Permission,
) -> Result<String, JoinError> {
    let identity = claims.identity();
    if identity.is_empty() {
        return Err(JoinError::NoIdentity);
    }
    let Some(suffix) = &request.publish_only else {
        return Ok(identity.to_owned());
    };
    if !permission.can_publish {
        return Err(JoinError::NotAllowed);
    }
    permission.can_subscribe = false;
    Ok(format!("{identity}#{suffix}"))
}

fn check_names(claims: &Claims, identity: &str) -> Result<(), JoinError> {
    if identity.len() > MAX_NAME {
        return Err(JoinError::IdentityTooLong);
    }
    if claims.video.room.is_empty() {
        return Err(JoinError::NoRoom);
    }
    if claims.video.room.len() > MAX_NAME {
        return Err(JoinError::RoomTooLong);
    }
    if claims.name.len() > MAX_NAME {
        return Err(JoinError::NameTooLong);
    }
    Ok(())
}

fn check_sizes(metadata: &str, attributes: &BTreeMap<String, String>) -> Result<(), JoinError> {
    if metadata.len() > MAX_METADATA {
        return Err(JoinError::MetadataTooLarge);
    }
    let sum: usize = attributes
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if sum > MAX_ATTRIBUTES {
        return Err(JoinError::AttributesTooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VideoGrants;

    fn claims() -> Claims {
        Claims {
            sub: "ada".into(),
            name: "Ada".into(),
            metadata: "from the token".into(),
            attributes: [
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), "2".to_owned()),
            ]
            .into(),
            video: VideoGrants {
                room_join: true,
                room: "parlour".into(),
                ..Default::default()
            },
            ..Claims::default()
        }
    }

    fn changed(change: impl FnOnce(&mut Claims)) -> Claims {
        let mut claims = claims();
        change(&mut claims);
        claims
    }

    #[test]
    fn each_condition_has_its_status() {
        let long = "x".repeat(257);
        let plain = JoinRequest::default();
        let metadata = JoinRequest {
            metadata: Some("m".into()),
            ..JoinRequest::default()
        };
        let attributes = JoinRequest {
            attributes: [("k".to_owned(), "v".to_owned())].into(),
            ..JoinRequest::default()
        };
        let publish = JoinRequest {
            publish_only: Some("x".into()),
            ..JoinRequest::default()
        };
        let cases = [
            (Some(claims()), &plain, None, 200),
            (None, &plain, Some(JoinError::NotAllowed), 401),
            (
                Some(changed(|c| c.video.room_join = false)),
                &plain,
                Some(JoinError::NotAllowed),
                401,
            ),
            (
                Some(changed(|c| c.sub.clear())),
                &plain,
                Some(JoinError::NoIdentity),
                400,
            ),
            (
                Some(changed(|c| c.sub = long.clone())),
                &plain,
                Some(JoinError::IdentityTooLong),
                400,
            ),
            (
                Some(changed(|c| c.video.room.clear())),
                &plain,
                Some(JoinError::NoRoom),
                400,
            ),
            (
                Some(changed(|c| c.video.room = long.clone())),
                &plain,
                Some(JoinError::RoomTooLong),
                400,
            ),
            (
                Some(changed(|c| c.name = long.clone())),
                &plain,
                Some(JoinError::NameTooLong),
                400,
            ),
            (
                Some(changed(|c| c.metadata = "m".repeat(MAX_METADATA + 1))),
                &plain,
                Some(JoinError::MetadataTooLarge),
                400,
            ),
            (
                Some(changed(|c| {
                    c.attributes.insert("x".into(), "v".repeat(MAX_ATTRIBUTES));
                })),
                &plain,
                Some(JoinError::AttributesTooLarge),
                400,
            ),
            (
                Some(claims()),
                &metadata,
                Some(JoinError::MetadataNotAllowed),
                401,
            ),
            (
                Some(claims()),
                &attributes,
                Some(JoinError::MetadataNotAllowed),
                401,
            ),
            (
                Some(changed(|c| c.video.can_publish = Some(false))),
                &publish,
                Some(JoinError::NotAllowed),
                401,
            ),
        ];
        for (index, (claims, request, expected, status)) in cases.into_iter().enumerate() {
            let error = authorize(claims.as_ref(), request).err();
            assert_eq!(error, expected, "case {index}");
            assert_eq!(error.map_or(200, JoinError::status), status, "case {index}");
        }
    }

    #[test]
    fn jr_4_metadata_and_attributes_of_the_request_need_the_grant_and_then_win() {
        let claims = changed(|c| c.video.can_update_own_metadata = Some(true));
        let request = JoinRequest {
            metadata: Some("from the request".into()),
            attributes: [("a", ""), ("b", "3"), ("c", "4")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..JoinRequest::default()
        };
        let admission = authorize(Some(&claims), &request).unwrap();
        assert_eq!(admission.metadata, "from the request");
        let attributes: Vec<_> = admission
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(attributes, ["a=1", "b=3", "c=4"]);
    }

    #[test]
    fn somebody_who_only_publishes_gets_a_derived_identity_and_hears_nothing() {
        let request = JoinRequest {
            publish_only: Some("screen".into()),
            ..Default::default()
        };
        let admission = authorize(Some(&claims()), &request).unwrap();
        assert_eq!(&*admission.identity.0, "ada#screen");
        assert!(admission.permission.can_publish && !admission.permission.can_subscribe);
    }

    #[test]
    fn an_admission_becomes_a_membership() {
        let request = JoinRequest::default();
        let admission = authorize(Some(&claims()), &request).unwrap();
        let id = "PA_abcdefghijkl".parse().unwrap();
        let membership = admission.membership(&request, id, 1_700_000_000_123, "lagos");
        assert_eq!(membership.participant.id, id);
        assert_eq!(&*membership.participant.identity.0, "ada");
        assert_eq!(membership.participant.region, "lagos");
    }
}

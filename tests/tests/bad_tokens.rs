//! Who may not join is told so, in the same words on every way in.
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and has not is a failed test"
)]

use e2e::{
    call::Call,
    http::{self, get},
    node::Node,
    signal::{Packing, Response, Signal, V0, join_request, v1, wrapped},
    tokens::{SECRET, claims, sign, sign_under, sign_with, unix_now, unsigned},
    until::PATIENCE,
};
use jsonwebtoken::Algorithm;
use livekit_protocol::{DisconnectReason, JoinResponse};
use serde_json::{Value, json};

/// Claims with one thing changed; `Value::Null` takes it away.
fn changed(pointer: &str, name: &str, value: Value) -> Value {
    let mut claims = claims("parlour", "ada");
    let part = claims
        .pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap();
    part.remove(name);
    if !value.is_null() {
        part.insert(name.to_owned(), value);
    }
    claims
}

/// What is wrong, the token, and the status.
fn cases() -> Vec<(&'static str, String, u16)> {
    let good = claims("parlour", "ada");
    let signed = |claims: &Value| sign(claims, SECRET).unwrap();
    let tampered = {
        let token = signed(&good);
        let other = signed(&claims("parlour", "bayo"));
        let part = |token: &str, index| token.split('.').nth(index).unwrap().to_owned();
        format!(
            "{}.{}.{}",
            part(&token, 0),
            part(&other, 1),
            part(&token, 2)
        )
    };
    let rs256 = json!({ "alg": "RS256", "typ": "JWT" });
    let path = json!({ "alg": "HS256", "typ": "JWT", "kid": "../../../../dev/null" });
    vec![
        ("no token", String::new(), 401),
        ("no JWT", "garbage".to_owned(), 401),
        ("dots", "..".to_owned(), 401),
        ("no signature", unsigned(&good), 401),
        ("another secret", sign(&good, "secrets").unwrap(), 401),
        ("an empty secret", sign(&good, "").unwrap(), 401),
        (
            "another HMAC",
            sign_with(Algorithm::HS512, &good, SECRET).unwrap(),
            401,
        ),
        (
            "an algorithm of public keys",
            sign_under(&rs256, &good, SECRET).unwrap(),
            401,
        ),
        (
            "signed with a public key",
            sign(&good, PUBLIC_KEY).unwrap(),
            401,
        ),
        (
            "a key id that is a path, signed with what is there",
            sign_under(&path, &good, "").unwrap(),
            401,
        ),
        ("another's claims", tampered, 401),
        (
            "an unknown key",
            signed(&changed("", "iss", json!("nobody"))),
            401,
        ),
        (
            "a path as key",
            signed(&changed("", "iss", json!("../../etc/passwd"))),
            401,
        ),
        ("no key", signed(&changed("", "iss", Value::Null)), 401),
        (
            "expired",
            signed(&changed("", "exp", json!(unix_now() - 120))),
            401,
        ),
        ("no expiry", signed(&changed("", "exp", Value::Null)), 401),
        (
            "not yet valid",
            signed(&changed("", "nbf", json!(unix_now() + 600))),
            401,
        ),
        (
            "claims of the wrong type",
            signed(&changed("", "video", json!("yes"))),
            401,
        ),
        ("no grants", signed(&changed("", "video", Value::Null)), 401),
        (
            "no join",
            signed(&changed("/video", "roomJoin", json!(false))),
            401,
        ),
        (
            "no room",
            signed(&changed("/video", "room", Value::Null)),
            400,
        ),
        (
            "an empty room",
            signed(&changed("/video", "room", json!(""))),
            400,
        ),
        (
            "a long room",
            signed(&changed("/video", "room", json!("r".repeat(257)))),
            400,
        ),
        ("no identity", signed(&changed("", "sub", Value::Null)), 400),
        (
            "an empty identity",
            signed(&changed("", "sub", json!(""))),
            400,
        ),
        (
            "a long identity",
            signed(&changed("", "sub", json!("i".repeat(257)))),
            400,
        ),
        (
            "deep claims",
            signed(&changed("", "attributes", deep())),
            401,
        ),
    ]
}

/// Anybody's.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n\
    q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n\
    -----END PUBLIC KEY-----\n";

/// Deeper than any reader should follow.
fn deep() -> Value {
    (0..120).fold(json!(1), |inner, _| json!({ "a": inner }))
}

#[tokio::test]
async fn au_3_au_4_bad_t1_t2_t3_t4_t5_t10_every_way_in_refuses_with_the_same_status_and_text() {
    let node = Node::start().await.unwrap();
    let (url, at) = (node.url(), node.http());
    let request = wrapped(&join_request(), Packing::Gzip).unwrap();
    for (what, token, status) in cases() {
        let bearer = format!("Bearer {token}");
        let header: &[(&str, &str)] = if token.is_empty() {
            &[]
        } else {
            &[("Authorization", &bearer)]
        };
        let validate_v1 = format!("/rtc/v1/validate?join_request={request}");
        let mut answers = Vec::new();
        for (path, headers) in [
            ("/rtc/validate".to_owned(), header),
            (validate_v1.clone(), header),
            (format!("/rtc/validate?access_token={token}"), &[]),
            (format!("{validate_v1}&access_token={token}"), &[]),
        ] {
            let answer = http::request(at, "GET", &path, headers).await.unwrap();
            let kind = answer
                .headers
                .get("content-type")
                .cloned()
                .unwrap_or_default();
            assert!(!kind.contains("json"), "{what}: {kind}");
            answers.push((path, answer.status, answer.body));
        }
        for path in [V0.to_owned(), v1(&join_request(), Packing::Plain).unwrap()] {
            let refused = Signal::open(&url, &path, &token).await.unwrap();
            let refused = refused
                .err()
                .unwrap_or_else(|| panic!("{what} opens {path}"));
            answers.push((path, refused.status, refused.body));
        }
        let first = answers[0].2.clone();
        for (path, seen, body) in answers {
            assert_eq!((seen, &body), (status, &first), "{what} at {path}");
            assert!(!body.is_empty(), "{what}: no text");
            assert!(!body.contains(SECRET), "{what}: {body}");
        }
    }
    let panics = node
        .log()
        .into_iter()
        .filter(|line| line.contains("panicked"));
    assert_eq!(panics.count(), 0);
}

#[tokio::test]
async fn bad_t7_the_room_is_the_tokens_whatever_the_query_says() {
    let node = Node::start().await.unwrap();
    let token = sign(&claims("parlour", "ada"), SECRET).unwrap();
    let path = format!("{V0}&room=kitchen");
    let (_signal, join) = Signal::join_by(&node.url(), &path, &token).await.unwrap();
    assert_eq!(join.room.unwrap().name, "parlour");
}

#[tokio::test]
async fn bad_t10_a_token_too_long_is_refused_before_anybody_reads_it() {
    let node = Node::start().await.unwrap();
    let mut many = claims("parlour", "ada");
    for number in 0..10_000 {
        many[format!("claim{number}")] = json!(number);
    }
    for long in [changed("", "metadata", json!("m".repeat(70_000))), many] {
        let bearer = format!("Bearer {}", sign(&long, SECRET).unwrap());
        let headers = [("Authorization", bearer.as_str())];
        let answer = http::request(node.http(), "GET", "/rtc/validate", &headers)
            .await
            .unwrap();
        assert!([401, 431].contains(&answer.status), "{}", answer.status);
    }
}

#[tokio::test]
async fn bad_t3_t5_t6_what_livekits_tokens_do_not_have_is_not_read() {
    let node = Node::start().await.unwrap();
    let odd = json!({ "alg": "HS256", "typ": "JWT", "kid": "../../../../etc/passwd" });
    for token in [
        sign_under(&odd, &claims("parlour", "ada"), SECRET).unwrap(),
        sign(&changed("", "aud", json!("another region")), SECRET).unwrap(),
        sign(&changed("", "aud", json!(["a", "b"])), SECRET).unwrap(),
        sign(&claims("parlour", "ada"), SECRET).unwrap(),
    ] {
        let path = format!("/rtc/validate?access_token={token}");
        let answer = get(node.http(), &path).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
    }
}

#[tokio::test]
async fn bad_t8_a_token_used_twice_lets_in_the_second_and_sends_the_first_away() {
    let call = Call::start().await.unwrap();
    let token = sign(&claims("parlour", "eve"), SECRET).unwrap();
    let (mut first, joined) = Signal::join(&call.node.url(), &token).await.unwrap();
    let (_second, again) = Signal::join(&call.node.url(), &token).await.unwrap();
    let told = first
        .hear_until("the goodbye", PATIENCE, |heard| {
            let Response::Leave(leave) = heard.response()? else {
                return None;
            };
            Some(leave.clone())
        })
        .await
        .unwrap();
    assert_eq!(told.reason(), DisconnectReason::DuplicateIdentity);
    // It was alone, and the second is, too.
    let sid = |join: &JoinResponse| join.participant.clone().unwrap().sid;
    assert_ne!(sid(&joined), sid(&again));
    assert!(again.other_participants.is_empty());
    call.goes_on().await.unwrap();
}

#[tokio::test]
async fn a_good_token_is_valid_everywhere() {
    let node = Node::start().await.unwrap();
    let token = sign(&claims("parlour", "ada"), SECRET).unwrap();
    let request = wrapped(&join_request(), Packing::Plain).unwrap();
    for path in [
        "/rtc/validate?x=1".to_owned(),
        format!("/rtc/v1/validate?join_request={request}"),
    ] {
        let answer = get(node.http(), &format!("{path}&access_token={token}"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "success"),
            "{path}"
        );
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
}

#[tokio::test]
async fn the_header_must_say_bearer() {
    let node = Node::start().await.unwrap();
    let headers = [("Authorization", "Basic YTpi")];
    let answer = http::request(node.http(), "GET", "/rtc/validate", &headers)
        .await
        .unwrap();
    let text = "invalid authorization header. Must start with Bearer ";
    assert_eq!(
        (answer.status, answer.body.trim_end()),
        (401, text.trim_end())
    );
}

#[tokio::test]
async fn a_join_request_that_cannot_be_read_is_a_bad_request() {
    let node = Node::start().await.unwrap();
    let token = sign(&claims("parlour", "ada"), SECRET).unwrap();
    for (query, text) in [
        ("", "join_request is required"),
        (
            "join_request=***",
            "cannot base64 decode wrapped join request",
        ),
        ("join_request=_____w", "cannot unmarshal"),
    ] {
        let path = format!("/rtc/v1/validate?{query}&access_token={token}");
        let answer = get(node.http(), &path).await.unwrap();
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.contains(text), "{query}: {}", answer.body);
        let path = format!("/rtc/v1?{query}");
        let refused = Signal::open(&node.url(), &path, &token)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(
            (refused.status, refused.body),
            (400, answer.body),
            "{query}"
        );
    }
}

#[tokio::test]
async fn ep_1_ep_5_bad_w1_the_root_says_ok_to_pages_of_any_origin() {
    let node = Node::start().await.unwrap();
    let origin = ("Origin", "https://app.example");
    for method in ["GET", "HEAD"] {
        // Without a body, as HEAD has none.
        let answer = http::request(node.http(), method, "/", &[origin])
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(
            answer.headers["access-control-allow-origin"], "*",
            "{method}"
        );
    }
    assert_eq!(get(node.http(), "/").await.unwrap().body, "OK");

    let asks = [
        origin,
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization,content-type",
        ),
    ];
    let answer = http::request(node.http(), "OPTIONS", "/rtc/validate", &asks)
        .await
        .unwrap();
    assert!((200..300).contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let allowed = &answer.headers["access-control-allow-headers"].to_ascii_lowercase();
    assert!(
        allowed == "*" || allowed.contains("authorization"),
        "{allowed}"
    );
}

#[tokio::test]
async fn ep_2_ep_4_what_is_not_there_is_not_found() {
    let node = Node::start().await.unwrap();
    let token = sign(&claims("parlour", "ada"), SECRET).unwrap();
    for path in [
        "/nothing",
        "/rtc/nothing",
        "/rtc/v2",
        "/metrics",
        "/../etc/passwd",
    ] {
        let answer = get(node.http(), path).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
    // A page that asks for the WebSocket's path without wanting one.
    let answer = get(node.http(), &format!("/rtc?access_token={token}"))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
    // Users write `wss://host/`, and clients then ask for `//rtc`.
    let answer = get(node.http(), &format!("//rtc/validate?access_token={token}"))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
}

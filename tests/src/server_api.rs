//! Calls of the server APIs, as an app's server makes them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    http::{self, Answer},
    node::Node,
    tokens::{KEY, SECRET, sign, unix_now},
};

/// How JSON is announced by LiveKit's server SDKs.
pub const JSON: &str = "application/json;charset=UTF-8";

/// A token with these grants, as an app's server makes it.
pub fn grants(video: &Value) -> Result<String> {
    let claims = json!({
        "iss": KEY, "nbf": unix_now() - 10, "exp": unix_now() + 600, "video": video,
    });
    sign(&claims, SECRET)
}

/// May do everything with rooms, and in `room`; may move people from there to the room
/// `elsewhere`.
pub fn admin(room: &str) -> Result<String> {
    grants(&json!({
        "roomCreate": true, "roomList": true, "roomAdmin": true, "room": room,
        "destinationRoom": "elsewhere",
    }))
}

/// Posts anything anywhere.
pub async fn post(
    node: &Node,
    path: &str,
    content_type: &str,
    token: &str,
    body: &[u8],
) -> Result<Answer> {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("Content-Type", content_type)];
    if !token.is_empty() {
        headers.push(("Authorization", &bearer));
    }
    http::send(node.http(), "POST", path, &headers, body).await
}

/// A call in JSON: its status and answer.
pub async fn call(node: &Node, method: &str, token: &str, body: Value) -> Result<(u16, Value)> {
    let path = format!("/twirp/livekit.RoomService/{method}");
    let answer = post(node, &path, JSON, token, body.to_string().as_bytes()).await?;
    let content_type = answer.headers.get("content-type").map(String::as_str);
    ensure!(
        content_type == Some("application/json"),
        "{method}: {answer:?}"
    );
    Ok((answer.status, serde_json::from_str(&answer.body)?))
}

/// A call that has to succeed.
pub async fn done(node: &Node, method: &str, token: &str, body: Value) -> Result<Value> {
    let (status, answer) = call(node, method, token, body).await?;
    ensure!(status == 200, "{method}: {status} {answer}");
    Ok(answer)
}

/// The names of the rooms that a node lists.
pub async fn names(node: &Node) -> Result<Vec<String>> {
    let list = done(node, "ListRooms", &admin("")?, json!({})).await?;
    let rooms = list["rooms"].as_array().cloned().unwrap_or_default();
    let names = rooms.iter().map(|room| {
        let name = room["name"].as_str().context("a room without a name")?;
        Ok(name.to_owned())
    });
    names.collect()
}

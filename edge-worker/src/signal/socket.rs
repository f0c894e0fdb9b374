//! The socket itself: what goes out on it, and how long that may take.

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, close_code};
use livekit::Action;
use livekit::signal::{Frame, Response};
use sfu::LeaveReason;
use tokio::time::timeout;

use super::{Connection, Ending, unix_now};

/// Two pings unanswered and nothing else heard.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Clients ping every two seconds: after this long their pings are held up.
const QUIET: Duration = Duration::from_secs(3);

/// A client that takes no bytes for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// A client that was told to go hears of it within this, or not at all.
const LINGER: Duration = Duration::from_secs(1);

impl Connection {
    pub(super) async fn ping(&mut self) -> Result<(), Ending> {
        if self.heard_at.elapsed() > SILENCE_LIMIT {
            return Err(Ending::Lost);
        }
        self.send(Message::Ping(Vec::new().into())).await
    }

    /// Clients give up when they hear nothing for [six seconds](livekit::signal). On a thin line
    /// their own words of the join, tens of kilobytes, delay their pings by more: whoever would
    /// answer those speaks without being asked.
    pub(super) async fn give_sign(&mut self) -> Result<(), Ending> {
        if self.shown.is_none() || self.said_at.elapsed() < QUIET {
            return Ok(());
        }
        self.say(&Response::pong(unix_now().as_millis() as i64))
            .await
    }

    /// Says what cannot be had, to clients that understand such answers.
    pub(super) async fn refuse(&mut self, response: &Response) -> Result<(), Ending> {
        if self.recipient().understands(response) {
            self.say(response).await
        } else {
            Ok(())
        }
    }

    pub(super) async fn say(&mut self, response: &Response) -> Result<(), Ending> {
        let message = match response.frame(self.format) {
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Text(text) => Message::Text(text.into()),
        };
        self.send(message).await
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), Ending> {
        if matches!(message, Message::Binary(_) | Message::Text(_)) {
            self.said_at = Instant::now();
        }
        match timeout(WRITE_LIMIT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ending::Lost),
        }
    }

    /// Says goodbye as is usual for `reason`.
    pub(super) async fn dismiss(&mut self, reason: LeaveReason) {
        self.part_with(&Response::leave(reason)).await;
    }

    /// Says goodbye in LiveKit's words. The close that follows would freeze some
    /// clients without them.
    pub(super) async fn part_with(&mut self, farewell: &Response) {
        let code = match farewell.farewell_action() {
            // Some clients do not hear a goodbye that comes within two seconds of the last
            // time they came back, and take no notice of a normal close either.
            Some(Action::Resume | Action::Reconnect) => close_code::AWAY,
            Some(Action::Disconnect) | None => close_code::NORMAL,
        };
        if self.say(farewell).await.is_ok() {
            self.close(code, "").await;
        }
    }

    /// Reads on for a moment, until the client closes too: to close with something unread
    /// takes back what was said last.
    pub(super) async fn linger(&mut self) {
        let until_closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // Whether it came to its end makes no difference any more.
        let _ = timeout(LINGER, until_closed).await;
    }

    pub(super) async fn close(&mut self, code: u16, why: &'static str) {
        let frame = CloseFrame {
            code,
            reason: why.into(),
        };
        // Whether it arrives makes no difference any more.
        let _ = self.send(Message::Close(Some(frame))).await;
    }
}

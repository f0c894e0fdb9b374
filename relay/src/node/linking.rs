//! Links that come up and go down. A link is two connections; of two links to one node one stays.

use std::time::Instant;

use relay_proto::control::{Goaway, Message};
use relay_proto::{Lane, LinkId, Wanted};
use tracing::{info, warn};

use super::{Node, Token};
use crate::close::Close;
use crate::command::Event;
use crate::lane::{Dialled, Greeted, Standing, read_control, read_datagrams};
use crate::line::Line;
use crate::meeting::Order;
use crate::metrics::Tally;
use crate::outbox::outbox;

impl Node {
    /// Both connections of a link are needed before it is one.
    pub(super) fn greeted(&mut self, now: Instant, greeted: Greeted) {
        let key = (greeted.identity.node().to_owned(), greeted.dialled);
        let other = self.half.remove(&key).map(|(_, other)| other);
        let Some(other) =
            other.filter(|other| other.instance == greeted.instance && other.lane != greeted.lane)
        else {
            self.half.insert(key, (now, greeted));
            return;
        };
        let (control, video) = match greeted.lane {
            Lane::Control => (greeted, other),
            Lane::Video => (other, greeted),
        };
        let name = control.identity.node();
        let mut lines = self.lines.iter();
        let older = lines.find(|(_, (line, _))| line.identity.node() == name);
        if let Some((token, (line, _))) = older {
            let token = *token;
            if line.instance == control.instance
                && self.is_preferred(name, line.dialled)
                && !self.is_preferred(name, control.dialled)
            {
                for greeted in [control, video] {
                    Close::Replaced.close(&greeted.connection);
                }
                return;
            }
            self.down(now, token, Close::Replaced);
        }
        self.up(now, control, video);
    }

    /// When both nodes dialled at once, both keep the link of the one whose name comes first.
    pub(super) fn is_preferred(&self, other: &str, dialled: Dialled) -> bool {
        match dialled {
            Dialled::Here => self.part.identity.node() < other,
            Dialled::There => self.part.identity.node() > other,
        }
    }

    pub(super) fn up(&mut self, now: Instant, control: Greeted, video: Greeted) {
        let (outbox, letters) = outbox();
        let Some(line) = Line::new(now, self.part.limits, &control, &video, outbox) else {
            warn!("a connection without our congestion controller is of no use");
            return;
        };
        self.last_token += 1;
        let token = Token(self.last_token);
        for greeted in [&control, &video] {
            let connection = greeted.connection.clone();
            let inputs = self.inputs_from.clone();
            self.tasks
                .spawn(read_datagrams(connection, token, greeted.lane, inputs));
        }
        let inputs = self.inputs_from.clone();
        self.tasks
            .spawn(read_control(control.receive, token, inputs));
        self.tasks.spawn(letters.write(control.send));
        let name = line.identity.node().to_owned();
        let (cost, standing) = (line.first_cost(), line.standing);
        self.order(Order::Linked(name.clone()));
        self.lines.insert(token, (line, Tally::default()));
        self.exchange.link_up(now, LinkId(token.0), name, cost);
        if let Some(drain) = self.drain {
            let left = drain.until.saturating_duration_since(now).as_millis();
            let deadline_ms = left.try_into().unwrap_or(u32::MAX);
            self.say(now, token, Message::Goaway(Goaway { deadline_ms }));
        }
        match standing {
            Standing::In => self.let_in(token),
            // The link is used, and nobody relies on it yet.
            Standing::Asking => {}
        }
    }

    /// The other end spoke on a link: so it lets this node be there.
    pub(super) fn heard(&mut self, token: Token) {
        if let Some((line, _)) = self.lines.get_mut(&token)
            && line.is_let_in()
        {
            self.let_in(token);
        }
    }

    fn let_in(&mut self, token: Token) {
        let Some((line, _)) = self.lines.get(&token) else {
            return;
        };
        line.log_up();
        self.part.metrics.link_up(&line.identity);
        let identity = line.identity.clone();
        self.tell(Event::Neighbour(identity, Wanted::Yes));
    }

    pub(super) fn down(&mut self, now: Instant, token: Token, why: Close) {
        let Some((line, mut tally)) = self.lines.remove(&token) else {
            return;
        };
        let node = line.identity.node();
        info!(
            node,
            reason = why.label(),
            instance = line.instance,
            "link down"
        );
        line.close(why);
        self.order(Order::Unlinked(node.to_owned()));
        self.exchange.link_down(now, LinkId(token.0));
        match line.standing {
            Standing::In => {
                tally.add(&self.part.metrics, &line);
                self.part.metrics.link_down(&line.identity, why);
                self.tell(Event::Neighbour(line.identity, Wanted::No));
            }
            // Nobody knew of it.
            Standing::Asking => {}
        }
    }
}

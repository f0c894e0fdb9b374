//! Who may describe a connection, and when: our own offers, one at a time, and
//! the wish for more sections where only the client offers.
//!
//! What stands in a description is left to `transport`.

mod section_requests;
mod server_offers;

pub use section_requests::{MAX_SECTIONS, SectionRequests, Sections};
pub use server_offers::{ANSWER_TIMEOUT, DEBOUNCE, OfferId, ServerOffers, Verdict};

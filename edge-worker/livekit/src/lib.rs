//! LiveKit messages to our commands and notices and back; tokens; reasons.

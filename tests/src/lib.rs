//! End-to-end tests: real sockets, real browsers, an independent WebRTC implementation.

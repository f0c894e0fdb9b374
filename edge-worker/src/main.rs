//! An edge node: SFU rooms for the people near it, in the LiveKit protocol.

fn main() {}

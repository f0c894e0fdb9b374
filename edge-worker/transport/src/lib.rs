//! One client connection, sans-IO: ICE, DTLS, SRTP, SCTP and SDP; bytes in, packets out
//! and back. Sockets and the clock are left to the shell, rooms to `sfu`.

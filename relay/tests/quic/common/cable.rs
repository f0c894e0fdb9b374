//! A cable between two nodes that can be cut: carries UDP to one address, and what is answered back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

pub(crate) struct Cable {
    address: SocketAddr,
    state: Arc<State>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    carried: AtomicU64,
}

impl Cable {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
        let address = socket.local_addr().expect("it is bound");
        let state = Arc::new(State::default());
        let mut task = JoinSet::new();
        task.spawn(carry(socket, target, state.clone()));
        Self {
            address,
            state,
            _task: task,
        }
    }

    /// Who is dialled here is reached over the cable.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing is carried any more, and nobody is told.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn mend(&self) {
        self.state.cut.store(false, Ordering::Relaxed);
    }

    /// Bytes carried, both ways.
    pub(crate) fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::Relaxed)
    }
}

async fn carry(near: Arc<UdpSocket>, target: SocketAddr, state: Arc<State>) {
    let mut far: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = near.recv_from(&mut buffer).await else {
            return;
        };
        let socket = match far.get(&from) {
            Some(socket) => socket.clone(),
            None => {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
                socket.connect(target).await.expect("the loopback");
                far.insert(from, socket.clone());
                answers.spawn(answer(socket.clone(), near.clone(), from, state.clone()));
                socket
            }
        };
        if !state.cut.load(Ordering::Relaxed) {
            state.carried.fetch_add(length as u64, Ordering::Relaxed);
            // A target that is gone answers with an error: as good as nothing.
            let _ = socket.send(&buffer[..length]).await;
        }
    }
}

async fn answer(far: Arc<UdpSocket>, near: Arc<UdpSocket>, to: SocketAddr, state: Arc<State>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok(length) = far.recv(&mut buffer).await else {
            continue;
        };
        if !state.cut.load(Ordering::Relaxed) {
            state.carried.fetch_add(length as u64, Ordering::Relaxed);
            let _ = near.send_to(&buffer[..length], to).await;
        }
    }
}

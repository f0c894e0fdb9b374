//! The `relay` command, as an operator uses it: certificates, configuration, two hubs, their table,
//! their page and metrics, and how they stop.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

#[test]
fn two_hubs_made_by_hand_find_each_other_and_stop_when_told() {
    let folder = Folder::new("hubs");
    folder.certificates(&["abuja-hub", "jos-hub"]);
    let (abuja, jos) = (Ports::free(), Ports::free());
    folder.configure("abuja-hub", &abuja, "");
    let neighbour = format!(
        "[[neighbours]]\nnode = 'abuja-hub'\naddress = '127.0.0.1:{}'\nregion = 'lagos'\n",
        abuja.relay
    );
    folder.configure("jos-hub", &jos, &neighbour);
    let mut hubs = [folder.start("abuja-hub"), folder.start("jos-hub")];

    let url = format!("http://127.0.0.1:{}", abuja.admin);
    let table = until(|| {
        let output = folder.relay(&["status", "--url", &url]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("jos-hub").then_some(text)
    });
    assert!(table.starts_with("abuja-hub (lagos): 1 links"), "{table}");
    for (path, expected) in [
        ("/", "<svg"),
        ("/links", "\"node\":\"jos-hub\""),
        ("/healthz", "OK"),
        ("/readyz", "OK"),
        ("/metrics", "relay_links 1"),
    ] {
        let answer = get(abuja.admin, path);
        assert!(answer.starts_with("HTTP/1.0 200"), "{path}: {answer}");
        assert!(answer.contains(expected), "{path}: {answer}");
    }

    for hub in &mut hubs {
        hub.tell("TERM");
        assert!(hub.ended().success());
    }
}

#[test]
fn what_cannot_work_is_said_with_its_key() {
    let folder = Folder::new("refused");
    folder.certificates(&["abuja-hub"]);
    let ports = Ports::free();
    for (more, expected) in [
        ("", "good"),
        ("relay.prot = 1", "prot"),
        ("link.least_kbps = 0", "link.least_kbps"),
        ("log.format = 'xml'", "log.format"),
    ] {
        folder.configure("abuja-hub", &ports, more);
        let output = folder.relay(&["config", "check", "abuja-hub.toml"]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.success(), more.is_empty(), "{said}");
        assert!(said.contains(expected), "{more}: {said}");
    }
    let name = ["pki", "node", "--node", "Not_A_Name", "--region", "lagos"];
    assert!(!folder.relay(&name).status.success());
}

/// A folder of files, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("relay-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn relay(&self, arguments: &[&str]) -> Output {
        let output = command(&self.0).args(arguments).output();
        output.expect("it can be run")
    }

    fn certificates(&self, nodes: &[&str]) {
        assert!(self.relay(&["pki", "authority"]).status.success());
        for node in nodes {
            let arguments = ["pki", "node", "--node", node, "--region", "lagos"];
            assert!(self.relay(&arguments).status.success());
        }
    }

    fn configure(&self, node: &str, ports: &Ports, more: &str) {
        let text = format!(
            "relay.bind = '127.0.0.1'\nrelay.port = {}\nrelay.drain_s = 2\nadmin.port = {}\n\
             tls.authority = 'authority.pem'\ntls.certificate = '{node}.pem'\ntls.key = '{node}.key'\n\
             {more}\n",
            ports.relay, ports.admin
        );
        fs::write(self.0.join(format!("{node}.toml")), text).expect("it is written");
    }

    fn start(&self, node: &str) -> Hub {
        let mut command = command(&self.0);
        command.args(["run", "--config", &format!("{node}.toml")]);
        Hub(command.stderr(Stdio::null()).spawn().expect("it starts"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to clean up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Killed when dropped.
struct Hub(Child);

impl Hub {
    fn tell(&self, signal: &str) {
        let told = Command::new("kill")
            .args([format!("-{signal}"), self.0.id().to_string()])
            .status();
        assert!(told.expect("kill is there").success());
    }

    fn ended(&mut self) -> std::process::ExitStatus {
        until(|| self.0.try_wait().expect("it is our child"))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Ports {
    relay: u16,
    admin: u16,
}

impl Ports {
    fn free() -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self {
            relay: udp.local_addr().expect("it is bound").port(),
            admin: tcp.local_addr().expect("it is bound").port(),
        }
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RELAY_")) {
        command.env_remove(name);
    }
    command
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it takes it");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("it answers in text");
    answer
}

fn until<T>(mut done: impl FnMut() -> Option<T>) -> T {
    let began_at = Instant::now();
    loop {
        if let Some(done) = done() {
            return done;
        }
        assert!(
            began_at.elapsed() < Duration::from_secs(30),
            "it never came to be"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

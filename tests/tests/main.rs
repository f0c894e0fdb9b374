//! The end-to-end tests, in one program: linking each by itself took longer than running most.

mod bad_connections;
mod bad_datagrams;
mod bad_frames;
mod bad_signal;
mod bad_tokens;
mod cascade;
mod cli;
mod control_plane;
mod crossing_once;
mod crowd;
mod dependencies;
mod lab;
mod negotiating;
mod privacy;
mod resuming;
mod room_service;
mod rust_peer;
mod shutdown;
mod signalling;
mod spreading;
mod steady_state;
mod tls;
mod turn;

#[test]
fn every_file_of_tests_is_run() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || include_str!("main.rs").contains(&format!("mod {module};")),
            "say `mod {module};` in tests/tests/main.rs, or nobody runs it"
        );
    }
}

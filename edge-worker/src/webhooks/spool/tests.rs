//! What is on disk after all that may happen to a disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("edge-spool-{}", crate::ids::random_suffix());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Spool {
        Spool::open(&self.config(), URL).unwrap()
    }

    fn config(&self) -> config::Webhook {
        config::Webhook {
            urls: vec![URL.to_owned()],
            api_key: "devkey".to_owned(),
            spool: self.0.clone(),
            spool_bytes: 1 << 20,
            fsync: Fsync::Each,
        }
    }

    fn file(&self) -> PathBuf {
        self.0.join(file_name(URL))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const URL: &str = "https://app.example/hook";

fn event(number: usize) -> Arc<Event> {
    Arc::new(Event {
        id: format!("EV_{number}"),
        room: "physics".to_owned(),
        at_ms: number as u64,
        body: format!("{{\"event\":\"a \\\"quote\\\" and\\n a line\",\"n\":{number}}}"),
    })
}

fn events(range: std::ops::Range<usize>) -> Vec<Arc<Event>> {
    range.map(event).collect()
}

fn size(events: &[Arc<Event>]) -> u64 {
    events.iter().map(|event| event.size()).sum()
}

#[test]
fn what_is_not_done_is_there_after_a_restart_in_order() {
    let folder = Folder::new();
    let mut spool = folder.open();
    assert!(spool.take_left().is_empty());
    let all = events(0..4);
    spool.write(&all, &[], size(&all)).unwrap();
    let done = ["EV_1".to_owned()];
    spool.write(&[], &done, size(&all[1..])).unwrap();
    drop(spool);

    let left = folder.open().take_left();
    assert_eq!(left, [&*all[0], &*all[2], &*all[3]].map(Event::clone));
    let again = folder.open().take_left();
    assert_eq!(again, left, "reading takes nothing away");
}

#[test]
fn what_a_crash_cut_off_is_left_out_and_nothing_else() {
    let folder = Folder::new();
    let mut spool = folder.open();
    let all = events(0..3);
    spool.write(&all, &[], size(&all)).unwrap();
    drop(spool);
    let whole = fs::read(folder.file()).unwrap();
    let first_two = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let first_two = first_two.map(|(at, _)| at + 1).nth(1).unwrap();
    for cut in first_two..whole.len() - 1 {
        fs::write(folder.file(), &whole[..cut]).unwrap();
        assert_eq!(folder.open().take_left().len(), 2, "cut at {cut}");
    }
    fs::write(folder.file(), b"\xff\xfe garbage\n{}\n[]\n\n").unwrap();
    assert!(folder.open().take_left().is_empty());
}

#[test]
fn a_file_shrinks_when_little_in_it_still_waits() {
    let folder = Folder::new();
    let mut spool = folder.open();
    let kept = events(0..1);
    spool.write(&kept, &[], size(&kept)).unwrap();
    let mut largest = 0;
    for number in 1..30_000_usize {
        if number % 100 == 0 {
            let some = events(number..number + 100);
            let done: Vec<_> = some.iter().map(|event| event.id.clone()).collect();
            spool.write(&some, &[], size(&kept) + size(&some)).unwrap();
            spool.write(&[], &done, size(&kept)).unwrap();
            largest = largest.max(fs::metadata(folder.file()).unwrap().len());
        }
    }
    assert!(largest < REWRITE_FROM + (1 << 17), "grew to {largest}");
    spool.write(&[], &["EV_0".to_owned()], 0).unwrap();
    assert_eq!(fs::metadata(folder.file()).unwrap().len(), 0);
    spool.write(&kept, &[], size(&kept)).unwrap();
    drop(spool);
    assert_eq!(folder.open().take_left().len(), 1);
}

#[test]
fn others_can_neither_read_the_file_nor_use_it_at_the_same_time() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let spool = folder.open();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.0), mode(&folder.file())), (0o700, 0o600));
    let second = Spool::open(&folder.config(), URL);
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    drop(spool);
    folder.open();
}

#[test]
fn without_a_folder_nothing_is_kept() {
    let config = config::Webhook {
        spool: PathBuf::new(),
        ..Folder::new().config()
    };
    let mut spool = Spool::open(&config, URL).unwrap();
    spool.write(&events(0..1), &[], 1).unwrap();
    assert!(spool.take_left().is_empty());
}

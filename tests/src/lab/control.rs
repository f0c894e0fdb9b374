//! Talking to a lab that runs: a line is a request, its answer is a line of JSON.
//!
//! ```text
//! add ada network=3g down.loss=2%     a client and its link
//! set ada.blackhole=on                changes links
//! show                                what became of all packets
//! table                               the same for people
//! ```

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    thread,
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::{
    Client, Lab, MAX_LABS,
    report::{Row, Table},
    socket_name,
    wish::Wish,
};

/// What a request was answered with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// The client is there.
    Added(Client),
    /// What became of all packets.
    Links(Vec<Row>),
    /// The same for people.
    Table(String),
    /// It is not done, and why.
    Error(String),
}

/// A line from somebody, and where its answer goes.
pub type Request = (String, oneshot::Sender<Answer>);

/// Requests that wait; whoever asks more waits until there is room.
const MAX_WAITING: usize = 16;
/// Longer than any request.
const MAX_LINE: usize = 4_096;

/// Does what a line says.
pub fn answer(lab: &mut Lab, line: &str) -> Answer {
    match obey(lab, line) {
        Ok(answer) => answer,
        Err(error) => Answer::Error(format!("{error:#}")),
    }
}

fn obey(lab: &mut Lab, line: &str) -> Result<Answer> {
    let mut words = line.split_whitespace();
    match words.next() {
        Some("add") => {
            let name = words.next().context("add whom?")?;
            let wishes = words.map(Wish::read).collect::<Result<Vec<_>, _>>()?;
            Ok(Answer::Added(lab.add(name, &wishes)?))
        }
        Some("set") => {
            let wishes = words.map(Wish::read).collect::<Result<Vec<_>, _>>()?;
            lab.change(wishes)?;
            Ok(Answer::Done)
        }
        Some("show") => Ok(Answer::Links(lab.report()?)),
        Some("table") => Ok(Answer::Table(Table(&lab.report()?).to_string())),
        Some(word) => bail!("there is no {word:?}; there are add, set, show and table"),
        None => bail!("nothing was asked"),
    }
}

/// Listens on the lab's socket, and reads standard input where that is wanted.
pub fn listen(lab: &Lab, input: Input) -> Result<mpsc::Receiver<Request>> {
    let (requests, inbox) = mpsc::channel(MAX_WAITING);
    let socket = lab.socket().try_clone()?;
    let from_socket = requests.downgrade();
    // The lab ends with its input only where that is for requests.
    let kept = match input {
        Input::Commands => None,
        Input::Others => Some(requests.clone()),
    };
    // These threads end with the process: nothing else ends a blocking read.
    thread::spawn(move || {
        let _kept = kept;
        for caller in socket.incoming().flatten() {
            let Some(requests) = from_socket.upgrade() else {
                return;
            };
            thread::spawn(move || {
                let Ok(output) = caller.try_clone() else {
                    return;
                };
                serve(BufReader::new(caller), output, &requests);
            });
        }
    });
    if input == Input::Commands {
        thread::spawn(move || {
            serve(std::io::stdin().lock(), std::io::stdout(), &requests);
        });
    }
    Ok(inbox)
}

/// What standard input is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input {
    /// Requests; the lab ends where it ends.
    Commands,
    /// The command that runs in the lab.
    Others,
}

fn serve(mut input: impl BufRead, mut output: impl Write, requests: &mpsc::Sender<Request>) {
    let mut line = String::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut input, MAX_LINE as u64).read_line(&mut line);
        if !matches!(read, Ok(length) if length > 0) {
            return;
        }
        let (reply, replied) = oneshot::channel();
        if requests.blocking_send((line.clone(), reply)).is_err() {
            return;
        }
        let Ok(answer) = replied.blocking_recv() else {
            return;
        };
        let said = serde_json::to_string(&answer).map(|json| writeln!(output, "{json}"));
        if !matches!(said, Ok(Ok(()))) || output.flush().is_err() {
            return;
        }
    }
}

/// Sends one line to a lab that runs: to the only one, if no number is given.
pub fn send(number: Option<u8>, line: &str) -> Result<String> {
    let mut found = Vec::new();
    for candidate in number.map_or(0..=MAX_LABS - 1, |number| number..=number) {
        if let Ok(socket) = UnixStream::connect_addr(&socket_name(candidate)?) {
            found.push((candidate, socket));
        }
    }
    let mut socket = match found.len() {
        0 => bail!("no lab runs"),
        1 => found.remove(0).1,
        _ => {
            let numbers: Vec<_> = found.iter().map(|(number, _)| number.to_string()).collect();
            bail!("labs {} run: say which with --lab", numbers.join(", "))
        }
    };
    writeln!(socket, "{line}")?;
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer)?;
    Ok(answer)
}

//! A server in this process that says what a test wants it to say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Patience;

/// No waits between attempts.
pub(crate) const AT_ONCE: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(30),
    stall: Duration::from_secs(30),
    attempts: 4,
    wait_first: Duration::ZERO,
    wait_max: Duration::ZERO,
};

/// A request as the server read it.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) line: String,
    headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (found, value) = header.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn hear(connection: &mut TcpStream) -> Heard {
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let mut heard = Heard {
        line: lines.remove(0),
        headers: lines,
        body: Vec::new(),
    };
    if let Some(length) = heard.header("content-length") {
        heard.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut heard.body).unwrap();
    } else if heard.header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
                break; // it broke off
            };
            let mut piece = vec![0; size + 2];
            reader.read_exact(&mut piece).unwrap();
            heard.body.extend_from_slice(&piece[..size]);
            if size == 0 {
                break;
            }
        }
    }
    heard
}

/// A server that gives one answer per connection and then ends: its address, and what it heard.
pub(crate) fn server(answers: Vec<String>) -> (String, JoinHandle<Vec<Heard>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let one = |answer: String| {
            let (mut connection, _) = listener.accept().unwrap();
            let heard = hear(&mut connection);
            connection.write_all(answer.as_bytes()).unwrap();
            heard
        };
        answers.into_iter().map(one).collect()
    });
    (address.to_string(), serving)
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

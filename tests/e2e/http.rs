//! As much HTTP/1.1 as the tests need: one connection, kept alive, a request at a time.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), connection: None }
    }

    /// A GET, or with a body a POST. A server closes a connection after so many requests, and says so: the next one
    /// gets a new one.
    pub(crate) fn ask(&mut self, path: &str, body: Option<&[u8]>) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.address)?,
        };
        send(connection.get_mut(), &self.address, path, body)?;
        let (answer, keep) = receive(&mut connection)?;
        self.connection = keep.then_some(connection);
        Ok(answer)
    }
}

pub(crate) fn get(address: &str, path: &str) -> io::Result<Answer> {
    Client::new(address).ask(path, None)
}

fn connect(address: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    Ok(BufReader::new(stream))
}

fn send(stream: &mut TcpStream, address: &str, path: &str, body: Option<&[u8]>) -> io::Result<()> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let length = body.map_or(0, <[u8]>::len);
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: e2e\r\n");
    if length > 0 {
        head += "Content-Type: application/json\r\nContent-Length: ";
        head += &length.to_string();
        head += "\r\n";
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.unwrap_or_default())
}

/// The answer, and whether the connection may be used again.
fn receive(connection: &mut BufReader<TcpStream>) -> io::Result<(Answer, bool)> {
    let status = line(connection)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no HTTP status"))?;
    let (mut length, mut chunked, mut keep) = (None, false, true);
    loop {
        let header = line(connection)?.to_ascii_lowercase();
        match header.split_once(':').map(|(name, value)| (name, value.trim())) {
            None => break,
            Some(("content-length", value)) => length = value.parse().ok(),
            Some(("transfer-encoding", value)) => chunked = value == "chunked",
            Some(("connection", value)) => keep = value != "close",
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => _ = connection.take(length).read_to_end(&mut body)?,
        None if chunked => read_chunks(connection, &mut body)?,
        None => {
            connection.read_to_end(&mut body)?;
            keep = false;
        }
    }
    Ok((Answer { status, body: String::from_utf8_lossy(&body).into_owned() }, keep))
}

fn read_chunks(connection: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let size = u64::from_str_radix(&line(connection)?, 16).map_err(io::Error::other)?;
        connection.take(size).read_to_end(body)?;
        line(connection)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

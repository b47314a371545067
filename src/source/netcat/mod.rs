//! The netcat source: lines over TCP, each answered with `OK` once every channel has it.
//!
//! Connections have threads of their own, a bounded number, and hand their lines to the source's one thread through a bounded
//! channel. That thread puts what all of them have brought and waits for one sync for all, so many clients cost no more
//! syncs than one. A full channel makes clients wait, where Flume answers `FAILED` and drops the line.

mod connection;
mod text;

use super::processor::ChannelProcessor;
use super::{EventDrivenSource, Source, SourceKind, StartSource};
use crate::clock::Stop;
use crate::component::{Context, Failure, StartError};
use crate::config::charset::Charset;
use crate::config::keys::{Scope, keys};
use crate::config::value::Count;
use crate::event::Batch;
use crate::status::counters::SourceCounters;
use crate::status::happening::{Happening, Teller};
use connection::Connection;
use crossbeam_channel::{Receiver, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

keys! {
    /// Makes an event of each line that comes over TCP.
    pub struct NetcatConfig = "org.apache.flume.source.NetcatSource" {
        /// Name or address to listen on; `0.0.0.0` for all.
        "bind" => bind: String,
        /// Port to listen on.
        "port" => port: u16,
        /// Characters of a line at most, its end included.
        "max-line-length" => line_length: Count = "512",
        /// Whether each line is answered with `OK`.
        "ack-every-event" => ack: bool = "true",
        /// The character set of lines and answers.
        "encoding" => encoding: Charset = "utf-8",
    }
}

/// The row in the registry.
pub const KIND: SourceKind = SourceKind {
    names: &[NetcatConfig::TYPE, "netcat"],
    about: NetcatConfig::ABOUT,
    keys: NetcatConfig::KEYS,
    read,
};

/// Connections at the same time. More wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// Batches of lines that wait for the source's thread, and that it puts before it waits for the sync they share.
const REQUESTS_MAX: usize = 64;
/// How often a thread looks whether it is asked to stop.
const LOOK: Duration = Duration::from_millis(250);

fn read(scope: &mut Scope<'_>) -> Option<Box<dyn StartSource>> {
    let config = NetcatConfig::read(scope)?;
    if !config.encoding.keeps_line_ends() {
        let span = scope.value_span("encoding");
        let remark =
            scope.error("wrong-value", span, "lines cannot be told apart in this `encoding`");
        scope.report(remark.expected("expected a character set that has ASCII in it"));
        return None;
    }
    Some(Box::new(config))
}

impl StartSource for NetcatConfig {
    fn start(&self, context: &Context, out: ChannelProcessor) -> Result<Source, StartError> {
        let listener = self.listen().map_err(|error| {
            let what = format!("cannot listen on {}:{}: {error}", self.bind, self.port);
            let next = match error.kind() {
                io::ErrorKind::AddrInUse => "end whoever has the port, or choose another",
                io::ErrorKind::PermissionDenied => "choose a port above 1023",
                _ => "`bind` is to name an address of this machine",
            };
            StartError::transient(what, next)
        })?;
        if let Ok(address) = listener.local_addr() {
            let what = format!("Created serverSocket: listening on {address}");
            context.teller.tell(Happening::info("listening", what));
        }
        context.teller.register(out.counters().clone());
        let (config, teller) = (self.clone(), context.teller.clone());
        Ok(Source::EventDriven(Box::new(NetcatSource {
            config,
            listener: Some(listener),
            teller,
            out,
        })))
    }

    fn batch_size(&self) -> Option<u64> {
        None
    }
}

impl NetcatConfig {
    fn listen(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind((self.bind.as_str(), self.port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

struct NetcatSource {
    config: NetcatConfig,
    listener: Option<TcpListener>,
    teller: Teller,
    out: ChannelProcessor,
}

/// Lines of one connection, and where it waits to hear what became of them.
struct Request {
    lines: Batch,
    answer: Sender<Result<(), String>>,
}

impl EventDrivenSource for NetcatSource {
    fn run(&mut self, stop: &Stop) -> Result<(), Failure> {
        let Some(listener) = self.listener.take() else {
            return Err(Failure::Restart("the socket is gone".to_owned()));
        };
        let (to_source, requests) = crossbeam_channel::bounded(REQUESTS_MAX);
        let (hold, all_ended) = crossbeam_channel::bounded(0);
        // Ends with this life of the source, which may end before the agent does.
        let over = Stop::new();
        let door = Door {
            listener,
            config: self.config.clone(),
            over: over.clone(),
            teller: self.teller.clone(),
            counters: self.out.counters().clone(),
            to_source,
            hold,
        };
        let accepting = std::thread::Builder::new().name("netcat-accept".to_owned());
        accepting
            .spawn(move || door.keep())
            .map_err(|error| Failure::Restart(format!("no thread to accept on: {error}")))?;
        let served = self.serve(&requests, stop);
        over.request();
        drop(requests);
        // The port is free again and every client told when this says so; it takes one look of each thread.
        let _ended: Result<Infallible, _> = all_ended.recv_timeout(LOOK * 8);
        served
    }
}

impl NetcatSource {
    /// Puts what the connections bring, and answers when it is durable.
    fn serve(&mut self, requests: &Receiver<Request>, stop: &Stop) -> Result<(), Failure> {
        loop {
            let first = crossbeam_channel::select! {
                recv(requests) -> request => request,
                recv(stop.signal()) -> _ => return Ok(()),
            };
            let Ok(first) = first else {
                return Err(Failure::Restart("nothing accepts connections any more".to_owned()));
            };
            let mut group = vec![first];
            group.extend(requests.try_iter().take(REQUESTS_MAX - 1));
            let mut put = Ok(());
            for request in &group {
                put = put.and_then(|()| self.out.put(request.lines.clone()));
            }
            let durable = put.and_then(|()| self.out.flush());
            let answer = durable.clone().map_err(|failure| failure.to_string());
            for request in group {
                // A client that has gone meanwhile hears nothing; its lines are where they are.
                drop(request.answer.send(answer.clone()));
            }
            match durable {
                Err(_) if stop.is_requested() => return Ok(()),
                other => other?,
            }
        }
    }
}

/// Accepts connections.
struct Door {
    listener: TcpListener,
    config: NetcatConfig,
    over: Stop,
    teller: Teller,
    counters: Arc<SourceCounters>,
    to_source: Sender<Request>,
    /// Given to every connection; dropped by the last one.
    hold: Sender<Infallible>,
}

impl Door {
    fn keep(self) {
        // A place for each connection: taken when it is accepted, given back when it ends.
        let (give_back, places) = crossbeam_channel::bounded(CONNECTIONS_MAX);
        for _ in 0..CONNECTIONS_MAX {
            give_back_one(&give_back);
        }
        while !self.over.is_requested() {
            if places.is_empty() {
                let what = format!("{CONNECTIONS_MAX} clients are connected");
                let happening = Happening::warning("connections-full", what);
                let effect = "further clients wait until one leaves";
                self.teller.tell(happening.effect(effect).next("see why clients stay connected"));
            }
            let Ok(()) = places.recv_timeout(LOOK) else { continue };
            match self.accept() {
                Some(stream) => self.admit(stream, &give_back),
                None => give_back_one(&give_back),
            }
        }
    }

    /// The next connection, if one comes while nobody looks at the clock.
    fn accept(&self) -> Option<TcpStream> {
        let wait = Timespec::try_from(LOOK).ok()?;
        match poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&wait)) {
            Ok(1..) => {}
            _ => return None,
        }
        match self.listener.accept() {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                let what = format!("a connection could not be accepted: {error}");
                let happening = Happening::warning("not-accepted", what);
                let effect = "its client may try again";
                self.teller.tell(
                    happening.effect(effect).next("see the limit of open files (`ulimit -n`)"),
                );
                let _over: bool = self.over.wait(LOOK);
                None
            }
        }
    }

    fn admit(&self, stream: TcpStream, give_back: &Sender<()>) {
        let connection = Connection {
            stream,
            line_length: self.config.line_length.get(),
            ack: self.config.ack,
            encoding: self.config.encoding,
            over: self.over.clone(),
            teller: self.teller.clone(),
            to_source: self.to_source.clone(),
        };
        let (counters, hold) = (self.counters.clone(), self.hold.clone());
        let place = give_back.clone();
        counters.open_connections.add(1);
        let thread = std::thread::Builder::new().name("netcat".to_owned()).spawn(move || {
            connection.serve();
            counters.open_connections.sub(1);
            give_back_one(&place);
            drop(hold);
        });
        if let Err(error) = thread {
            give_back_one(give_back);
            self.counters.open_connections.sub(1);
            let what = format!("no thread for a connection: {error}");
            let happening = Happening::warning("not-accepted", what);
            let effect = "it is closed, and its client may try again";
            self.teller
                .tell(happening.effect(effect).next("raise the limit of threads (`ulimit -u`)"));
        }
    }
}

/// Gives a place back. There is room for it, or nobody keeps the door any more.
fn give_back_one(places: &Sender<()>) {
    let _given: Result<(), _> = places.try_send(());
}

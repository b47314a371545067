//! The netcat source with real sockets: Flume's answers, word for word, and none before the channels have the line.

use crate::support::channels::{ListChannel, Rules};
use crate::support::parts::read;
use crate::support::sources::Around;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tailwater::channel::ChannelError;
use tailwater::clock::SystemClock;
use tailwater::component::{Failure, StartError};
use tailwater::config::kind::Family;
use tailwater::source::Source;
use tailwater::source::registry::SOURCES;

struct Netcat {
    around: Around,
    channel: Arc<ListChannel>,
    address: SocketAddr,
    thread: JoinHandle<Result<(), Failure>>,
}

fn source(
    given: &[(&str, &str)],
    around: &Around,
    channel: &Arc<ListChannel>,
) -> Result<Source, StartError> {
    let kind = SOURCES.iter().find(|kind| kind.names.contains(&"netcat")).unwrap();
    let (start, said) = read(Family::Source, given, kind.read);
    assert!(said.is_empty(), "{said:?}");
    start.unwrap().start(&around.context(), around.processor(std::slice::from_ref(channel)))
}

impl Netcat {
    fn start(given: &[(&str, &str)], rules: Rules) -> Self {
        let around = Around::new(SystemClock::shared());
        let channel = ListChannel::new("c1", rules);
        let given = [&[("bind", "localhost"), ("port", "0")], given].concat();
        let Ok(Source::EventDriven(mut source)) = source(&given, &around, &channel) else {
            panic!("netcat has a loop of its own");
        };
        let told = around.telling.newest();
        let address = told[0].happening.what.rsplit(' ').next().unwrap().parse().unwrap();
        let stop = around.stop.clone();
        let thread = std::thread::spawn(move || source.run(&stop));
        Self { around, channel, address, thread }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// Everything that is answered to `words`, until the other side or we close.
    fn answers(&self, words: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(words).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    }

    fn stop(self) -> Result<(), Failure> {
        self.around.stop.request();
        self.thread.join().unwrap()
    }
}

#[test]
fn each_line_is_an_event_and_is_answered() {
    let netcat = Netcat::start(&[], Rules::default());
    assert_eq!(netcat.answers(b"a\r\n\nb c\n"), "OK\nOK\nOK\n");
    assert_eq!(netcat.channel.bodies(), ["a\r", "", "b c"]);
    assert_eq!(netcat.answers(b"d\nunfinished"), "OK\n");
    assert_eq!(netcat.channel.bodies().len(), 4);
    assert_eq!(netcat.around.told("line-unfinished"), 1);
    assert_eq!(netcat.around.counters.event_accepted.get(), 4);
    assert_eq!(netcat.stop(), Ok(()));
}

#[test]
fn nothing_is_answered_before_the_line_is_durable() {
    let netcat = Netcat::start(&[], Rules { by_hand: true, ..Rules::default() });
    let mut stream = netcat.connect();
    stream.write_all(b"a\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 3];
    assert!(stream.read_exact(&mut answer).is_err(), "answered too soon");
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    netcat.channel.sync();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"OK\n");
    assert_eq!(netcat.stop(), Ok(()));
}

#[test]
fn without_acknowledgements_only_failures_are_answered() {
    let given = [("ack-every-event", "false"), ("max-line-length", "8")];
    let netcat = Netcat::start(&given, Rules::default());
    assert_eq!(netcat.answers(b"a\nb\n"), "");
    let too_long = "FAILED: Event exceeds the maximum length (8 chars, including newline)\n";
    assert_eq!(netcat.answers(b"1234567\n12345678\nc\n"), too_long);
    assert_eq!(netcat.channel.bodies(), ["a", "b", "1234567"]);
    assert_eq!(netcat.around.told("line-too-long"), 1);
    assert_eq!(netcat.stop(), Ok(()));
}

#[test]
fn a_line_without_end_is_refused_while_it_comes() {
    let netcat = Netcat::start(&[], Rules::default());
    let mut stream = netcat.connect();
    stream.write_all(&[b'x'; 511]).unwrap();
    stream.write_all(b"y").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert_eq!(answer, "FAILED: Event exceeds the maximum length (512 chars, including newline)\n");
    assert_eq!(netcat.stop(), Ok(()));
}

#[test]
fn what_is_no_text_closes_the_connection_and_the_lines_before_count() {
    let netcat = Netcat::start(&[], Rules::default());
    assert_eq!(netcat.answers(b"a\n\xff\xfe\nb\n"), "OK\n");
    assert_eq!(netcat.channel.bodies(), ["a"]);
    assert_eq!(netcat.around.told("not-text"), 1);
    assert_eq!(netcat.stop(), Ok(()));

    let netcat = Netcat::start(&[("encoding", "ISO-8859-1")], Rules::default());
    assert_eq!(netcat.answers(b"\xe9\n"), "OK\n");
    assert_eq!(netcat.channel.bodies(), ["é"], "the body is UTF-8 whatever it came in");
    assert_eq!(netcat.stop(), Ok(()));
}

#[test]
fn a_full_channel_makes_the_client_wait_and_a_broken_one_is_answered() {
    let full = ChannelError::Full { channel: "c1".into(), detail: "no room".into() };
    let netcat = Netcat::start(&[], Rules { refusals: [full].into(), ..Rules::default() });
    assert_eq!(netcat.answers(b"a\n"), "OK\n");
    assert_eq!(netcat.stop(), Ok(()));

    let broken = ChannelError::Broken { channel: "c1".into(), why: "EIO".into() };
    let netcat = Netcat::start(&[], Rules { refusals: [broken].into(), ..Rules::default() });
    let answer = netcat.answers(b"a\n");
    assert!(answer.starts_with("FAILED: channel c1 is broken"), "{answer}");
    assert!(matches!(netcat.thread.join().unwrap(), Err(Failure::Restart(_))));
}

#[test]
fn many_clients_at_once_lose_nothing() {
    let netcat = Netcat::start(&[], Rules::default());
    std::thread::scope(|scope| {
        for client in 0..40 {
            let netcat = &netcat;
            scope.spawn(move || {
                let lines: String = (0..50).map(|line| format!("{client}-{line}\n")).collect();
                assert_eq!(netcat.answers(lines.as_bytes()), "OK\n".repeat(50));
            });
        }
    });
    let mut bodies = netcat.channel.bodies();
    assert_eq!(bodies.len(), 2000);
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 2000);
    assert_eq!(netcat.stop(), Ok(()));
}

#[test]
fn a_port_in_use_is_told_and_tried_again() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let around = Around::new(SystemClock::shared());
    let channel = ListChannel::new("c1", Rules::default());
    let given = [("bind", "127.0.0.1"), ("port", port.as_str())];
    let error = source(&given, &around, &channel).err().unwrap();
    assert!(!error.fatal && error.what.contains(&format!("127.0.0.1:{port}")), "{error:?}");
    assert!(error.next.contains("has the port"), "{error:?}");
    drop(taken);
    assert!(source(&given, &around, &channel).is_ok());
}

#[test]
fn a_stop_lets_go_of_clients_and_of_the_port() {
    let netcat = Netcat::start(&[], Rules::default());
    let mut idle = netcat.connect();
    idle.write_all(b"a\n").unwrap();
    let mut answer = [0; 3];
    idle.read_exact(&mut answer).unwrap();
    assert_eq!(netcat.around.counters.open_connections.get(), 1);
    let (address, counters) = (netcat.address, netcat.around.counters.clone());
    assert_eq!(netcat.stop(), Ok(()));
    assert_eq!(idle.read(&mut answer).unwrap(), 0, "closed");
    assert_eq!(counters.open_connections.get(), 0);
    TcpListener::bind(address).unwrap();
}

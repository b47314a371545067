//! What visitors do: 20,000 requests over a few connections, each with an id of its own. What a request holds follows
//! from its id, so that the oracle can say what must have become of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use crate::http::Client;

pub(crate) const REQUESTS: u32 = 20_000;
const CONNECTIONS: u32 = 4;
/// Pictures in base64, as the operator's were: two of 40 MB, one of 2 MB every thousand requests.
const HUGE: [u32; 2] = [7_001, 14_002];
const HUGE_BYTES: usize = 40_000_000;
const LARGE_EVERY: u32 = 1_000;
const LARGE_BYTES: usize = 2_000_000;

/// Three of four requests post something.
pub(crate) fn posts(id: u32) -> bool {
    id % 4 != 3
}

pub(crate) fn path(id: u32) -> String {
    format!("/weblog/report?id={id:06}")
}

/// What is posted, and becomes a line of the application's log.
pub(crate) fn report(id: u32) -> String {
    format!(r#"{{"id":"{id:06}","user":"user {} 微信","picture":"{}"}}"#, id % 97, picture(id))
}

/// Letters of base64, other ones for each id.
pub(crate) fn picture(id: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = if HUGE.contains(&id) {
        HUGE_BYTES
    } else if id % LARGE_EVERY == 500 {
        LARGE_BYTES
    } else {
        100 + usize::try_from(id % 1_000).unwrap()
    };
    let mut state = u64::from(id) + 1;
    let letters = (0..length).map(|_| {
        // xorshift64: quick, and no two ids alike.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state % 64).unwrap()])
    });
    letters.collect()
}

#[derive(Default)]
struct Gate {
    next: u32,
    allowed: u32,
    failed: Option<String>,
}

struct Shared {
    gate: Mutex<Gate>,
    opened: Condvar,
    answered: AtomicU32,
}

pub(crate) struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Starts the connections; nothing is sent until it is allowed.
    pub(crate) fn start(address: &str) -> Self {
        let shared = Arc::new(Shared {
            gate: Mutex::default(),
            opened: Condvar::new(),
            answered: AtomicU32::new(0),
        });
        let threads = (0..CONNECTIONS)
            .map(|_| {
                let (shared, client) = (Arc::clone(&shared), Client::new(address));
                thread::spawn(move || shared.drive(client))
            })
            .collect();
        Self { shared, threads }
    }

    /// Lets the requests below `id` go.
    pub(crate) fn allow(&self, id: u32) {
        self.shared.gate.lock().unwrap().allowed = id;
        self.shared.opened.notify_all();
    }

    pub(crate) fn answered(&self) -> u32 {
        if let Some(failure) = &self.shared.gate.lock().unwrap().failed {
            panic!("Tomcat did not answer: {failure}");
        }
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Waits for the last answer.
    pub(crate) fn finish(self) {
        self.allow(REQUESTS);
        for thread in self.threads {
            thread.join().unwrap();
        }
        assert_eq!(self.shared.answered.load(Ordering::SeqCst), REQUESTS);
    }
}

impl Shared {
    fn drive(&self, mut client: Client) {
        while let Some(id) = self.next() {
            let body = posts(id).then(|| report(id));
            match client.ask(&path(id), body.as_deref().map(str::as_bytes)) {
                Ok(answer) if answer.status == 200 => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                }
                Ok(answer) => return self.fail(&format!("status {}", answer.status)),
                Err(failure) => return self.fail(&failure.to_string()),
            }
        }
    }

    fn next(&self) -> Option<u32> {
        let gate = self.gate.lock().unwrap();
        let mut gate = self
            .opened
            .wait_while(gate, |gate| gate.next == gate.allowed && gate.next < REQUESTS)
            .unwrap();
        let id = gate.next;
        (id < REQUESTS).then(|| gate.next += 1).map(|()| id)
    }

    fn fail(&self, failure: &str) {
        self.gate.lock().unwrap().failed = Some(failure.to_owned());
    }
}

//! What a channel is: batches in the order they were put, each there or not, each event settled or not; and for each of
//! these facts whether somebody was told so. Everything the suite demands is demanded here.

use std::ops::Range;
use tailwater::ranges::RangeSet;

/// What is known of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Asked for, and not answered: it may be so or not, but it is one of them.
    Open,
    Yes,
    No,
}

/// A batch as it was put.
#[derive(Clone, Debug)]
pub struct Put {
    /// The ids of its events: ascending over all batches.
    pub ids: Range<u64>,
    /// The bytes of the input it stands for.
    pub origin: Range<u64>,
    /// Whether it is in the channel, or was.
    pub there: Known,
    /// For each event, whether it is settled.
    pub settled: Vec<Known>,
}

/// The channel as it must be.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub puts: Vec<Put>,
}

impl Model {
    pub fn put(&mut self, ids: Range<u64>, origin: Range<u64>) -> usize {
        let settled = vec![Known::No; (ids.end - ids.start) as usize];
        self.puts.push(Put { ids, origin, there: Known::Open, settled });
        self.puts.len() - 1
    }

    pub fn settle(&mut self, id: u64, known: Known) {
        let put = self.puts.iter_mut().find(|put| put.ids.contains(&id)).expect("it was put");
        put.settled[(id - put.ids.start) as usize] = known;
    }

    /// Events of which somebody was told that they are there.
    pub fn answered(&self) -> u64 {
        let there = self.puts.iter().filter(|put| put.there == Known::Yes);
        there.map(|put| put.ids.end - put.ids.start).sum()
    }

    /// An event was handed out: its batch is durable, or it was handed out too early.
    pub fn handed_out(&mut self, id: u64) {
        let put = self.puts.iter_mut().find(|put| put.ids.contains(&id)).expect("C3: never put");
        assert_ne!(put.there, Known::No, "C3: {id} is handed out and is not there");
        put.there = Known::Yes;
        let settled = put.settled[(id - put.ids.start) as usize];
        assert_eq!(settled, Known::No, "C2: {id} is handed out again");
    }

    /// R5: what a process was not told is durable is not there when the same process opens the channel again.
    pub fn refuse_open(&mut self) {
        let known = |fact: &mut Known| *fact = if *fact == Known::Open { Known::No } else { *fact };
        for put in &mut self.puts {
            known(&mut put.there);
            put.settled.iter_mut().for_each(known);
        }
    }

    /// Compares what a channel holds and vouches for after opening with what it must. What was open is known from now on.
    pub fn check(&mut self, found: &[u64], marks: &RangeSet) {
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "C5: not in order: {found:?}");
        let known = |id: &u64| self.puts.iter().any(|put| put.ids.contains(id));
        assert!(found.iter().all(known), "C3: never put, in {found:?}");
        for put in &mut self.puts {
            put.check(found, marks);
        }
        let there = self.puts.iter().filter(|put| put.there == Known::Yes);
        let expected: RangeSet = there.map(|put| put.origin.clone()).collect();
        assert_eq!(
            marks, &expected,
            "R1, R2, R8: vouched for what is not there, or not for what is"
        );
    }
}

impl Put {
    fn check(&mut self, found: &[u64], marks: &RangeSet) {
        let has = |id: u64| found.binary_search(&id).is_ok();
        let wanted = |settled: &Known| *settled == Known::No;
        if self.there == Known::Open {
            let mut ids = self.ids.clone();
            let there = ids.any(has) || (self.ids.is_empty() && marks.contains_range(&self.origin));
            self.there = if there { Known::Yes } else { Known::No };
        }
        for (id, settled) in self.ids.clone().zip(&mut self.settled) {
            match (self.there, *settled) {
                (Known::Yes, Known::Open) => {
                    *settled = if has(id) { Known::No } else { Known::Yes }
                }
                (Known::Yes, Known::Yes) => assert!(!has(id), "C2: {id} was settled and is there"),
                (Known::Yes, _) => assert!(wanted(settled) && has(id), "C1, C4: {id} is lost"),
                _ => assert!(!has(id), "C3, C4: {id} came back, or came alone"),
            }
        }
    }
}

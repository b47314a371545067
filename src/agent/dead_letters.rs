//! Where a source sets aside an event that its channel can never hold: files below `~/.flume/dead-letters/<agent>/<source>`.

use crate::component::Context;
use crate::deadletter::file::{FileLetters, FileSettings};
use crate::deadletter::line::Sender;
use crate::deadletter::{DeadLetters, Id, Letter};
use crate::event::{Event, Origin};
use crate::source::processor::SetAside;
use std::path::Path;
use uuid::Uuid;

/// What all files of a source may take, in bytes; then it waits. A sink's default too.
const BYTES_MAX: u64 = 1 << 30;

/// Dead letters of one source.
pub(super) struct SourceLetters {
    source: String,
    letters: Box<dyn DeadLetters>,
    /// The batch the last event came from, and how many of it were kept.
    kept: (Origin, u64),
    /// Stands for the input where a source has none that can be named.
    life: Uuid,
}

impl SourceLetters {
    /// Opens nothing before the first letter.
    pub(super) fn new(home: &str, context: &Context) -> Self {
        let (agent, component) = (context.agent.to_string(), context.name.to_string());
        let dir = Path::new(home).join(".flume/dead-letters").join(&agent).join(&component);
        let settings = FileSettings { dir, max_bytes: BYTES_MAX };
        let sender = Sender { agent, component: component.clone() };
        let (clock, teller) = (context.clock.clone(), context.teller.clone());
        let letters = Box::new(FileLetters::new(settings, sender, clock, teller));
        Self { source: component, letters, kept: (Origin::default(), 0), life: Uuid::new_v4() }
    }
}

impl SetAside for SourceLetters {
    /// The event is known by where its batch begins and how many of the batch were set aside before it: the same batch read
    /// again gives the same ids.
    fn set_aside(&mut self, event: Event<'_>, reason: &str, origin: &Origin) -> Result<(), String> {
        if origin.parts.is_empty() || self.kept.0 != *origin {
            let ordinal = if origin.parts.is_empty() { self.kept.1 } else { 0 };
            self.kept = (origin.clone(), ordinal);
        }
        let (batch, file) = match origin.parts.first() {
            Some(part) => (format!("{}@{}", part.input, part.range.start), part.input.to_string()),
            None => (self.life.to_string(), String::new()),
        };
        let letter = Letter {
            id: Id::in_input(&self.source, &batch, self.kept.1),
            code: "event-too-large",
            reason: reason.to_owned(),
            origin: vec![("source", self.source.clone()), ("input", file)],
            headers: event.headers,
            key: None,
            body: event.body,
        };
        let kept = self.letters.keep(&[letter]);
        kept.map_err(|error| format!("{error}; next: {}", error.next()))?;
        self.kept.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SourceLetters;
    use crate::deadletter::{DeadLetters, Letter, LetterError};
    use crate::event::{Event, Headers, Origin, Part, SourceId};
    use crate::source::processor::SetAside;
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Kept(Arc<Mutex<Vec<String>>>, bool);

    impl DeadLetters for Kept {
        fn keep(&mut self, letters: &[Letter<'_>]) -> Result<usize, LetterError> {
            self.1 = !self.1;
            if self.1 {
                let (place, detail) = ("x".into(), "full".into());
                return Err(LetterError::NoRoom { place, detail });
            }
            self.0.lock().unwrap().extend(letters.iter().map(|letter| letter.id.to_string()));
            Ok(letters.len())
        }

        fn place(&self) -> String {
            "x".into()
        }
    }

    fn ids(origins: &[Origin]) -> Vec<String> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut letters = SourceLetters {
            source: "r1".into(),
            letters: Box::new(Kept(kept.clone(), false)),
            kept: (Origin::default(), 0),
            life: uuid::Uuid::from_u128(7),
        };
        let headers = Arc::new(Headers::new());
        let event = Event { headers: &headers, body: b"too large" };
        for origin in origins {
            assert!(letters.set_aside(event, "too large", origin).is_err(), "no room at first");
            assert!(letters.set_aside(event, "too large", origin).is_ok());
        }
        drop(letters);
        Arc::into_inner(kept).unwrap().into_inner().unwrap()
    }

    #[test]
    fn equal_events_of_one_batch_are_different_letters_and_the_same_ones_when_read_again() {
        let batch = |from: u64| Origin {
            source: Some(SourceId { name: "r1".into(), plan: 0 }),
            parts: vec![Part {
                input: "f".into(),
                range: from..from + 10,
                evidence: Arc::from([]),
            }],
            forgotten: Vec::new(),
        };
        let given = [batch(0), batch(0), batch(10), Origin::default(), Origin::default()];
        let first = ids(&given);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 5, "{first:?}");
        assert_eq!(ids(&given), first);
    }
}

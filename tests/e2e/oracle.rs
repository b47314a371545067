//! Judges a run: what was handed out must be there, and between Kafka and MySQL nothing may appear twice.
//!
//! The agent's default is at least once: it may send a record again that it could not know to be there. So ids may be
//! doubled in the topic. But every record of the topic is exactly one row, known by partition and offset.

use std::collections::{BTreeSet, HashMap};

use crate::broker;
use crate::traffic;

/// A request's id out of the access log's `%r`.
pub(crate) const ACCESS_ID: &str =
    "CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(request, 'id=', -1), ' ', 1) AS INT)";

pub(crate) struct Row {
    place: (i32, i64),
    id: u32,
}

impl Row {
    /// From the fields partition, offset, id.
    pub(crate) fn read(fields: &[String]) -> Self {
        Self {
            place: (fields[0].parse().unwrap(), fields[1].parse().unwrap()),
            id: fields[2].parse().unwrap(),
        }
    }
}

/// Compares ids handed out, the topic's records and the table's rows, one by one. How many records the topic has beyond
/// one for each id.
pub(crate) fn judge(
    what: &str,
    topic: &str,
    rows: Vec<Row>,
    handed_out: impl Iterator<Item = u32>,
) -> usize {
    let mut records = HashMap::new();
    for record in broker::records(topic) {
        let place = (record.partition, record.offset);
        assert!(records.insert(place, id_in(&record.body)).is_none(), "a place twice: {place:?}");
    }
    let sent: BTreeSet<u32> = records.values().copied().collect();
    let resent = records.len() - sent.len();

    let arrived: BTreeSet<u32> = rows.iter().map(|row| row.id).collect();
    for row in rows {
        let Some(id) = records.remove(&row.place) else {
            panic!("{what}: the row of id {} at {:?} is doubled, or no record's", row.id, row.place)
        };
        assert_eq!(id, row.id, "{what}: the record at {:?} became another one's row", row.place);
    }
    assert!(records.is_empty(), "{what}: records without a row: {:?}", first(records.keys()));

    let handed_out: BTreeSet<u32> = handed_out.collect();
    let missing: Vec<_> = handed_out.difference(&arrived).collect();
    assert!(missing.is_empty(), "{what}: {} ids missing: {:?}", missing.len(), first(&missing));
    let strange: Vec<_> = arrived.difference(&handed_out).collect();
    assert!(strange.is_empty(), "{what}: ids nobody handed out: {:?}", first(&strange));
    resent
}

/// A report's row (partition, offset, id, length, CRC-32C of the picture) has the picture that was posted.
pub(crate) fn same_picture(row: &[String]) {
    let picture = traffic::picture(row[2].parse().unwrap());
    let posted = (picture.len().to_string(), crc32c::crc32c(picture.as_bytes()).to_string());
    assert_eq!((&row[3], &row[4]), (&posted.0, &posted.1), "the picture of {} is another", row[2]);
}

/// Both kinds of line have `id` and six digits, with one or three characters in between.
fn id_in(line: &[u8]) -> u32 {
    let digits = ["?id=", "\"id\":\""].iter().find_map(|mark| {
        let at = memchr::memmem::find(line, mark.as_bytes())? + mark.len();
        std::str::from_utf8(line.get(at..at + 6)?).ok()?.parse().ok()
    });
    digits.unwrap_or_else(|| panic!("no id in {:.200}", String::from_utf8_lossy(line)))
}

fn first<T: std::fmt::Debug>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    all.into_iter().take(10).collect()
}

//! A chunk's records as rows and dead letters, and the pieces it is cut into when a row is refused.

use crate::consumer::chunk::Chunk;
use crate::consumer::letterbox::Refused;
use crate::consumer::rows::{Place, Rows};
use crate::database::{Cell, Insert, Limits};
use std::ops::Range;

/// What a record has become.
pub(super) enum Made {
    /// The n-th row of the chunk.
    Row(usize),
    /// A dead letter, with its reason.
    Letter(String),
}

/// A chunk's records as rows.
pub(super) struct Work<'a> {
    pub(super) chunk: &'a Chunk,
    made: Vec<Made>,
    cells: Vec<Cell<'a>>,
    pub(super) width: usize,
}

/// A part of a chunk that is delivered by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<u64>,
    pub(super) records: Range<usize>,
}

impl<'a> Work<'a> {
    /// The records as rows, or as letters with their reasons.
    pub(super) fn new(rows: &'a Rows, insert: &Insert, chunk: &'a Chunk, limits: Limits) -> Self {
        let identity = &chunk.held.identity;
        let place = Place { topic: &identity.topic, partition: identity.partition };
        let width = rows.width();
        let mut cells = Vec::with_capacity(chunk.records.len() * width);
        let mut made = Vec::with_capacity(chunk.records.len());
        for record in chunk.records.iter() {
            let before = cells.len();
            let row = rows.add(&record, place, &mut cells).and_then(|()| {
                let bytes = insert.row_bytes(cells.get(before..).unwrap_or_default());
                if bytes <= limits.row_bytes {
                    return Ok(());
                }
                cells.truncate(before);
                Err(format!("the row has {bytes} bytes, which needs more of {}", limits.setting))
            });
            made.push(match row {
                Ok(()) => Made::Row(before / width.max(1)),
                Err(reason) => Made::Letter(reason),
            });
        }
        Self { chunk, made, cells, width }
    }

    /// The whole of it as one piece.
    pub(super) fn whole(&self) -> Piece {
        Piece { range: self.chunk.range.clone(), records: 0..self.chunk.records.len() }
    }

    /// The cells of a piece's rows: they lie one after the other.
    pub(super) fn rows_of(&self, piece: &Piece) -> &[Cell<'a>] {
        let made = self.made.get(piece.records.clone()).unwrap_or_default();
        let mut rows = made.iter().filter_map(|made| match made {
            Made::Row(row) => Some(*row),
            Made::Letter(_) => None,
        });
        let Some(first) = rows.next() else { return &[] };
        let last = rows.next_back().unwrap_or(first);
        self.cells.get(first * self.width..(last + 1) * self.width).unwrap_or_default()
    }

    /// The records of a piece that are set aside, each with its reason.
    pub(super) fn letters(&self, piece: &Piece) -> Vec<Refused<'_>> {
        let made = self.made.get(piece.records.clone()).unwrap_or_default();
        let indexed = piece.records.clone().zip(made);
        indexed
            .filter_map(|(index, made)| match made {
                Made::Letter(reason) => {
                    let record = self.chunk.records.get(index)?;
                    let identity = &self.chunk.held.identity;
                    Some(Refused { identity, record, reason })
                }
                Made::Row(_) => None,
            })
            .collect()
    }

    pub(super) fn first_letter(&self, piece: &Piece) -> Option<u64> {
        self.letters(piece).first().map(|refused| refused.record.offset)
    }

    /// The one record of a piece becomes a letter.
    pub(super) fn set_aside(&mut self, piece: &Piece, reason: String) {
        if let Some(made) = self.made.get_mut(piece.records.start) {
            *made = Made::Letter(reason);
        }
    }

    /// A piece in two, whose ranges adjoin (R14).
    pub(super) fn halves(&self, piece: &Piece) -> (Piece, Piece) {
        let middle = piece.records.start + piece.records.len() / 2;
        let at = self.chunk.records.get(middle).map_or(piece.range.end, |record| record.offset);
        let first = Piece { range: piece.range.start..at, records: piece.records.start..middle };
        let second = Piece { range: at..piece.range.end, records: middle..piece.records.end };
        (first, second)
    }
}

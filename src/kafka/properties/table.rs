//! The translation as data: one row for each property, in `table.tsv` beside this file.

use super::convert::Word;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Whose properties a row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Producer,
    Consumer,
}

/// What becomes of one property.
#[derive(Debug)]
pub(super) struct Row {
    pub what: What,
    /// librdkafka's names, one for each conversion.
    pub targets: Vec<&'static str>,
    /// What the operator is told: a reason, or for an old name today's.
    pub note: &'static str,
}

#[derive(Debug)]
pub(super) enum What {
    Map(Vec<Word>),
    Only(&'static str),
    Code,
    Ignore,
    Overruled,
    Old,
    Refuse,
}

const TABLE: &str = include_str!("table.tsv");

type Rows = HashMap<&'static str, Row>;

static ROWS: LazyLock<HashMap<Role, Rows>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut rows: HashMap<Role, Rows> = HashMap::new();
    for line in lines {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or("");
        let (role, name, what, targets, note) = (field(), field(), field(), field(), field());
        let roles: &[Role] = match role {
            "producer" => &[Role::Producer],
            "consumer" => &[Role::Consumer],
            _ => &[Role::Producer, Role::Consumer],
        };
        for role in roles {
            let targets = targets.split(',').filter(|t| !t.is_empty()).collect();
            let row = Row { what: what_of(what), targets, note };
            rows.entry(*role).or_default().insert(name, row);
        }
    }
    rows
});

fn what_of(text: &'static str) -> What {
    match text {
        "ignore" => What::Ignore,
        "overruled" => What::Overruled,
        "old" => What::Old,
        "refuse" => What::Refuse,
        _ if text.starts_with("code:") => What::Code,
        _ => match text.strip_prefix("only:") {
            Some(only) => What::Only(only),
            None => What::Map(text.split(';').map(Word::parse).collect()),
        },
    }
}

/// The row of one property.
pub(super) fn row(role: Role, name: &str) -> Option<&'static Row> {
    ROWS.get(&role)?.get(name)
}

/// Every row, for tests to walk.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (Role, &'static str, &'static Row)> {
    ROWS.iter().flat_map(|(role, rows)| rows.iter().map(|(name, row)| (*role, *name, row)))
}

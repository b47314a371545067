//! The order in which Java walks a hash table, where Flume's outcome depends on it: which `${key}` is already known, which
//! of two groups gets a shared sink, which sink of a group comes first.
//!
//! As in Java 9 and later: `HashMap` and `HashSet` walk their buckets upwards and each bucket in the order of insertion;
//! `Properties` keeps a `ConcurrentHashMap`, which may turn parts of a bucket round when it grows. Buckets of more than
//! eight, which Java makes trees of, keep the order of insertion here.

use std::collections::HashSet;
use std::hash::Hash;

/// `HashMap`'s table before anything is in it.
const FIRST_BUCKETS: usize = 16;
/// A bucket this long makes a small table grow.
const LONG_BUCKET: usize = 8;
/// A table this large grows no more for a long bucket's sake.
const LARGE_TABLE: usize = 64;

/// `String#hashCode`, its halves mixed as both tables do.
fn spread(key: &str) -> u32 {
    let hash = key
        .encode_utf16()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

/// The bucket of a hash in a table whose size is a power of two.
fn bucket(hash: u32, buckets: usize) -> usize {
    usize::try_from(hash).unwrap_or(0) & (buckets - 1)
}

/// Keys in the order in which a `HashMap` or `HashSet` would hand them out.
#[derive(Clone, Debug)]
pub struct HashOrder<K> {
    buckets: Vec<Vec<(u32, K)>>,
    /// The keys that are in: a chain may be as long as somebody likes.
    known: HashSet<K>,
}

impl<K: AsRef<str> + Clone + Eq + Hash> Default for HashOrder<K> {
    fn default() -> Self {
        Self::with_buckets(FIRST_BUCKETS)
    }
}

impl<K: AsRef<str> + Clone + Eq + Hash> HashOrder<K> {
    fn with_buckets(buckets: usize) -> Self {
        Self { buckets: (0..buckets).map(|_| Vec::new()).collect(), known: HashSet::new() }
    }

    /// `new HashSet<>(list)`, which is made as large as the list asks for.
    #[must_use]
    pub fn of_list(keys: Vec<K>) -> Self {
        let wanted = (keys.len() * 4 / 3 + 1).max(FIRST_BUCKETS);
        let mut order = Self::with_buckets(wanted.next_power_of_two());
        for key in keys {
            order.insert(key);
        }
        order
    }

    /// Puts a key in. One that is there already stays where it is.
    pub fn insert(&mut self, key: K) {
        if !self.known.insert(key.clone()) {
            return;
        }
        let hash = spread(key.as_ref());
        let index = bucket(hash, self.buckets.len());
        let Some(chain) = self.buckets.get_mut(index) else { return };
        chain.push((hash, key));
        let long = chain.len() > LONG_BUCKET;
        if long && self.buckets.len() < LARGE_TABLE {
            self.grow();
        }
        if self.known.len() > self.buckets.len() / 4 * 3 {
            self.grow();
        }
    }

    /// Twice the buckets, each chain split without changing its order.
    fn grow(&mut self) {
        let buckets = self.buckets.len() * 2;
        let old = std::mem::replace(self, Self::with_buckets(buckets));
        self.known = old.known;
        for (hash, key) in old.buckets.into_iter().flatten() {
            if let Some(chain) = self.buckets.get_mut(bucket(hash, buckets)) {
                chain.push((hash, key));
            }
        }
    }

    /// The keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.buckets.iter().flatten().map(|(_, key)| key)
    }

    /// The keys, in order.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.buckets.into_iter().flatten().map(|(_, key)| key)
    }
}

/// The order of `Properties#stringPropertyNames` after these keys (each once) were put in one after the other.
#[must_use]
pub fn properties_order<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut table = ConcurrentTable::new();
    for key in keys {
        table.insert(key);
    }
    let mut names = HashOrder::default();
    for (_, key) in table.buckets.into_iter().flatten() {
        names.insert(key);
    }
    names.into_keys().collect()
}

/// A `ConcurrentHashMap` as `Properties` makes it.
struct ConcurrentTable<'a> {
    buckets: Vec<Vec<(u32, &'a str)>>,
    known: HashSet<&'a str>,
}

impl<'a> ConcurrentTable<'a> {
    fn new() -> Self {
        Self { buckets: vec![Vec::new(); FIRST_BUCKETS], known: HashSet::new() }
    }

    fn insert(&mut self, key: &'a str) {
        if !self.known.insert(key) {
            return;
        }
        let hash = spread(key);
        let index = bucket(hash, self.buckets.len());
        let Some(chain) = self.buckets.get_mut(index) else { return };
        let long = chain.len() >= LONG_BUCKET;
        chain.push((hash, key));
        if long && self.buckets.len() < LARGE_TABLE {
            self.grow();
        }
        // It grows when three quarters are full; `HashMap` only when one more comes.
        while self.known.len() >= self.buckets.len() / 4 * 3 {
            self.grow();
        }
    }

    /// Twice the buckets. The end of a chain that goes to one side as a whole is moved as it is; what comes before it is put
    /// in front one by one, and so turned round.
    fn grow(&mut self) {
        let half = self.buckets.len();
        let mut grown: Vec<Vec<(u32, &'a str)>> = vec![Vec::new(); half * 2];
        for (index, chain) in std::mem::take(&mut self.buckets).into_iter().enumerate() {
            let upper = |hash: u32| bucket(hash, half * 2) >= half;
            let Some(last) = chain.last().map(|(hash, _)| upper(*hash)) else { continue };
            let run =
                chain.iter().rposition(|(hash, _)| upper(*hash) != last).map_or(0, |at| at + 1);
            for (side, place) in [(false, index), (true, index + half)] {
                let before = chain.iter().take(run).filter(|(hash, _)| upper(*hash) == side).rev();
                let tail = chain.iter().skip(run).filter(|(hash, _)| upper(*hash) == side);
                if let Some(target) = grown.get_mut(place) {
                    target.extend(before.chain(tail));
                }
            }
        }
        self.buckets = grown;
    }
}

#[cfg(test)]
mod tests {
    use super::{HashOrder, properties_order};

    /// Recorded from Java 17.
    #[test]
    fn sets_are_walked_as_java_walks_them() {
        let order = |list: &[&str]| -> Vec<String> {
            HashOrder::of_list(list.iter().map(|s| (*s).to_owned()).collect()).into_keys().collect()
        };
        assert_eq!(
            order(&["k2", "k1", "k10", "sink-b", "sink-a"]),
            ["sink-b", "k1", "k2", "k10", "sink-a"]
        );
        let many: Vec<String> = (0..14).map(|n| format!("sink{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            order(&many).join(" "),
            "sink8 sink7 sink9 sink4 sink3 sink6 sink5 sink10 sink11 sink12 sink13 sink0 \
             sink2 sink1"
        );
    }

    #[test]
    fn properties_are_walked_as_java_walks_them() {
        let keys: Vec<String> = (0..27).map(|n| format!("k{}", n * 7919)).collect();
        assert_eq!(
            properties_order(keys.iter().map(String::as_str)).join(" "),
            "k102947 k174218 k23757 k142542 k166299 k197975 k7919 k63352 k15838 k31676 k71271 \
             k87109 k150461 k95028 k39595 k158380 k118785 k126704 k79190 k0 k190056 k47514 \
             k205894 k134623 k182137 k110866 k55433"
        );
    }
}

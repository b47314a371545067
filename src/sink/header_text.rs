//! Headers as Java prints a map, `{k=v, k2=v2}`: what the logger and the header-and-text serializer write. Java's order is
//! that of a hash table; ours is that of the names.

use crate::event::Headers;
use std::fmt;

/// Headers, to be printed as Java prints a map.
pub struct HeaderText<'a>(pub &'a Headers);

impl fmt::Display for HeaderText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value}")?;
        }
        f.write_str("}")
    }
}

//! Text, truth, numbers, times, sizes, paths, lists of names.

use crate::config::java::split_blanks;
use crate::config::scope::Scope;
use crate::config::value::{Doubt, Value, Wrong};
use std::path::{Path, PathBuf};
use std::time::Duration;

impl Value for String {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(text.to_owned())
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(text.eq_ignore_ascii_case("true"))
    }

    fn doubt(text: &str) -> Option<Doubt> {
        let clear = ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(text));
        (!clear).then(|| Doubt { read_as: "false".to_owned(), expected: Self::EXPECTED })
    }
}

/// Whole numbers. Flume reads an `int` or a `long`; what it would not hold is refused here too.
macro_rules! whole_numbers {
    ($($Number:ty as $Java:ty: $expected:literal,)+) => {$(
        impl Value for $Number {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Result<Self, Wrong> {
                let number = text.parse::<$Java>().map_err(|_| Wrong::Expected)?;
                Self::try_from(number).map_err(|_| Wrong::Expected)
            }
        }
    )+};
}

whole_numbers! {
    i32 as i32: "a whole number",
    i64 as i64: "a whole number",
    u16 as i32: "a whole number from 0 to 65535",
    u32 as i32: "a whole number, 0 or more",
    u64 as i64: "a whole number, 0 or more",
    usize as i32: "a whole number, 0 or more",
}

impl Value for f64 {
    const EXPECTED: &'static str = "a number";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse::<Self>().ok().filter(|number| number.is_finite()).ok_or(Wrong::Expected)
    }
}

/// How many of something: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(usize);

impl Count {
    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

impl Value for Count {
    const EXPECTED: &'static str = "a whole number, 1 or more";

    fn parse(text: &str) -> Result<Self, Wrong> {
        usize::parse(text).ok().filter(|count| *count > 0).map(Self).ok_or(Wrong::Expected)
    }
}

/// A time in milliseconds, which is what most of Flume's times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Value for Millis {
    const EXPECTED: &'static str = "milliseconds, 0 or more";

    fn parse(text: &str) -> Result<Self, Wrong> {
        u64::parse(text).map(Self)
    }
}

/// A time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

impl Seconds {
    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl Value for Seconds {
    const EXPECTED: &'static str = "seconds, 0 or more";

    fn parse(text: &str) -> Result<Self, Wrong> {
        u64::parse(text).map(Self)
    }
}

/// A number of bytes, plain or with a unit of 1024s (`64k`, `2GiB`): for keys that Flume does not have. Flume's own take
/// plain numbers only and are `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The number of bytes.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl Value for ByteSize {
    const EXPECTED: &'static str = "a number of bytes, such as `1048576`, `64KiB` or `2GiB`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text.strip_prefix(digits).unwrap_or_default().trim_start().to_ascii_lowercase();
        let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => return Err(Wrong::Expected),
        };
        let number = u64::parse(digits)?;
        number.checked_mul(1 << shift).map(Self).ok_or(Wrong::Expected)
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(Self::from(text))
    }

    /// A default may name the home directory, the agent and the component.
    fn parse_default(text: &str, scope: &Scope<'_>) -> Result<Self, Wrong> {
        let named =
            text.replace("<agent>", scope.agent()).replace("<component>", scope.component());
        Ok(match named.strip_prefix("~/") {
            Some(below) => Path::new(scope.home()).join(below),
            None => Self::from(named),
        })
    }

    fn doubt(text: &str) -> Option<Doubt> {
        text.starts_with("~/").then(|| Doubt {
            read_as: format!("./{text}"),
            expected: "the home directory in full, or `${sys:user.home}`: only a shell knows `~`",
        })
    }
}

/// A list of names between blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// The names, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for Names {
    const EXPECTED: &'static str = "names with blanks between them";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(Self(
            split_blanks(text)
                .into_iter()
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        ))
    }

    fn doubt(text: &str) -> Option<Doubt> {
        text.contains(',').then(|| Doubt {
            read_as: Self::parse(text).map_or_else(|_| String::new(), |names| names.0.join("` `")),
            expected: "blanks between names: a comma is a part of the name",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, Count, Millis, Names};
    use crate::config::java::trim;
    use crate::config::value::{Value, Wrong};
    use std::path::PathBuf;

    #[test]
    fn only_true_is_true() {
        for (text, value, doubted) in [
            ("TRUE", true, false),
            ("false", false, false),
            ("yes", false, true),
            ("1", false, true),
        ] {
            assert_eq!(bool::parse(text), Ok(value), "{text}");
            assert_eq!(bool::doubt(text).is_some(), doubted, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_javas() {
        assert_eq!(i32::parse("+7"), Ok(7));
        assert_eq!(u32::parse("-1"), Err(Wrong::Expected));
        for wrong in ["", "1k", "0x10", "1_000", "1.0", "2147483648"] {
            assert_eq!(u32::parse(wrong), Err(Wrong::Expected), "{wrong}");
        }
        assert_eq!(u64::parse("9223372036854775807"), Ok(9_223_372_036_854_775_807));
        assert_eq!(u64::parse("9223372036854775808"), Err(Wrong::Expected));
        assert_eq!(Count::parse("0"), Err(Wrong::Expected));
        assert_eq!(Millis::parse("250").map(Millis::duration).unwrap().as_millis(), 250);
    }

    #[test]
    fn a_byte_size_may_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64k", 64 << 10),
            ("2GiB", 2 << 30),
            ("3 MB", 3 << 20),
        ] {
            assert_eq!(ByteSize::parse(text).map(ByteSize::get), Ok(bytes), "{text}");
        }
        for wrong in ["", "k", "1x", "1.5g", "-1", "99999999999t"] {
            assert_eq!(ByteSize::parse(wrong), Err(Wrong::Expected), "{wrong}");
        }
    }

    #[test]
    fn names_are_split_at_blanks_and_not_at_commas() {
        let names = Names::parse("c1  c2\tc3").unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["c1", "c2", "c3"]);
        assert_eq!(Names::doubt("r1, r2").unwrap().read_as, "r1,` `r2");
        assert!(Names::doubt("r1 r2").is_none());
    }

    #[test]
    fn a_tilde_from_the_operator_is_taken_as_written_and_told() {
        assert_eq!(PathBuf::parse("~/x"), Ok(PathBuf::from("~/x")));
        assert_eq!(PathBuf::doubt("~/x").unwrap().read_as, "./~/x");
    }

    #[test]
    fn blanks_around_a_value_are_those_of_java() {
        assert_eq!(trim("\u{1f} \u{0}x\u{a0}\t"), "x\u{a0}");
    }
}

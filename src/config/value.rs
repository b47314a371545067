//! The types a key can have, and what may stand in the file for each: stated once for all keys of that type.
//!
//! A text is read as Flume reads it (`Context#getInteger` and its kin: Java's `parseInt`, `true` in any case and everything
//! else false). Where that reading surprises, the value is taken and a warning says what it was taken for.

use crate::config::diagnostic::Diagnostic;
use crate::config::java::trim;
use crate::config::keys::KeySpec;
use crate::config::scope::{Found, Scope};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::config::pattern::Pattern;
pub use crate::config::section::{Section, SectionEntry};

/// Why a text stands for no value of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not what [`Value::EXPECTED`] says.
    Expected,
    /// It is, but for this.
    Because(String),
}

/// A type that a key can have.
pub trait Value: Sized {
    /// Completes "expected …" in a message and fills a column of the table.
    const EXPECTED: &'static str;
    /// Whether the key may be left out though it has no default.
    const OPTIONAL: bool = false;
    /// Whether no message, page or dump may show it.
    const SECRET: bool = false;

    /// The value this text stands for, if it stands for one.
    fn parse(text: &str) -> Result<Self, Wrong>;

    /// What a left-out optional key stands for.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }

    /// What a default's text stands for: more than the same text from an operator only where it names a place (`~`).
    fn parse_default(text: &str, _scope: &Scope<'_>) -> Result<Self, Wrong> {
        Self::parse(text)
    }

    /// The word that a wrong text was probably meant to be.
    #[must_use]
    fn suggest(_text: &str) -> Option<&'static str> {
        None
    }

    /// What is odd about a text that can be read.
    #[must_use]
    fn doubt(_text: &str) -> Option<Doubt> {
        None
    }

    /// Finds the key in its scope, parses it, and reports what is wrong with it.
    fn read(scope: &mut Scope<'_>, spec: &'static KeySpec) -> Option<Self> {
        let Some(found) = scope.find(spec) else { return left_out(scope, spec) };
        let text = trim(found.value);
        match Self::parse(text) {
            Ok(value) => {
                if let Some(doubt) = Self::doubt(text) {
                    doubtful(scope, spec, &found, &doubt);
                }
                Some(value)
            }
            Err(_) if found.pending => {
                scope.wait_for_filter();
                None
            }
            Err(wrong) => refused(scope, spec, &found, wrong),
        }
    }
}

/// A value that was read, but perhaps not as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What it is read as.
    pub read_as: String,
    /// What was probably expected there.
    pub expected: &'static str,
}

/// The value of a key that is not in the file.
fn left_out<V: Value>(scope: &mut Scope<'_>, spec: &'static KeySpec) -> Option<V> {
    let Some(default) = spec.default else {
        return V::absent().or_else(|| {
            scope.missing(spec);
            None
        });
    };
    if let Ok(value) = V::parse_default(default, scope) {
        return Some(value);
    }
    // A test walks every table and parses every default: this is a defect of ours, told all the same.
    let message = format!("the default `{default}` of `{}` cannot be read", spec.name);
    let remark = scope.error("wrong-default", scope.place(), message);
    scope.report(remark.expected(V::EXPECTED));
    None
}

/// Tells that a value cannot be read: replaced by its default where Flume does so, else the end of its component.
fn refused<V: Value>(
    scope: &mut Scope<'_>,
    spec: &'static KeySpec,
    found: &Found<'_>,
    wrong: Wrong,
) -> Option<V> {
    let shown =
        if V::SECRET { "what stands there".to_owned() } else { format!("`{}`", found.value) };
    let expected = match wrong {
        Wrong::Expected => format!("expected {}", V::EXPECTED),
        Wrong::Because(why) => why,
    };
    let suggested = V::suggest(trim(found.value)).map(|word| format!("did you mean `{word}`?"));
    match spec.default {
        Some(default) if spec.lenient => {
            let message = format!("`{}` cannot be {shown}: `{default}` is used instead", found.key);
            let effect = format!(
                "`{}` starts with `{} = {default}`, as in Flume",
                scope.component(),
                spec.name
            );
            scope.report(
                Diagnostic::warning("replaced-value", found.value_span, message, effect)
                    .expected(expected)
                    .maybe_help(suggested),
            );
            V::parse_default(default, scope).ok()
        }
        default => {
            let message = format!("`{}` cannot be {shown}", found.key);
            let help = suggested.or_else(|| default.map(|text| format!("the default is `{text}`")));
            let remark = scope.error("wrong-value", found.value_span, message);
            scope.report(remark.expected(expected).maybe_help(help));
            None
        }
    }
}

/// Tells what a value was taken for.
fn doubtful(scope: &mut Scope<'_>, spec: &'static KeySpec, found: &Found<'_>, doubt: &Doubt) {
    let message = format!("`{} = {}` is read as `{}`", found.key, found.value, doubt.read_as);
    let effect = format!("`{}` is `{}`, as in Flume", spec.name, doubt.read_as);
    scope.report(
        Diagnostic::warning("doubtful-value", found.value_span, message, effect)
            .expected(format!("expected {}", doubt.expected)),
    );
}

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
            text.split([' ', '\t', '\n', '\u{b}', '\u{c}', '\r'])
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

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Value for HostPort {
    const EXPECTED: &'static str = "`host:port`";

    /// As Kafka's client takes it: an optional `PROTOCOL://`, brackets around an IPv6 address, a port.
    fn parse(text: &str) -> Result<Self, Wrong> {
        let address = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = address.rsplit_once(':').ok_or(Wrong::Expected)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(Wrong::Expected);
        }
        let port = port.parse().map_err(|_| Wrong::Expected)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Hosts and ports between commas: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPorts(Vec<HostPort>);

impl HostPorts {
    /// Each of them, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &HostPort> {
        self.0.iter()
    }
}

impl fmt::Display for HostPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

impl Value for HostPorts {
    const EXPECTED: &'static str = "`host:port`, or several with commas between them";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let addresses = text.split(',').map(trim).filter(|address| !address.is_empty());
        let parsed = addresses
            .map(|address| {
                HostPort::parse(address)
                    .map_err(|_| Wrong::Because(format!("`{address}` is not `host:port`")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if parsed.is_empty() { Err(Wrong::Expected) } else { Ok(Self(parsed)) }
    }
}

/// A text that nobody is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whoever must send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(******)")
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "text that is not shown";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        Ok(Self::from(text))
    }
}

impl<V: Value> Value for Option<V> {
    const EXPECTED: &'static str = V::EXPECTED;
    const OPTIONAL: bool = true;
    const SECRET: bool = V::SECRET;

    fn parse(text: &str) -> Result<Self, Wrong> {
        V::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn parse_default(text: &str, scope: &Scope<'_>) -> Result<Self, Wrong> {
        V::parse_default(text, scope).map(Some)
    }

    fn suggest(text: &str) -> Option<&'static str> {
        V::suggest(text)
    }

    fn doubt(text: &str) -> Option<Doubt> {
        V::doubt(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, Count, HostPort, HostPorts, Millis, Names, Value, Wrong};
    use crate::config::java::trim;
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
    fn brokers_are_written_as_for_kafkas_client() {
        let brokers = HostPorts::parse(" a:1 , SSL://b.c:2,[::1]:3 ").unwrap();
        assert_eq!(brokers.to_string(), "a:1,b.c:2,[::1]:3");
        assert_eq!(brokers.iter().last(), Some(&HostPort { host: "::1".to_owned(), port: 3 }));
        assert!(
            matches!(HostPorts::parse("a:1,b"), Err(Wrong::Because(why)) if why.contains("`b`"))
        );
        assert_eq!(HostPorts::parse(" , "), Err(Wrong::Expected));
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

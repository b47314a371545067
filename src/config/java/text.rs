//! Java's `String`: trimming, splitting and comparing, where they differ from Rust's.

/// Without the blanks and control characters around it (`String#trim`).
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// What `\s` is to Java.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// `split("\\s+")`: an empty piece before a leading blank, none behind a trailing one, and one of nothing at all.
#[must_use]
pub fn split_blanks(text: &str) -> Vec<&str> {
    let inner = text.trim_matches(BLANKS);
    if inner.is_empty() {
        return if text.is_empty() { vec![""] } else { Vec::new() };
    }
    let leading = text.starts_with(BLANKS).then_some("");
    leading.into_iter().chain(inner.split(BLANKS).filter(|piece| !piece.is_empty())).collect()
}

/// `StringTokenizer(text, " ")`: pieces between single spaces, tabs not counting.
#[must_use]
pub fn split_single(text: &str) -> Vec<&str> {
    if trim(text).is_empty() {
        return Vec::new();
    }
    text.split(' ').filter(|piece| !piece.is_empty()).collect()
}

/// `equalsIgnoreCase`: letter by letter, upper case first, then lower.
#[must_use]
pub fn equals_ignore_case(one: &str, other: &str) -> bool {
    let mut left = one.chars();
    let mut right = other.chars();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || folded(a) == folded(b) => {}
            _ => return false,
        }
    }
}

fn folded(c: char) -> char {
    single(single(c, char::to_uppercase), char::to_lowercase)
}

/// The other case of `c`, where that is one letter, else `c` as it was.
fn single<I: Iterator<Item = char>>(c: char, case: impl FnOnce(char) -> I) -> char {
    let mut letters = case(c);
    match (letters.next(), letters.next()) {
        (Some(letter), None) => letter,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::{equals_ignore_case, split_blanks, split_single};

    #[test]
    fn lists_are_split_as_java_splits_them() {
        assert_eq!(split_blanks("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(split_blanks(" a"), ["", "a"]);
        assert_eq!(split_blanks("a "), ["a"]);
        assert_eq!(split_blanks(""), [""]);
        assert!(split_blanks("  ").is_empty());
        assert_eq!(split_blanks("a\u{a0}b"), ["a\u{a0}b"]);
        assert_eq!(split_single("g1  g2\tg3"), ["g1", "g2\tg3"]);
        assert!(split_single(" \t").is_empty());
    }

    #[test]
    fn case_is_ignored_letter_by_letter() {
        assert!(equals_ignore_case("SEQ", "seq"));
        assert!(equals_ignore_case("\u{17f}eq", "seq"), "a long s is an S to Java");
        assert!(!equals_ignore_case("ß", "ss"));
        assert!(!equals_ignore_case("seq", "seqs"));
    }
}

//! "Did you mean": one good guess, or none.
//!
//! A wall of alternatives is not read; a wrong guess is worse than none. So a guess is made only for what a slip of the
//! finger explains: another case, another separator, a letter or two.

use strsim::damerau_levenshtein;

/// The candidate that `written` was probably meant to be; none where two are as near.
pub fn closest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = plain(written);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| *candidate != written)
        .filter_map(|candidate| Some((distance(written, &plain, candidate)?, candidate)))
        .collect();
    near.sort_unstable();
    near.dedup();
    match near.as_slice() {
        [(first, _), (second, _), ..] if first == second => None,
        [(_, candidate), ..] => Some(candidate),
        [] => None,
    }
}

/// How far apart they are, if near enough to be the same word.
fn distance(written: &str, plain_written: &str, candidate: &str) -> Option<usize> {
    let plain_candidate = plain(candidate);
    if plain_candidate == plain_written {
        return Some(0);
    }
    // `topicHeadr` yes, `foo` for `bar` no.
    let bound = match written.chars().count().max(candidate.chars().count()) {
        0 | 1 => 0,
        2..=5 => 1,
        6..=8 => 2,
        9..=15 => 3,
        _ => 4,
    };
    if plain_candidate.len().abs_diff(plain_written.len()) > 4 * bound {
        return None;
    }
    let apart = damerau_levenshtein(&plain_candidate, plain_written);
    (apart > 0 && apart <= bound).then_some(apart)
}

/// Without what fingers confuse: case and separators.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_of_the_finger_is_guessed() {
        let keys = ["kafka.topic", "kafka.bootstrap.servers", "topicHeader", "keep-alive", "type"];
        for (written, meant) in [
            ("kafka.bootstrap.server", "kafka.bootstrap.servers"),
            ("topicHeadr", "topicHeader"),
            ("keepAlive", "keep-alive"),
            ("kafkatopic", "kafka.topic"),
            ("tpye", "type"),
        ] {
            assert_eq!(closest(written, keys), Some(meant), "{written}");
        }
    }

    #[test]
    fn a_stranger_is_not_guessed() {
        assert_eq!(closest("compression", ["kafka.topic", "type", "capacity"]), None);
        assert_eq!(closest("x", ["y"]), None);
        assert_eq!(closest("hdfs-channel-1", ["kafka-channel-1"]), None);
        assert_eq!(closest("c9", ["c1", "c2"]), None, "one as good as the other");
        assert_eq!(closest("a2", ["a1"]), Some("a1"));
    }

    #[test]
    fn the_word_itself_is_no_guess() {
        assert_eq!(closest("type", ["type"]), None);
    }
}

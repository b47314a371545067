//! "Did you mean": one good guess, or none.
//!
//! A wall of alternatives is not read; a wrong guess is worse than none. So a guess is made only for what a slip of the
//! finger explains: another case, another separator, a letter or two.

use strsim::damerau_levenshtein;

/// The candidate that `written` was probably meant to be.
pub fn closest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = plain(written);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != written)
        .filter_map(|candidate| Some((distance(written, &plain, candidate)?, candidate)))
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// How far apart they are, if near enough to be the same word.
fn distance(written: &str, plain_written: &str, candidate: &str) -> Option<usize> {
    let plain_candidate = plain(candidate);
    if plain_candidate == plain_written {
        return Some(0);
    }
    // One slip in three letters, two in six, and never more than four: `topicHeadr` yes, `foo` for `bar` no.
    let bound = (written.chars().count().max(candidate.chars().count()) / 3).min(4);
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
    }

    #[test]
    fn the_word_itself_is_no_guess() {
        assert_eq!(closest("type", ["type"]), None);
    }
}

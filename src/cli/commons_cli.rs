//! Flume's command line as Apache Commons CLI 1.5 reads it, because that is what service units and runbooks were written
//! against: `-n a1`, `-na1`, `-n=a1`, `--name a1`, `--name=a1`, `-name a1`, unambiguous beginnings of long names, an
//! option given twice, bare words that nobody looks at, and `--` that ends it all.
//!
//! `clap` has another idea of a single dash, so this one thing is read by hand, rule by rule as `DefaultParser` does it.
//! Options that are Tailwater's own are known by their whole name alone: no beginning that was unique in Flume becomes
//! ambiguous here.

use std::fmt;

/// An option of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OptionSpec {
    /// What stands behind one dash, such as `n`. Not always one letter: `prov`.
    pub(crate) short: Option<&'static str>,
    /// What stands behind two dashes, such as `conf-file`.
    pub(crate) long: &'static str,
    /// What its argument is called, if it takes one.
    pub(crate) argument: Option<&'static str>,
    /// What it does.
    pub(crate) about: &'static str,
    /// Whether Flume has it.
    pub(crate) flumes: bool,
}

/// What was given, in order.
#[derive(Debug, Default)]
pub(crate) struct Given {
    options: Vec<(&'static OptionSpec, Option<String>)>,
}

/// Why a command line could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// No option begins so.
    #[error("there is no option `{0}`")]
    Unknown(String),
    /// Several do.
    #[error("`{0}` could be {1}: write the whole name")]
    Ambiguous(String, String),
    /// An option that needs an argument has none.
    #[error("option {0} needs an argument")]
    MissingArgument(&'static OptionSpec),
}

impl fmt::Display for OptionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short {
            Some(short) => write!(f, "-{short},--{}", self.long),
            None => write!(f, "--{}", self.long),
        }
    }
}

impl Given {
    /// The argument of the first time an option was given; the later ones do not count.
    #[must_use]
    pub(crate) fn first(&self, long: &str) -> Option<&str> {
        let mut given = self.options.iter().filter(|(option, _)| option.long == long);
        given.find_map(|(_, argument)| argument.as_deref())
    }

    /// The arguments of an option, in order.
    pub(crate) fn all<'a>(&'a self, long: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.options.iter().filter(move |(option, _)| option.long == long);
        given.filter_map(|(_, argument)| argument.as_deref())
    }

    /// Whether an option was given.
    #[must_use]
    pub(crate) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(option, _)| option.long == long)
    }

    /// Adds what an options file (`flume.opts`) says: names without dashes, for options that the command line lacks; a
    /// flag counts when it is `true`, `yes` or `1`.
    pub(crate) fn add_defaults<'a>(
        &mut self,
        options: &'static [OptionSpec],
        defaults: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Wrong> {
        for (name, value) in defaults {
            let named = |o: &&OptionSpec| o.short == Some(name) || o.long == name;
            let option = options.iter().find(named).ok_or_else(|| Wrong::Unknown(name.into()))?;
            if self.has(option.long) {
                continue;
            }
            let yes = ["true", "yes", "1"].iter().any(|word| word.eq_ignore_ascii_case(value));
            if option.argument.is_some() {
                self.options.push((option, Some(value.to_owned())));
            } else if yes {
                self.options.push((option, None));
            }
        }
        Ok(())
    }
}

/// Reads a command line.
pub(crate) fn parse(options: &'static [OptionSpec], words: &[String]) -> Result<Given, Wrong> {
    let mut parser = Parser { options, given: Given::default(), waiting: None };
    for word in words {
        if word == "--" {
            break;
        }
        parser.word(word)?;
    }
    parser.nothing_waits()?;
    Ok(parser.given)
}

struct Parser {
    options: &'static [OptionSpec],
    given: Given,
    /// The option whose argument comes next.
    waiting: Option<&'static OptionSpec>,
}

impl Parser {
    fn word(&mut self, word: &str) -> Result<(), Wrong> {
        if let Some(option) = self.waiting
            && self.is_argument(word)
        {
            self.waiting = None;
            self.given.options.push((option, Some(unquoted(word).to_owned())));
            return Ok(());
        }
        match word.strip_prefix('-') {
            None | Some("") => Ok(()), // a bare word: nobody looks at it
            Some(rest) if rest.starts_with('-') => self.long(word, rest.trim_start_matches('-')),
            Some(rest) => self.short(word, rest),
        }
    }

    /// Whether a word is an option's argument: it looks like no option, or is a negative number.
    fn is_argument(&self, word: &str) -> bool {
        let looks_like_option = word.len() > 1 && word.starts_with('-') && {
            let stripped = word.trim_start_matches('-');
            let name = stripped.split_once('=').map_or(stripped, |(name, _)| name);
            let single = !word.starts_with("--");
            !self.matching(name).is_empty()
                || (single && self.long_prefix(name).is_some())
                || (single && self.short_named(name).is_some())
                || (single && first_letter(name).is_some_and(|l| self.short_named(l).is_some()))
        };
        !looks_like_option || word.parse::<f64>().is_ok()
    }

    /// `--name`, `--name=value`, and behind one dash the same by a long name.
    fn long(&mut self, word: &str, rest: &str) -> Result<(), Wrong> {
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let option = match self.matching(name).as_slice() {
            [] => return Err(Wrong::Unknown(word.to_owned())),
            [one] => *one,
            several => {
                let names: Vec<_> = several.iter().map(|o| format!("--{}", o.long)).collect();
                return Err(Wrong::Ambiguous(word.to_owned(), names.join(" or ")));
            }
        };
        match value {
            Some(_) if option.argument.is_none() => Err(Wrong::Unknown(word.to_owned())),
            value => self.take(option, value),
        }
    }

    /// `-n`, `-n=value`, `-name`, `-name=value`, `-nvalue`, `-hi 5`.
    fn short(&mut self, word: &str, rest: &str) -> Result<(), Wrong> {
        if let Some((name, value)) = rest.split_once('=') {
            if name.chars().count() != 1 {
                return self.long(word, rest);
            }
            return match self.short_named(name) {
                Some(option) if option.argument.is_some() => self.take(option, Some(value)),
                _ => Err(Wrong::Unknown(word.to_owned())),
            };
        }
        if let Some(option) = self.short_named(rest) {
            return self.take(option, None);
        }
        if rest.chars().count() > 1 && !self.matching(rest).is_empty() {
            return self.long(word, rest);
        }
        if let Some(option) = self.long_prefix(rest)
            && option.argument.is_some()
        {
            return self.take(option, rest.strip_prefix(option.long));
        }
        self.concatenated(word, rest)
    }

    /// `-na1`, or several flags behind one dash of which the last may take the rest as its argument.
    fn concatenated(&mut self, word: &str, rest: &str) -> Result<(), Wrong> {
        let mut rest = rest;
        while let Some(letter) = first_letter(rest) {
            let Some(option) = self.short_named(letter) else {
                return Err(Wrong::Unknown(word.to_owned()));
            };
            rest = rest.strip_prefix(letter).unwrap_or_default();
            if option.argument.is_some() && !rest.is_empty() {
                return self.take(option, Some(rest));
            }
            self.take(option, None)?;
        }
        Ok(())
    }

    fn take(&mut self, option: &'static OptionSpec, value: Option<&str>) -> Result<(), Wrong> {
        self.nothing_waits()?;
        match value {
            None if option.argument.is_some() => self.waiting = Some(option),
            value => self.given.options.push((option, value.map(str::to_owned))),
        }
        Ok(())
    }

    fn nothing_waits(&self) -> Result<(), Wrong> {
        self.waiting.map_or(Ok(()), |option| Err(Wrong::MissingArgument(option)))
    }

    fn short_named(&self, name: &str) -> Option<&'static OptionSpec> {
        self.options.iter().find(|o| o.short == Some(name))
    }

    /// The option with this long name, or else all of Flume's that begin so.
    fn matching(&self, name: &str) -> Vec<&'static OptionSpec> {
        if let Some(exact) = self.options.iter().find(|o| o.long == name) {
            return vec![exact];
        }
        let begins = |o: &&OptionSpec| !name.is_empty() && o.flumes && o.long.starts_with(name);
        self.options.iter().filter(begins).collect()
    }

    /// The option whose whole long name begins the word: `-namea1`.
    fn long_prefix(&self, word: &str) -> Option<&'static OptionSpec> {
        self.options
            .iter()
            .find(|o| o.flumes && word.len() > o.long.len() && word.starts_with(o.long))
    }
}

fn first_letter(word: &str) -> Option<&str> {
    let letter = word.chars().next()?;
    word.get(..letter.len_utf8())
}

/// Without the quotation marks around it, if it has them at both ends.
fn unquoted(word: &str) -> &str {
    let inner = word.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
    inner.filter(|w| !w.contains('"')).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::{OptionSpec, Wrong, parse};

    const fn option(
        short: Option<&'static str>,
        long: &'static str,
        argument: Option<&'static str>,
    ) -> OptionSpec {
        OptionSpec { short, long, argument, about: "", flumes: true }
    }

    static OPTIONS: &[OptionSpec] = &[
        option(Some("n"), "name", Some("name")),
        option(Some("f"), "conf-file", Some("file")),
        option(Some("u"), "conf-uri", Some("uri")),
        option(Some("i"), "poll-interval", Some("seconds")),
        option(None, "no-reload-conf", None),
        option(Some("prov"), "conf-provider", Some("class")),
        option(Some("h"), "help", None),
        OptionSpec { flumes: false, ..option(None, "pid-file", Some("file")) },
    ];

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_spelling_that_commons_cli_takes_names_the_same_agent() {
        for line in [
            "-n a1",
            "-na1",
            "-n=a1",
            "--name a1",
            "--name=a1",
            "-name a1",
            "-name=a1",
            "-namea1",
            "--na a1",
            "-na a1",
            "bare -n a1 words",
            "-h -n a1",
            "-hna1",
            "-n \"a1\"",
            "-n a1 -n a2",
            "-n a1 -- -n a2 --nonsense",
        ] {
            let given = parse(OPTIONS, &words(line)).unwrap_or_else(|e| panic!("{line}: {e}"));
            // `-na a1` is `-n` with `a` behind it as Commons CLI reads it only where no long name begins so.
            assert_eq!(given.first("name"), Some("a1"), "{line}");
        }
    }

    #[test]
    fn files_given_several_times_are_all_kept_in_order() {
        let given = parse(OPTIONS, &words("-f a --conf-f b -f=c --no-reload -i -1")).unwrap();
        assert_eq!(given.all("conf-file").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(given.has("no-reload-conf"));
        assert_eq!(given.first("poll-interval"), Some("-1"));
    }

    #[test]
    fn what_commons_cli_refuses_is_refused() {
        let refused = |line: &str| parse(OPTIONS, &words(line)).unwrap_err();
        assert_eq!(refused("-n a1 --verify-host"), Wrong::Unknown("--verify-host".into()));
        assert_eq!(refused("-prov=X"), Wrong::Unknown("-prov=X".into()));
        assert_eq!(
            refused("--no-reload-conf=true"),
            Wrong::Unknown("--no-reload-conf=true".into())
        );
        assert_eq!(refused("-N a1"), Wrong::Unknown("-N".into()));
        assert!(matches!(refused("--conf x"), Wrong::Ambiguous(..)));
        assert_eq!(refused("-n"), Wrong::MissingArgument(&OPTIONS[0]));
        assert_eq!(refused("-f -n a1"), Wrong::MissingArgument(&OPTIONS[1]));
        assert_eq!(refused("-hx"), Wrong::Unknown("-hx".into()));
    }

    #[test]
    fn an_option_of_our_own_takes_no_beginning_away_from_flumes() {
        let given = parse(OPTIONS, &words("--p 5 --pid-file x")).unwrap();
        assert_eq!((given.first("poll-interval"), given.first("pid-file")), (Some("5"), Some("x")));
    }

    #[test]
    fn an_options_file_counts_where_the_command_line_is_silent() {
        let mut given = parse(OPTIONS, &words("-f mine")).unwrap();
        let defaults =
            [("n", "a1"), ("conf-file", "theirs"), ("no-reload-conf", "YES"), ("help", "no")];
        given.add_defaults(OPTIONS, defaults).unwrap();
        assert_eq!(given.first("name"), Some("a1"));
        assert_eq!(given.all("conf-file").collect::<Vec<_>>(), ["mine"]);
        assert!(given.has("no-reload-conf") && !given.has("help"));
        let unknown = given.add_defaults(OPTIONS, [("nam", "a1")]);
        assert_eq!(unknown, Err(Wrong::Unknown("nam".into())));
    }
}

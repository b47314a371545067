//! The search-and-replace interceptor: replaces in bodies what a pattern finds. Replacements are Java's: `$1`, `${name}`,
//! `\$`.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::component::{Context, StartError};
use crate::config::charset::Charset;
use crate::config::keys::{Scope, keys};
use crate::config::value::Pattern;
use crate::event::{Batch, Rewrite};
use crate::status::happening::Teller;
use fancy_regex::{Captures, Regex};

keys! {
    /// Replaces in bodies what a regular expression finds.
    pub struct SearchReplaceConfig = "org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder" {
        /// The regular expression.
        "searchPattern" => search: Pattern,
        /// What is put in the place of each match; `$1` and `${name}` stand for groups.
        "replaceString" => replace: String = "",
        /// The character set of the bodies.
        "charset" => charset: Charset = "UTF-8",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[SearchReplaceConfig::TYPE, "search_replace"],
    about: SearchReplaceConfig::ABOUT,
    keys: SearchReplaceConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>) -> Option<Box<dyn StartInterceptor>> {
    let SearchReplaceConfig { search, replace, charset } = SearchReplaceConfig::read(scope)?;
    match template(&replace, search.regex_for("")) {
        Ok(template) => Some(Box::new(SearchReplace { search, template, charset })),
        Err(why) => {
            let span = scope.value_span("replaceString");
            let remark =
                scope.error("wrong-value", span, format!("`replaceString` cannot be `{replace}`"));
            scope.report(remark.expected(why).help("write `\\\\$` for a dollar sign"));
            None
        }
    }
}

#[derive(Clone, Debug)]
struct SearchReplace {
    search: Pattern,
    template: Vec<Piece>,
    charset: Charset,
}

/// A piece of what is put in the place of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Reads a replacement as `Matcher#appendReplacement` does; what that would refuse at the first match is refused at once.
fn template(written: &str, regex: &Regex) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.push(rest.next().ok_or("a character after the last `\\`")?),
            '$' => {
                let group = if rest.next_if_eq(&'{').is_some() {
                    let name: String =
                        std::iter::from_fn(|| rest.next_if(char::is_ascii_alphanumeric)).collect();
                    rest.next_if_eq(&'}').ok_or("`${` and `}` around the name of a group")?;
                    let index = regex.capture_names().position(|known| known == Some(&name));
                    index.ok_or_else(|| format!("`searchPattern` has no group `{name}`"))?
                } else {
                    numbered(&mut rest, regex.captures_len())?
                };
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Group(group));
            }
            other => text.push(other),
        }
    }
    pieces.push(Piece::Text(text));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(pieces)
}

/// The number of a group: as many digits as still name one, as Java counts.
fn numbered(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    groups: usize,
) -> Result<usize, String> {
    let digit = |c: &char| c.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
    let mut group = rest.peek().and_then(digit).ok_or("a group's number or `{name}` after `$`")?;
    if group >= groups {
        return Err(format!("`searchPattern` has no group {group}"));
    }
    rest.next();
    while let Some(next) = rest.peek().and_then(digit) {
        let longer = group.saturating_mul(10).saturating_add(next);
        if longer >= groups {
            break;
        }
        group = longer;
        rest.next();
    }
    Ok(group)
}

impl SearchReplace {
    /// The text with every match replaced (`Matcher#replaceAll`); `None` if there is none.
    fn replaced(&self, text: &str) -> Result<Option<String>, fancy_regex::Error> {
        let regex = self.search.regex_for(text);
        let mut replaced: Option<String> = None;
        let (mut from, mut copied) = (0, 0);
        while from <= text.len() {
            let Some(captures) = regex.captures_from_pos(text, from)? else { break };
            let Some(whole) = captures.get(0) else { break };
            let out = replaced.get_or_insert_with(|| String::with_capacity(text.len()));
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            self.append(out, &captures);
            copied = whole.end();
            // After an empty match Java goes on behind the next character; after any other, where it ended.
            let next = text.get(copied..).and_then(|rest| rest.chars().next());
            from = if whole.start() == whole.end() {
                copied + next.map_or(1, char::len_utf8)
            } else {
                copied
            };
        }
        if let Some(out) = &mut replaced {
            out.push_str(text.get(copied..).unwrap_or_default());
        }
        Ok(replaced)
    }

    fn append(&self, out: &mut String, captures: &Captures<'_, str>) {
        for piece in &self.template {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Group(group) => {
                    out.push_str(captures.get(*group).map_or("", |found| found.as_str()));
                }
            }
        }
    }
}

impl StartInterceptor for SearchReplace {
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        Ok(Box::new(Running { config: self.clone(), teller: context.teller.clone() }))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

struct Running {
    config: SearchReplace,
    teller: Teller,
}

impl Interceptor for Running {
    fn intercept(&mut self, batch: &mut Batch) {
        let config = &self.config;
        batch.rewrite(|event| match config.replaced(&config.charset.decode(event.body)) {
            Ok(None) => Rewrite::Keep,
            Ok(Some(text)) => Rewrite::Body(config.charset.encode(&text).into_owned()),
            Err(error) => {
                super::tell_wild(&self.teller, &config.search, &error, "the body stays as it is");
                Rewrite::Keep
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{SearchReplace, template};
    use crate::config::charset::Charset;
    use crate::config::value::{Pattern, Value};

    fn replaced(pattern: &str, replacement: &str, text: &str) -> Result<String, String> {
        let search = Pattern::parse(pattern).unwrap();
        let template = template(replacement, search.regex_for(""))?;
        let config = SearchReplace { search, template, charset: Charset::UTF_8 };
        Ok(config.replaced(text).unwrap().unwrap_or_else(|| text.to_owned()))
    }

    /// As `java.util.regex.Matcher#replaceAll` answers.
    #[test]
    fn replacements_are_javas() {
        for (pattern, replacement, text, expected) in [
            (r"\d+", "#", "a1b22", "a#b#"),
            (r"(\w)(\w)", "$2$1", "abcd", "badc"),
            (r"(?<y>\d{4})-(?<m>\d\d)", "${m}/${y}", "2024-05", "05/2024"),
            (r"(a)", "$12", "a", "a2"),
            (r"a", r"\$1\\", "a", r"$1\"),
            (r"a", "$0$0", "bab", "baab"),
            (r"(x)?a", "[$1]", "a", "[]"),
            (r"a*", "X", "baaac", "XbXXcX"),
            (r"", "-", "né", "-n-é-"),
            (r"^\s+|\s+$", "", "  a b ", "a b"),
        ] {
            assert_eq!(
                replaced(pattern, replacement, text).as_deref(),
                Ok(expected),
                "{pattern} {replacement} {text}"
            );
        }
    }

    #[test]
    fn a_replacement_that_java_refuses_at_the_first_match_is_refused_at_once() {
        for (replacement, why) in [
            ("$2", "no group 2"),
            ("$x", "after `$`"),
            ("$", "after `$`"),
            ("${x}", "no group `x`"),
            ("${x", "around"),
            ("a\\", "after the last"),
        ] {
            let refused = replaced("(a)", replacement, "a").unwrap_err();
            assert!(refused.contains(why), "{replacement}: {refused}");
        }
    }
}

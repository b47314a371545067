//! One entry of Java's login configuration, as `sasl.jaas.config` holds it:
//!
//! ```text
//! class flag option* ;      option := name = text      text := "…" | '…' | word
//! ```
//!
//! Read as the JVM's own parser reads it. What it refuses (a word that begins with a digit, say) and we could understand
//! is read too; nothing is read differently.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// One login module and its options. Shows no values.
#[derive(PartialEq, Eq)]
pub(super) struct Entry {
    /// The Java class.
    pub class: String,
    options: Vec<(String, String)>,
}

impl Entry {
    /// The class's own name, where it is one of the modules that Kafka's clients come with or the JVM's for Kerberos.
    pub(super) fn module(&self) -> Option<&str> {
        const PACKAGES: [&str; 4] = [
            "org.apache.kafka.common.security.plain.",
            "org.apache.kafka.common.security.scram.",
            "org.apache.kafka.common.security.oauthbearer.",
            "com.sun.security.auth.module.",
        ];
        PACKAGES.iter().find_map(|package| self.class.strip_prefix(package))
    }

    /// An option's value; of a repeated one the last counts.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "Entry({}, {names:?})", self.class)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Equals,
    Semicolon,
}

/// The one entry of `text`, or why it is none. The reason shows no values.
pub(super) fn parse(text: &str) -> Result<Entry, &'static str> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let Some(Token::Text(class)) = tokens.next() else {
        return Err("it does not begin with a class");
    };
    let Some(Token::Text(flag)) = tokens.next() else {
        return Err("there is no flag behind the class");
    };
    let flag = flag.to_ascii_lowercase();
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.as_str()) {
        return Err("the flag is not `required`, `requisite`, `sufficient` or `optional`");
    }
    let mut options = Vec::new();
    loop {
        match tokens.next() {
            Some(Token::Semicolon) => break,
            Some(Token::Text(name)) => {
                let (Some(Token::Equals), Some(Token::Text(value))) =
                    (tokens.next(), tokens.next())
                else {
                    return Err("an option is not written as name=value");
                };
                options.push((name, value));
            }
            Some(Token::Equals) => return Err("there is a `=` without a name before it"),
            None => return Err("the `;` at its end is missing"),
        }
    }
    match tokens.peek() {
        None => Ok(Entry { class, options }),
        Some(_) => Err("there is something behind the `;`, and one entry is all there may be"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut chars = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&c) = chars.peek() {
        match c {
            _ if c.is_whitespace() => drop(chars.next()),
            '/' => comment(&mut chars)?,
            '"' | '\'' => {
                chars.next();
                tokens.push(Token::Text(quoted(&mut chars, c)?));
            }
            '=' => {
                chars.next();
                tokens.push(Token::Equals);
            }
            ';' => {
                chars.next();
                tokens.push(Token::Semicolon);
            }
            _ => tokens.push(Token::Text(word(&mut chars))),
        }
    }
    Ok(tokens)
}

fn comment(chars: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    chars.next();
    match chars.next() {
        Some('/') => chars.by_ref().take_while(|c| *c != '\n').for_each(drop),
        Some('*') => {
            let mut last = ' ';
            for c in chars.by_ref() {
                if last == '*' && c == '/' {
                    return Ok(());
                }
                last = c;
            }
            return Err("a comment has no end");
        }
        _ => return Err("a value with `/` has to stand in quotes"),
    }
    Ok(())
}

fn word(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"=;\"'".contains(*c)) {
        word.push(c);
    }
    word
}

fn quoted(chars: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, &'static str> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            _ if c == quote => return Ok(text),
            '\n' | '\r' => break,
            '\\' => text.push(escaped(chars)?),
            _ => text.push(c),
        }
    }
    Err("a quotation has no end on its line")
}

fn escaped(chars: &mut Peekable<Chars<'_>>) -> Result<char, &'static str> {
    let c = chars.next().ok_or("a quotation has no end on its line")?;
    Ok(match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'a' => '\u{7}',
        'v' => '\u{b}',
        '0'..='7' => {
            let mut code = c.to_digit(8).unwrap_or(0);
            // Three digits at most, and two where the first would lead beyond 255.
            for _ in 0..if c <= '3' { 2 } else { 1 } {
                match chars.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8)) {
                    Some(digit) => code = code * 8 + digit,
                    None => break,
                }
            }
            char::from_u32(code).unwrap_or('\u{fffd}')
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_entry_is_read_as_the_jvm_reads_it() {
        let class = "org.apache.kafka.common.security.scram.ScramLoginModule";
        let entry = parse(&format!(
            "{class} REQUIRED /* who */ username = 'a;b' password=\"\\x\\\"\\\\ \\101=\" // end\n password=\"last\";"
        ))
        .unwrap();
        assert_eq!(entry.module(), Some("ScramLoginModule"));
        assert_eq!(entry.option("username"), Some("a;b"));
        assert_eq!(entry.option("password"), Some("last"));
        assert!(!format!("{entry:?}").contains("last"), "a value is shown");
        let entry = parse("x.Y required a=\"\\101\\x\\\"\" b=w.o-r_d$1;").unwrap();
        assert_eq!(entry.option("a"), Some("Ax\""));
        assert_eq!(entry.option("b"), Some("w.o-r_d$1"));
        assert_eq!(entry.module(), None);
    }

    #[test]
    fn what_is_no_entry_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "begin with a class"),
            ("x.Y", "no flag"),
            ("x.Y maybe;", "flag is not"),
            ("x.Y required a=b", "`;` at its end"),
            ("x.Y required a b;", "name=value"),
            ("x.Y required =b;", "without a name"),
            ("x.Y required;;", "behind the `;`"),
            ("x.Y required a=/etc/x;", "in quotes"),
            ("x.Y required a=\"b;", "no end"),
            ("x.Y required a=b; z.Y required;", "one entry"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(reason), "{text}: {why}");
        }
    }
}

//! Java's pattern language written in that of `fancy-regex`: one pass over the characters, with the flags in force.

use std::iter::Peekable;
use std::str::Chars;

/// What ends a line in Java.
pub(super) const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// What `$` and `\Z` are to become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The end of the text: enough where the text does not end in a line end.
    End,
    /// The end, or just before the last line end.
    BeforeLineEnd,
}

/// A pattern in the other language.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Whether it has a `$` or `\Z` outside multi-line mode, so that [`Ends`] matters.
    pub(super) has_line_end: bool,
}

/// The flags that change what is written; `i` and `x` are passed on.
#[allow(
    clippy::struct_excessive_bools,
    reason = "four flags of Java's, set and cleared one by one"
)]
#[derive(Clone, Copy, Default)]
struct Flags {
    dot_all: bool,
    multi_line: bool,
    unix_lines: bool,
    unicode: bool,
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    flags: Flags,
    /// The flags to return to at each `)`.
    groups: Vec<Flags>,
    ends: Ends,
    has_line_end: bool,
}

/// Writes a Java pattern for `fancy-regex`, or says what of it cannot be written.
pub(super) fn translate(java: &str, ends: Ends) -> Result<Translated, String> {
    let mut translator = Translator {
        rest: java.chars().peekable(),
        out: String::with_capacity(java.len() * 2),
        flags: Flags::default(),
        groups: Vec::new(),
        ends,
        has_line_end: false,
    };
    translator.run()?;
    Ok(Translated { pattern: translator.out, has_line_end: translator.has_line_end })
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => {
                    self.escape(false)?;
                }
                '[' => self.class()?,
                '(' => self.group(),
                ')' => {
                    self.flags = self.groups.pop().unwrap_or(self.flags);
                    self.out.push(')');
                }
                '.' => self.dot(),
                '^' if self.flags.multi_line => self.line_start(),
                '$' => self.line_end(),
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn dot(&mut self) {
        self.put(match self.flags {
            Flags { dot_all: true, .. } => r"(?s:.)",
            Flags { unix_lines: true, .. } => r"[^\n]",
            _ => r"[^\n\r\x{85}\x{2028}\x{2029}]",
        });
    }

    fn line_start(&mut self) {
        self.put(if self.flags.unix_lines {
            r"(?:\A|(?<=\n)(?!\z))"
        } else {
            r"(?:\A|(?<=[\n\x{85}\x{2028}\x{2029}])(?!\z)|(?<=\r)(?!\n)(?!\z))"
        });
    }

    fn line_end(&mut self) {
        match (self.flags.multi_line, self.flags.unix_lines) {
            (true, true) => self.put(r"(?:\z|(?=\n))"),
            (true, false) => {
                self.put(r"(?:\z|(?=[\r\x{85}\x{2028}\x{2029}])|(?<!\r)(?=\n))");
            }
            (false, _) => self.last_end(),
        }
    }

    /// The end of the text, or before its last line end.
    fn last_end(&mut self) {
        self.has_line_end = true;
        self.put(match (self.ends, self.flags.unix_lines) {
            (Ends::End, _) => r"\z",
            (Ends::BeforeLineEnd, true) => r"(?=\n?\z)",
            (Ends::BeforeLineEnd, false) => {
                r"(?:\z|(?=(?:\r\n|[\r\x{85}\x{2028}\x{2029}])\z)|(?<!\r)(?=\n\z))"
            }
        });
    }

    /// What follows `(`: flags are read, all other openings are the same in both languages.
    fn group(&mut self) {
        self.out.push('(');
        let mut look = self.rest.clone();
        if look.next() != Some('?') {
            self.groups.push(self.flags);
            return;
        }
        let letters: String =
            std::iter::from_fn(|| look.next_if(|c| c.is_ascii_alphabetic() || *c == '-')).collect();
        match look.peek() {
            Some(end @ (')' | ':')) if !letters.is_empty() => {
                let end = *end;
                look.next();
                self.rest = look;
                self.inline_flags(&letters, end);
            }
            _ => self.groups.push(self.flags),
        }
    }

    /// `(?s)` or `(?s:`, whose `(` is written already.
    fn inline_flags(&mut self, letters: &str, end: char) {
        let before = self.flags;
        let (on, off) = letters.split_once('-').unwrap_or((letters, ""));
        for (set, value) in [(on, true), (off, false)] {
            for letter in set.chars() {
                match letter {
                    's' => self.flags.dot_all = value,
                    'm' => self.flags.multi_line = value,
                    'd' => self.flags.unix_lines = value,
                    'U' => self.flags.unicode = value,
                    _ => {}
                }
            }
        }
        let passed = |set: &str| set.chars().filter(|c| matches!(c, 'i' | 'x')).collect::<String>();
        let (on, off) = (passed(on), passed(off));
        let minus = if off.is_empty() { "" } else { "-" };
        if end == ':' {
            self.groups.push(before);
            self.put(&format!("?{on}{minus}{off}:"));
        } else if on.is_empty() && off.is_empty() {
            self.put("?:)");
        } else {
            self.put(&format!("?{on}{minus}{off})"));
        }
    }

    /// A class in brackets, nested ones included.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        let mut depth = 1;
        let mut first = true;
        // Whether the character before may begin a range: then a `-` is no character.
        let mut low = false;
        while let Some(c) = self.rest.next() {
            match c {
                '^' if first => {
                    self.out.push('^');
                    continue;
                }
                ']' if !first => {
                    self.out.push(']');
                    low = false;
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                '[' => {
                    self.out.push('[');
                    depth += 1;
                    (first, low) = (true, false);
                    continue;
                }
                '\\' => low = self.escape(true)?,
                '-' if low && !matches!(self.rest.peek(), Some(']' | '[') | None) => {
                    self.out.push('-');
                    if self.rest.next_if_eq(&'-').is_some() {
                        self.literal('-');
                    }
                    low = false;
                }
                '&' => {
                    self.out.push('&');
                    low = false;
                }
                // Some are operators there and all are plain characters here.
                ']' | '-' | ':' | '~' => {
                    self.literal(c);
                    low = true;
                }
                other => {
                    self.out.push(other);
                    low = true;
                }
            }
            first = false;
        }
        Err("a class that `[` opens is never closed".to_owned())
    }

    /// What follows a backslash; and whether it was one character.
    fn escape(&mut self, in_class: bool) -> Result<bool, String> {
        let Some(c) = self.rest.next() else {
            return Err("it ends in a single backslash".to_owned());
        };
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'h' | 'H' | 'v' | 'V' => {
                self.shorthand(c);
                return Ok(false);
            }
            'p' | 'P' => {
                self.property(c)?;
                return Ok(false);
            }
            'Q' => self.quoted(),
            'E' => {}
            't' => self.literal('\t'),
            'n' => self.literal('\n'),
            'r' => self.literal('\r'),
            'f' => self.literal('\u{c}'),
            'a' => self.literal('\u{7}'),
            'e' => self.literal('\u{1b}'),
            'x' | 'u' | '0' | 'c' => self.numbered(c)?,
            'R' if !in_class => {
                self.put(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])");
            }
            'Z' if !in_class => self.last_end(),
            'A' | 'b' | 'B' | 'G' | 'k' | 'z' | '1'..='9' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            other if other.is_ascii_alphanumeric() => {
                return Err(format!("`\\{other}` cannot be had here"));
            }
            other => self.literal(other),
        }
        Ok(true)
    }

    /// Classes of one letter, which are ASCII's in Java.
    fn shorthand(&mut self, letter: char) {
        if self.flags.unicode && !matches!(letter, 'h' | 'H' | 'v' | 'V') {
            self.out.push('\\');
            self.out.push(letter);
            return;
        }
        let inside = match letter.to_ascii_lowercase() {
            'd' => "0-9",
            'w' => "a-zA-Z0-9_",
            's' => r"\x20\t\n\x0B\f\r",
            'h' => r"\x20\t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}",
            _ => r"\n\x0B\f\r\x{85}\x{2028}\x{2029}",
        };
        let not = if letter.is_ascii_uppercase() { "^" } else { "" };
        self.put(&format!("[{not}{inside}]"));
    }

    /// `\p{…}` and `\pL`.
    fn property(&mut self, letter: char) -> Result<(), String> {
        let name = match self.rest.next() {
            Some('{') => {
                let name: String =
                    std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
                if self.rest.next().is_none() {
                    return Err(format!("`\\{letter}{{` is never closed"));
                }
                name
            }
            Some(one) => one.to_string(),
            None => return Err(format!("`\\{letter}` names no class")),
        };
        let not = if letter == 'P' { "^" } else { "" };
        let posix = [
            "Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print",
            "Blank", "Cntrl", "XDigit", "Space",
        ];
        if posix.contains(&name.as_str()) && !self.flags.unicode {
            self.put(&format!("[{not}[:{}:]]", name.to_ascii_lowercase()));
            return Ok(());
        }
        let theirs = match name.as_str() {
            "javaLowerCase" => "Lowercase",
            "javaUpperCase" => "Uppercase",
            "javaAlphabetic" => "Alphabetic",
            "javaDigit" => "Nd",
            "javaLetter" => "L",
            "javaWhitespace" => "White_Space",
            java if java.starts_with("java") => {
                return Err(format!("`\\{letter}{{{java}}}` cannot be had here"));
            }
            block
                if block.starts_with("In")
                    || block.starts_with("block=")
                    || block.starts_with("blk=") =>
            {
                return Err(format!("`\\{letter}{{{block}}}`: a Unicode block cannot be had here"));
            }
            other => other.strip_prefix("Is").unwrap_or(other),
        };
        self.put(&format!("\\{letter}{{{theirs}}}"));
        Ok(())
    }

    /// Everything up to `\E`, as it stands.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.peek() == Some(&'E') {
                self.rest.next();
                return;
            }
            self.literal(c);
        }
    }

    /// A character by its number: `\x41`, `\x{1F600}`, `\u0041`, `\0101`, `\cA`.
    fn numbered(&mut self, letter: char) -> Result<(), String> {
        let wrong = || format!("`\\{letter}` is not followed by what it needs");
        let number = match letter {
            'x' if self.rest.next_if_eq(&'{').is_some() => {
                let digits = self.digits(16, 6);
                self.rest.next_if_eq(&'}').ok_or_else(wrong)?;
                digits
            }
            'x' => self.digits(16, 2).filter(|digits| digits.len() == 2),
            'u' => self.digits(16, 4).filter(|digits| digits.len() == 4),
            '0' => {
                let most = if self.rest.peek().is_some_and(|c| *c <= '3') { 3 } else { 2 };
                let digits = self.digits(8, most).ok_or_else(wrong)?;
                let number = u32::from_str_radix(&digits, 8).map_err(|_| wrong())?;
                self.literal(char::from_u32(number).ok_or_else(wrong)?);
                return Ok(());
            }
            _ => {
                let control =
                    self.rest.next().and_then(|c| u8::try_from(c).ok()).ok_or_else(wrong)?;
                self.literal(char::from(control ^ 64));
                return Ok(());
            }
        };
        let number = u32::from_str_radix(&number.ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
        self.literal(char::from_u32(number).ok_or_else(wrong)?);
        Ok(())
    }

    /// Up to `most` digits, if there is one.
    fn digits(&mut self, radix: u32, most: usize) -> Option<String> {
        let mut digits = String::new();
        while digits.len() < most {
            let Some(digit) = self.rest.next_if(|c| c.is_digit(radix)) else { break };
            digits.push(digit);
        }
        (!digits.is_empty()).then_some(digits)
    }

    /// A character that stands for itself, wherever it stands.
    fn literal(&mut self, c: char) {
        if c.is_alphanumeric() || c == '_' {
            self.out.push(c);
        } else {
            self.put(&format!("\\x{{{:X}}}", u32::from(c)));
        }
    }
}

//! Decimal numbers as text: no digit is lost on the way, and none is made up.

/// A number's sign, its digits without leading zeros, and how many of them stand after the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    negative: bool,
    all: String,
    /// Never more than there are, and without trailing zeros.
    after_point: usize,
}

/// More zeros than this are never written out for an exponent: nothing here could hold them.
const EXPONENT_MAX: i32 = 400;

impl Digits {
    /// Reads `-12.50`, `3e4` and their kin; no blanks, no separators of thousands.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        if exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return None;
        }
        let mut digits = format!("{whole}{fraction}");
        let mut after_point = i32::try_from(fraction.len()).ok()? - exponent;
        while after_point < 0 {
            digits.push('0');
            after_point += 1;
        }
        let after_point = usize::try_from(after_point).ok()?;
        if digits.len() < after_point {
            digits = format!("{}{digits}", "0".repeat(after_point - digits.len()));
        }
        Some(Self { negative, all: digits, after_point }.trimmed())
    }

    /// Without zeros that say nothing.
    fn trimmed(mut self) -> Self {
        while self.after_point > 0 && self.all.ends_with('0') {
            self.all.pop();
            self.after_point -= 1;
        }
        let leading = self.all.len() - self.all.trim_start_matches('0').len();
        let removable = leading.min(self.all.len() - self.after_point);
        self.all.drain(..removable);
        if self.all.is_empty() || self.all.bytes().all(|b| b == b'0') {
            self.negative = false;
        }
        self
    }

    /// Digits before the point.
    pub(super) fn whole_digits(&self) -> usize {
        self.all.len() - self.after_point
    }

    /// Digits after the point.
    pub(super) fn fraction_digits(&self) -> usize {
        self.after_point
    }

    /// The number, if it has no fraction and fits.
    pub(super) fn whole(&self) -> Option<i128> {
        if self.after_point > 0 {
            return None;
        }
        let magnitude: i128 = if self.all.is_empty() { 0 } else { self.all.parse().ok()? };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// As a database reads it.
    pub(super) fn text(&self) -> String {
        let (whole, fraction) = self.all.split_at(self.whole_digits());
        let sign = if self.negative { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Digits;

    #[test]
    fn a_number_is_read_without_losing_a_digit() {
        for (text, said, whole, fraction) in [
            ("0", "0", 0, 0),
            ("-0.00", "0", 0, 0),
            ("007", "7", 1, 0),
            ("12.50", "12.5", 2, 1),
            ("-.5", "-0.5", 0, 1),
            ("1e3", "1000", 4, 0),
            ("1.25E-3", "0.00125", 0, 5),
            ("123456789012345678901234567890.12", "123456789012345678901234567890.12", 30, 2),
            ("1200e-2", "12", 2, 0),
        ] {
            let digits = Digits::parse(text).unwrap_or_else(|| panic!("{text}"));
            let got = (digits.text(), digits.whole_digits(), digits.fraction_digits());
            assert_eq!(got, (said.to_owned(), whole, fraction), "{text}");
        }
        assert_eq!(Digits::parse("-42").unwrap().whole(), Some(-42));
        assert_eq!(Digits::parse("4.2e1").unwrap().whole(), Some(42));
        assert_eq!(Digits::parse("4.2").unwrap().whole(), None);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in
            ["", "-", ".", "1.2.3", "0x10", "1e", "1e9999999", "12abc", " 1", "1_000", "NaN"]
        {
            assert_eq!(Digits::parse(text), None, "{text}");
        }
    }
}

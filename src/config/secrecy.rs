//! What must not be shown: values whose key sounds like a secret, and passwords in addresses.
//!
//! A key's table says so where it can (`Secret`); this is for keys that no table knows, and for texts that merely hold one.

use std::borrow::Cow;
use std::ops::Range;

/// What stands in a secret's place.
pub const STARS: &str = "******";

/// Words in a key whose value is a secret, unless the key names a place to find it.
const SECRET_WORDS: [&str; 8] =
    ["passw", "pwd", "passphrase", "secret", "token", "credential", "jaas.config", "keystore.key"];
/// Endings of keys that name a place or a kind.
const NO_SECRET: [&str; 6] = ["file", "path", "type", "class", "provider", "location"];

/// Whether the value of a key must not be shown, by the sound of the key.
#[must_use]
pub fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
        && !NO_SECRET.iter().any(|ending| key.ends_with(ending))
}

/// Where the password of `scheme://user:password@host` stands.
#[must_use]
pub fn password_in(value: &str) -> Option<Range<usize>> {
    let authority = value.find("://")? + 3;
    let rest = value.get(authority..)?;
    let rest = rest.get(..rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len()))?;
    let user = rest.get(..rest.rfind('@')?)?;
    let colon = user.find(':')?;
    Some(authority + colon + 1..authority + user.len())
}

/// A value as it may be shown, given its key.
#[must_use]
pub fn showable<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    if sounds_secret(key) {
        return Cow::Borrowed(STARS);
    }
    match password_in(value) {
        Some(range) => {
            let mut shown = value.to_owned();
            shown.replace_range(range, STARS);
            Cow::Owned(shown)
        }
        None => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::{showable, sounds_secret};

    #[test]
    fn keys_that_sound_secret_are() {
        for key in
            ["a.sinks.k.kafka.producer.ssl.keystore.password", "x.sasl.jaas.config", "clientSecret"]
        {
            assert!(sounds_secret(key), "{key}");
        }
        for key in ["a.sinks.k.passwordFile", "credential.provider.path", "topic"] {
            assert!(!sounds_secret(key), "{key}");
        }
    }

    #[test]
    fn an_address_keeps_all_but_its_password() {
        assert_eq!(showable("url", "mysql://u:p@h:3306/db"), "mysql://u:******@h:3306/db");
        assert_eq!(showable("url", "mysql://u:p:q@x@h/db"), "mysql://u:******@h/db");
        for plain in ["mysql://u@h/db", "http://h:80/a@b:c", "a:b@c", ""] {
            assert_eq!(showable("url", plain), plain);
        }
        assert_eq!(showable("password", "x"), "******");
    }
}

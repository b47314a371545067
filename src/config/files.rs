//! The bytes of the configuration's files, and why they cannot be had: one clear error each.

use crate::config::diagnostic::Diagnostic;
use crate::config::span::{FileIndex, Source, Span};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A configuration is text that people keep; what is larger than this is something else.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// What Flume leaves to readers it does not have, told by what follows the first dot of the path.
const UNSUPPORTED: [&str; 3] = ["json", "yaml", "xml"];

/// In which character set bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8 where the bytes form it, else ISO-8859-1.
    Utf8OrLatin1,
    /// ISO-8859-1 always, as Flume 1.11 reads.
    Latin1,
}

/// A file, read or not.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its name, as the operator gave it.
    pub name: String,
    /// Its bytes, or why there are none.
    pub bytes: Result<Vec<u8>, Unreadable>,
}

/// Why a file cannot be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Completes "… cannot be read: ".
    pub why: String,
    /// What to do.
    pub help: String,
}

impl Text {
    /// Reads a file. `directory` is what a relative path starts from.
    #[must_use]
    pub fn read(path: &Path, directory: &Path) -> Self {
        let bytes = match unsupported(&directory.join(path)) {
            Some(extension) => Err(Unreadable {
                why: format!("Flume reads no `.{extension}` files"),
                help: "give a properties file, with another ending".to_owned(),
            }),
            None => read(path),
        };
        Self { name: path.display().to_string(), bytes }
    }

    /// What was read elsewhere.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: Ok(bytes.into()) }
    }
}

/// The ending of a path, as Flume sees it: all that follows the first dot of the whole path.
fn unsupported(path: &Path) -> Option<&'static str> {
    let path = path.to_string_lossy();
    let (_, extension) = path.split_once('.')?;
    UNSUPPORTED.into_iter().find(|known| *known == extension)
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let failed = |error: io::Error| Unreadable {
        help: match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => {
                "check the rights of the file and of its directories"
            }
            _ => "check the disk",
        }
        .to_owned(),
        why: match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "no right to read it".to_owned(),
            _ => error.to_string(),
        },
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(Unreadable {
            why: "it is a directory".to_owned(),
            help: "give the file itself".to_owned(),
        });
    }
    let mut bytes = Vec::new();
    // A pipe has no length, so that what was read decides.
    let too_long = metadata.len() > FILE_BYTES_MAX || {
        let file = File::open(path).map_err(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX
    };
    if too_long {
        return Err(Unreadable {
            why: format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20),
            help: "check that it is the configuration".to_owned(),
        });
    }
    Ok(bytes)
}

/// The text of a file, ready to be parsed, and what is to be said about its bytes.
#[must_use]
pub fn decode(text: &Text, charset: Charset, file: FileIndex) -> (Source, Vec<Diagnostic>) {
    let bytes = match &text.bytes {
        Ok(bytes) => bytes,
        Err(unreadable) => {
            let remark = told(
                file,
                "unreadable-file",
                format!("`{}` cannot be read: {}", text.name, unreadable.why),
            );
            return (Source::unread(&text.name), vec![remark.help(unreadable.help.clone())]);
        }
    };
    if charset == Charset::Latin1 {
        return (Source::new(&text.name, latin_1(bytes)), Vec::new());
    }
    if let Some((what, help)) = not_text(bytes) {
        let remark = told(file, "not-text", format!("`{}` is not text: {what}", text.name));
        return (Source::unread(&text.name), vec![remark.help(help)]);
    }
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => {
            let remark = Diagnostic::warning(
                "byte-order-mark",
                Span::new(file, 0..0),
                "the file begins with a byte order mark",
                "it is skipped; Flume 1.11 takes it for a part of the first key",
            )
            .expected("three bytes before this")
            .help("save the file as UTF-8 without a byte order mark");
            (Source::new(&text.name, utf_8_or_latin_1(rest)), vec![remark])
        }
        None => (Source::new(&text.name, utf_8_or_latin_1(bytes)), Vec::new()),
    }
}

fn told(file: FileIndex, code: &'static str, message: String) -> Diagnostic {
    Diagnostic::error(code, Span::new(file, 0..0), message, "nothing starts").fatal()
}

fn utf_8_or_latin_1(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin_1(bytes), str::to_owned)
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// What speaks against bytes being text, and what to do. No text has a byte of zero in it.
fn not_text(bytes: &[u8]) -> Option<(String, &'static str)> {
    let zero = memchr::memchr(0, bytes)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(("it is UTF-16".to_owned(), "save it as UTF-8"));
    }
    Some((format!("byte {zero} is zero"), "check that it is the configuration"))
}

/// The files of a command line, read.
#[must_use]
pub fn read_all(paths: &[PathBuf], directory: &Path) -> Vec<Text> {
    paths.iter().map(|path| Text::read(path, directory)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Charset, FILE_BYTES_MAX, Text, decode, unsupported};
    use crate::config::span::FileIndex;
    use std::path::Path;

    fn said(path: &Path) -> (String, String) {
        let (_, mut said) =
            decode(&Text::read(path, Path::new("/")), Charset::Utf8OrLatin1, FileIndex(0));
        let remark = said.remove(0);
        assert!(remark.fatal && said.is_empty());
        (remark.code.to_owned(), remark.message.replace(&path.display().to_string(), "F"))
    }

    #[test]
    fn what_is_no_configuration_is_told_in_one_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let error = |code: &str, message: &str| (code.to_owned(), message.to_owned());
        assert_eq!(
            said(&path),
            error("unreadable-file", "`F` cannot be read: there is no such file")
        );
        assert_eq!(
            said(directory.path()),
            error("unreadable-file", "`F` cannot be read: it is a directory")
        );
        std::fs::write(&path, b"\x7fELF\x00\x01").unwrap();
        assert_eq!(said(&path), error("not-text", "`F` is not text: byte 4 is zero"));
        std::fs::write(&path, b"\xff\xfea\x00").unwrap();
        assert_eq!(said(&path), error("not-text", "`F` is not text: it is UTF-16"));
        let large = std::fs::File::create(&path).unwrap();
        large.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(
            said(&path),
            error("unreadable-file", "`F` cannot be read: it is larger than 4 MiB")
        );
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        let (code, message) = said(Path::new("/dev/zero"));
        assert_eq!(code, "unreadable-file");
        assert!(message.contains("4 MiB"), "{message}");
    }

    #[test]
    fn the_ending_is_what_follows_the_first_dot_of_the_path() {
        assert_eq!(unsupported(Path::new("/etc/flume/x.json")), Some("json"));
        assert_eq!(unsupported(Path::new("/etc/flume/x.prod.json")), None);
        assert_eq!(unsupported(Path::new("/etc/flume.d/x.json")), None);
        assert_eq!(unsupported(Path::new("/etc/x.yml")), None);
    }

    #[test]
    fn bytes_are_utf_8_where_they_can_be() {
        let text = |bytes: &[u8], charset| {
            decode(&Text::new("f", bytes), charset, FileIndex(0)).0.text().to_owned()
        };
        assert_eq!(text("é".as_bytes(), Charset::Utf8OrLatin1), "é");
        assert_eq!(text("é".as_bytes(), Charset::Latin1), "Ã©");
        assert_eq!(text(b"\xe9", Charset::Utf8OrLatin1), "é");
        assert_eq!(text(b"\xef\xbb\xbfa=b", Charset::Utf8OrLatin1), "a=b");
        assert_eq!(text(b"\xef\xbb\xbfa=b", Charset::Latin1), "ï»¿a=b");
    }
}

//! One process, one directory: a lock that the kernel takes back when its holder dies.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Locks the file `name` in `dir`, which is made if it is not there and names the process that holds it.
///
/// The lock belongs to the open file and not to the process: closing another handle of it does not drop it, and a second
/// channel of the same process does not get it.
pub(super) fn take(dir: &Path, name: &str) -> io::Result<File> {
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(dir.join(name))?;
    if let Err(error) =
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
    {
        let mut holder = String::new();
        // Only for the message: who cannot be read is not named.
        drop(file.read_to_string(&mut holder));
        let holder = holder.trim();
        let by = if holder.is_empty() { String::new() } else { format!(", by process {holder}") };
        return Err(io::Error::new(io::Error::from(error).kind(), format!("in use{by} ({error})")));
    }
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn a_directory_is_locked_once_even_within_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path(), "in_use.lock").unwrap();
        let refused = take(dir.path(), "in_use.lock").unwrap_err();
        assert!(
            refused.to_string().contains(&format!("by process {}", std::process::id())),
            "{refused}"
        );
        drop(held);
        take(dir.path(), "in_use.lock").unwrap();
    }
}

//! A disk that can be asked to lose power.
//!
//! The fault model, which is `FORMAT.md` §10 turned against the channel:
//!
//! | what | may become | after a power cut |
//! |---|---|---|
//! | bytes written, not synced | any version that was written since the last sync, **each 512-byte sector on its own** | not to be believed without a checksum |
//! | bytes synced | exactly themselves | must all be there |
//! | a file created or removed, directory not synced | done or not done | must open either way |
//! | a sync that returned an error | reads show the new bytes, the disk has the old or the new; a later sync says yes and does nothing for them, unless they are written again | nothing answered may depend on it |
//! | the nth operation | EIO, ENOSPC, a write that stops half way, a sync that fails | an error to the caller, no half-state kept |
//! | bytes synced long ago | one bit flipped | told, never delivered |
//! | the process killed | the page cache stays: reads show what was written, the disk need not have it | not to be believed before it is synced (R6) |
//!
//! Every operation that changes something is counted and noted; the numbers are where faults are planted.

use crate::random::Random;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tailwater::storage::{Directory, File, Held, Storage};

const SECTOR: usize = 512;
type Sector = [u8; SECTOR];

/// What goes wrong, and at which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation is begun and nothing after it is.
    PowerOff,
    /// The operation does nothing and says why.
    Refused(io::ErrorKind),
    /// A write that stops half way; a sync that fails.
    Fails,
}

/// What the sectors hold that were not synced when the power went.
#[derive(Clone, Copy, Debug)]
pub enum Unsynced {
    /// What was last synced.
    Old,
    /// What was last written.
    New,
    /// Each on its own, by chance.
    Any,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    sim: Arc<Mutex<Sim>>,
}

#[derive(Clone, Default)]
struct Sim {
    directories: BTreeMap<String, Names>,
    files: Vec<Content>,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    off: bool,
    /// Syncs say yes and do nothing: the disk that no program can survive. It proves that the suite looks.
    lying: bool,
    note: Vec<String>,
    quota: Option<u64>,
    hidden: Option<(String, usize)>,
}

#[derive(Clone, Default)]
struct Names {
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

/// A file's bytes: as they are read, as the disk has them, and what came in between.
#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Versions of each sector since the last sync.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// Sectors that the kernel holds for clean, though a sync of them failed: the versions the disk may have.
    lost: BTreeMap<usize, Vec<Sector>>,
}

/// What was planted does not let the operation happen.
struct Stopped(io::Error);

impl SimDisk {
    pub fn new() -> Self {
        Self { sim: Arc::default() }
    }

    /// Bytes that all files together may have.
    pub fn with_quota(bytes: u64) -> Self {
        let disk = Self::new();
        disk.lock().quota = Some(bytes);
        disk
    }

    /// Plants a fault at an operation, counted from 0 over the life of the disk.
    pub fn plant(&self, operation: u64, fault: Fault) {
        self.lock().faults.insert(operation, fault);
    }

    /// Takes back what was planted and has not happened.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// From now on syncs say yes and do nothing.
    pub fn lie(&self) {
        self.lock().lying = true;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Whether the planted power cut has come.
    pub fn is_off(&self) -> bool {
        self.lock().off
    }

    /// What was done since it was asked last.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().note)
    }

    /// Flips a bit of a file, as it is read and on the disk.
    pub fn flip(&self, name: &str, byte: usize, bit: u8) {
        let mut sim = self.lock();
        let file = sim.directories.values().find_map(|names| names.live.get(name).copied());
        let content = &mut sim.files[file.expect("the file is there")];
        content.live[byte] ^= 1 << bit;
        content.durable[byte] ^= 1 << bit;
    }

    /// Takes a file out of sight, as a directory that is not mounted does.
    pub fn hide(&self, name: &str) {
        let mut sim = self.lock();
        let names = sim.directories.values_mut().find(|names| names.live.contains_key(name));
        let file = names.expect("the file is there").live.remove(name).expect("it is there");
        sim.hidden = Some((name.to_owned(), file));
    }

    /// Shows it again.
    pub fn unhide(&self) {
        let mut sim = self.lock();
        let (name, file) = sim.hidden.take().expect("something is hidden");
        sim.directories.get_mut("data0").expect("it is the first").live.insert(name, file);
    }

    /// The bytes of a file, as they are read.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let sim = self.lock();
        let file = sim.directories.values().find_map(|names| names.live.get(name).copied())?;
        Some(sim.files[file].live.clone())
    }

    /// Another disk: what is left of this one after its power went.
    pub fn after_power_cut(&self, unsynced: Unsynced, random: &mut Random) -> Self {
        let mut sim = self.lock().clone();
        for names in sim.directories.values_mut() {
            names.after_power_cut(unsynced, random);
        }
        for content in &mut sim.files {
            content.after_power_cut(unsynced, random);
        }
        Self::again(sim)
    }

    /// Another disk: this one as the next process finds it after this one was killed. What was written is still read.
    pub fn after_kill(&self) -> Self {
        Self::again(self.lock().clone())
    }

    fn again(mut sim: Sim) -> Self {
        (sim.off, sim.operations) = (false, 0);
        sim.faults.clear();
        sim.note.clear();
        Self { sim: Arc::new(Mutex::new(sim)) }
    }

    fn lock(&self) -> MutexGuard<'_, Sim> {
        self.sim.lock().unwrap()
    }
}

impl Sim {
    /// Counts an operation and notes it. `Ok(true)`: the power goes while it is done, and the caller hears an error.
    fn begin(&mut self, what: impl FnOnce() -> String) -> Result<Option<Fault>, Stopped> {
        if self.off {
            return Err(Stopped(io::Error::other("the power is off")));
        }
        let fault = self.faults.get(&self.operations).copied();
        self.operations += 1;
        let mark = fault.map_or(String::new(), |fault| format!(" !{fault:?}"));
        self.note.push(what() + &mark);
        match fault {
            Some(Fault::Refused(kind)) => Err(Stopped(kind.into())),
            Some(Fault::PowerOff) => {
                self.off = true;
                Ok(fault)
            }
            other => Ok(other),
        }
    }
}

/// The error that the caller of an operation with this fault hears.
fn heard(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(fault) => Err(io::Error::other(format!("planted: {fault:?}"))),
    }
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        stopped.0
    }
}

impl Names {
    fn after_power_cut(&mut self, unsynced: Unsynced, random: &mut Random) {
        let all: BTreeSet<String> = self.live.keys().chain(self.durable.keys()).cloned().collect();
        for name in all {
            let (live, durable) = (self.live.get(&name).copied(), self.durable.get(&name).copied());
            let new = match unsynced {
                Unsynced::Old => false,
                Unsynced::New => true,
                Unsynced::Any => random.one_in(2),
            };
            match if new { live } else { durable } {
                Some(file) => self.live.insert(name, file),
                None => self.live.remove(&name),
            };
        }
        self.durable = self.live.clone();
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], at: usize) {
        assert!(at + bytes.len() <= self.live.len(), "a write beyond the reserved blocks");
        self.live[at..at + bytes.len()].copy_from_slice(bytes);
        if bytes.is_empty() {
            return;
        }
        for sector in at / SECTOR..=(at + bytes.len() - 1) / SECTOR {
            let now = sector_of(&self.live, sector);
            // What the kernel held for clean is dirty again, with all that was lost in it.
            let mut versions = self.lost.remove(&sector).unwrap_or_default();
            let known = self.unsynced.entry(sector).or_default();
            versions.append(known);
            versions.push(now);
            *known = versions;
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.unsynced).into_keys() {
            let begin = sector * SECTOR;
            let end = self.live.len().min(begin + SECTOR);
            self.durable[begin..end].copy_from_slice(&self.live[begin..end]);
        }
    }

    fn fail_sync(&mut self) {
        for (sector, mut versions) in std::mem::take(&mut self.unsynced) {
            self.lost.entry(sector).or_default().append(&mut versions);
        }
    }

    fn after_power_cut(&mut self, unsynced: Unsynced, random: &mut Random) {
        let dirty = std::mem::take(&mut self.unsynced).into_iter();
        for (sector, versions) in dirty.chain(std::mem::take(&mut self.lost)) {
            let begin = sector * SECTOR;
            let end = self.durable.len().min(begin + SECTOR);
            let version = match unsynced {
                Unsynced::Old => None,
                Unsynced::New => versions.last(),
                Unsynced::Any => {
                    let chosen = random.index(versions.len() + 1);
                    versions.get(chosen)
                }
            };
            if let Some(version) = version {
                self.durable[begin..end].copy_from_slice(&version[..end - begin]);
            }
        }
        self.live = self.durable.clone();
    }
}

fn sector_of(bytes: &[u8], sector: usize) -> Sector {
    let begin = sector * SECTOR;
    let end = bytes.len().min(begin + SECTOR);
    let mut copy = [0; SECTOR];
    copy[..end - begin].copy_from_slice(&bytes[begin..end]);
    copy
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDisk")
    }
}

impl Storage for SimDisk {
    /// Only the last part of the path counts, so that each opening may have paths of its own: a process remembers what it
    /// published by path (R5), and another process does not.
    fn directory(&self, path: PathBuf) -> io::Result<Arc<dyn Directory>> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        self.lock().directories.entry(name.clone()).or_default();
        Ok(Arc::new(SimDirectory { disk: self.clone(), name, path }))
    }
}

struct SimDirectory {
    disk: SimDisk,
    name: String,
    path: PathBuf,
}

impl SimDirectory {
    fn names<'a>(&self, sim: &'a mut Sim) -> &'a mut Names {
        sim.directories.get_mut(&self.name).expect("it was made when it was opened")
    }

    fn file(&self, file: usize, name: &str) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.disk.clone(), file, name: name.to_owned() })
    }
}

impl Directory for SimDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn File>> {
        let mut sim = self.disk.lock();
        let fault = sim.begin(|| format!("create  {}/{name} {bytes}", self.name))?;
        let used: usize = sim.files.iter().map(|content| content.live.len()).sum();
        if sim.quota.is_some_and(|quota| used as u64 + bytes > quota) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.names(&mut sim).live.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if fault != Some(Fault::Fails) {
            let zeros = vec![0; bytes as usize];
            let file = sim.files.len();
            sim.files.push(Content { live: zeros.clone(), durable: zeros, ..Content::default() });
            self.names(&mut sim).live.insert(name.to_owned(), file);
            heard(fault)?;
            return Ok(self.file(file, name));
        }
        Err(heard(fault).unwrap_err())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut sim = self.disk.lock();
        let file = self.names(&mut sim).live.get(name).copied();
        Ok(self.file(file.ok_or(io::ErrorKind::NotFound)?, name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut sim = self.disk.lock();
        let fault = sim.begin(|| format!("replace {}/{name} {}", self.name, bytes.len()))?;
        let file = sim.files.len();
        sim.files.push(Content {
            live: bytes.to_vec(),
            durable: bytes.to_vec(),
            ..Content::default()
        });
        let names = self.names(&mut sim);
        if fault != Some(Fault::Fails) {
            names.live.insert(name.to_owned(), file);
            if fault.is_none() {
                names.durable.insert(name.to_owned(), file);
            }
        }
        heard(fault)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut sim = self.disk.lock();
        let fault = sim.begin(|| format!("remove  {}/{name}", self.name))?;
        if fault != Some(Fault::Fails) {
            self.names(&mut sim).live.remove(name).ok_or(io::ErrorKind::NotFound)?;
        }
        heard(fault)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut sim = self.disk.lock();
        Ok(self.names(&mut sim).live.keys().cloned().collect())
    }

    fn lock(&self, _name: &str) -> io::Result<Held> {
        Ok(Box::new(()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.disk.lock();
        let fault = sim.begin(|| format!("sync    {}/", self.name))?;
        if fault.is_none() && !sim.lying {
            let names = self.names(&mut sim);
            names.durable = names.live.clone();
        }
        heard(fault)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

struct SimFile {
    disk: SimDisk,
    file: usize,
    name: String,
}

impl File for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].live.len() as u64)
    }

    fn write_at(&self, pieces: &[&[u8]], offset: u64) -> io::Result<()> {
        let bytes = pieces.concat();
        let mut sim = self.disk.lock();
        let fault = sim.begin(|| format!("write   {} {offset:#x} +{}", self.name, bytes.len()))?;
        let written = if fault == Some(Fault::Fails) { bytes.len() / 2 } else { bytes.len() };
        sim.files[self.file].write(&bytes[..written], offset as usize);
        heard(fault)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let sim = self.disk.lock();
        let live = &sim.files[self.file].live;
        let begin = offset as usize;
        let found = live.get(begin..begin + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(found);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.disk.lock();
        let fault = sim.begin(|| format!("sync    {}", self.name))?;
        match fault {
            None if !sim.lying => sim.files[self.file].sync(),
            Some(Fault::Fails) => sim.files[self.file].fail_sync(),
            _ => {}
        }
        heard(fault)
    }

    fn view(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut copy = vec![0; (range.end - range.start) as usize];
        self.read_at(&mut copy, range.start)?;
        Ok(Bytes::from(copy))
    }
}

//! Every kind of channel, a row each.

use super::ChannelKind;
use super::file::FileChannelConfig;
use super::memory::MemoryChannelConfig;

/// In the order of the documentation.
pub const CHANNELS: &[&ChannelKind] = &[&FILE, &MEMORY];

const FILE: ChannelKind = ChannelKind {
    names: &[FileChannelConfig::TYPE, "file"],
    about: FileChannelConfig::ABOUT,
    keys: FileChannelConfig::KEYS,
    read: FileChannelConfig::start_channel,
};

const MEMORY: ChannelKind = ChannelKind {
    names: &[MemoryChannelConfig::TYPE, "memory"],
    about: MemoryChannelConfig::ABOUT,
    keys: MemoryChannelConfig::KEYS,
    read: MemoryChannelConfig::start_channel,
};

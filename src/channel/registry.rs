//! Every kind of channel, a row each.

use super::ChannelKind;
use super::memory::MemoryChannelConfig;

/// In the order of the documentation.
pub const CHANNELS: &[&ChannelKind] = &[&MEMORY];

const MEMORY: ChannelKind = ChannelKind {
    names: &[MemoryChannelConfig::TYPE, "memory"],
    about: MemoryChannelConfig::ABOUT,
    keys: MemoryChannelConfig::KEYS,
    read: MemoryChannelConfig::start_channel,
};

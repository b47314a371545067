//! Every kind of channel there is. The order of the rows is the order of the documentation.

use super::ChannelKind;
use super::file::FileChannelConfig;
use super::memory::MemoryChannelConfig;
use crate::config::kind::{Judgement, kind};

/// The kinds of channel.
pub static CHANNELS: &[ChannelKind] = &[FILE, MEMORY];

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

kind!(ChannelKind, Channel, |row, scope| (row.read)(scope)
    .map(|start| Judgement { transaction_events: start.transaction_capacity() }));

//! Everything that needs no network and no real disk beyond a temporary folder: seconds.

mod conformance;
mod tidy;

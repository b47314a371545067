//! TAILDIR over real files, driven pass by pass: no test waits for time to go by. Random rotations are in `fuzz`.

mod lines;
mod resume;
mod rotation;

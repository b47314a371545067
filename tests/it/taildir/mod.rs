//! TAILDIR over real files, driven pass by pass: no test waits for time to go by.

mod lines;
mod resume;
mod rotation;
mod torture;

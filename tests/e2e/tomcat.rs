//! The real Tomcat that `scripts/tomcat` runs, in a folder of the test's.

use std::net::TcpListener;
use std::path::PathBuf;

use crate::scene::{Scene, shown};
use crate::script;

pub(crate) struct Tomcat {
    /// What `scripts/tomcat` reads.
    environment: [(&'static str, String); 2],
    pub(crate) address: String,
    pub(crate) logs: PathBuf,
}

impl Tomcat {
    pub(crate) fn start(scene: &Scene) -> Self {
        let port = free_port().to_string();
        let base = scene.folder("tomcat");
        let tomcat = Self {
            environment: [("TOMCAT_PORT", port.clone()), ("TOMCAT_BASE", shown(&base))],
            address: format!("127.0.0.1:{port}"),
            logs: base.join("logs"),
        };
        tomcat.run("up");
        tomcat
    }

    fn run(&self, command: &str) -> String {
        let environment = self.environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        script::run_with("tomcat", &[command], &environment)
    }
}

impl Drop for Tomcat {
    fn drop(&mut self) {
        self.run("down");
    }
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

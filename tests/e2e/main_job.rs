//! .
use std::time::Duration;
use crate::{broker, database, scene, tomcat::Tomcat, traffic::{self, Traffic}, wait};

#[test]
fn tomcat_and_driver() {
    let Some(scene) = scene::enter("try") else { return };
    let tomcat = Tomcat::start(&scene);
    let traffic = Traffic::start(&tomcat.address);
    traffic.allow(10_000);
    wait::until("half", Duration::from_secs(60), || { let n = traffic.answered(); if n == 10_000 { Ok(()) } else { Err(n.to_string()) } });
    traffic.finish();
    wait::until("lines", Duration::from_secs(60), || { 
        let mut n = 0; let mut r = 0; let mut files = 0;
        for f in std::fs::read_dir(&tomcat.logs).unwrap() { let f = f.unwrap(); files += 1;
          let b = std::fs::read(f.path()).unwrap();
          let c = b.iter().filter(|b| **b == b'\n').count();
          if f.file_name().to_string_lossy().starts_with("access") { n += c } else { r += c }
        }
        if n == 20000 && r == 15000 { wait::tell(&format!("{files} files")); Ok(()) } else { Err(format!("{n} {r}")) } });
    database::up(); assert_eq!(database::number("SELECT 1"), 1);
    broker::up(); let w = scene.word(); broker::topic(&w, 4); broker::produce(&w, (0..3000).map(|i| i.to_string()));
    assert_eq!(broker::records(&w).len(), 3000); assert_eq!(broker::count(&w), 3000);
    let _ = traffic::report(3); broker::kill(); broker::up(); assert_eq!(broker::records(&w).len(), 3000);
}

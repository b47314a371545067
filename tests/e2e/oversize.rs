//! A record that the topic does not take is set aside whole, and holds nobody up.

use std::io::Write;
use std::time::Duration;

use crate::outages::{agent_to, tail};
use crate::wait::until;
use crate::{broker, program, scene};

#[test]
fn a_line_above_the_topics_limit_is_set_aside_whole_and_its_neighbours_arrive() {
    let Some(scene) = scene::enter("oversize") else { return };
    let address = broker::up();
    let topic = scene.word();
    broker::small_topic(&topic);
    let mut log = tail(&scene);
    let oversized = "x".repeat(2_000_000);
    for line in ["before", &oversized, "after"] {
        writeln!(log, "{line}").unwrap();
    }
    let conf = agent_to(&scene, &address, &topic, "file");
    let agent = program::agent(&scene, "agent", &conf, &[]);

    until("both neighbours arrive", Duration::from_mins(1), || match broker::count(&topic)? {
        2 => Ok(()),
        count => Err(format!("{count}")),
    });
    let texts: Vec<_> = broker::records(&topic).into_iter().map(|record| record.body).collect();
    assert_eq!(texts, [b"before".to_vec(), b"after".to_vec()]);
    agent.stop();

    let set_aside = std::fs::read_dir(scene.path("dead-letters"))
        .unwrap()
        .map(|file| std::fs::metadata(file.unwrap().path()).unwrap().len());
    assert!(set_aside.sum::<u64>() > 2_000_000, "the dead letter has not the whole line");
}

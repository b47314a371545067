//! `tailwater describe`: whatever there is can be asked for by any of its names, and answers with all of its keys.

use std::process::{Command, Output};
use tailwater::agent::kinds;

fn describe(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.arg("describe").args(arguments).env_clear().output().unwrap()
}

#[test]
fn every_component_answers_to_each_of_its_names_with_all_of_its_keys() {
    for kind in kinds().iter() {
        for name in kind.names() {
            let output = describe(&[name]);
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{name}");
            for spec in kind.keys() {
                assert!(
                    text.contains(&format!("\n  {}", spec.name)),
                    "{name}: {} is missing",
                    spec.name
                );
            }
        }
    }
}

#[test]
fn the_list_and_the_tables_have_every_component() {
    let text = |arguments: &[&str]| String::from_utf8(describe(arguments).stdout).unwrap();
    let (list, tables) = (text(&[]), text(&["--markdown"]));
    for kind in kinds().iter() {
        let short =
            kind.names().iter().find(|name| !name.contains('.')).unwrap_or(&kind.names()[0]);
        assert!(list.contains(&format!("\n  {short}")), "{short}");
        assert!(tables.contains(&format!("**{short}** `{}`", kind.names()[0])), "{short}");
    }
}

#[test]
fn what_is_not_there_is_wrong_usage_and_says_what_is() {
    for (name, part) in
        [("loger", "did you mean `logger`?"), ("hdfs", "Flume has and Tailwater has not")]
    {
        let output = describe(&[name]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(part) && output.stdout.is_empty(), "{said}");
    }
}

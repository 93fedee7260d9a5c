//! Precedence, provenance and refusals.

use super::super::keys;
use super::*;

fn with(file: &str, env: &[(&str, &str)], set: &[&str]) -> Result<Settings, CommandError> {
    let mut settings = Settings::defaults();
    settings.add_file(Path::new("node.toml"), file)?;
    let env = env
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    settings.add_env(env)?;
    settings.add_flags(&SettingArgs {
        set: set.iter().map(|&pair| pair.to_owned()).collect(),
        ..SettingArgs::default()
    })?;
    Ok(settings)
}

fn source(settings: &Settings, key: &Key) -> String {
    settings.by_path[key.path].source.to_string()
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let file = "[node]\nid = 2\nrack = \"a\"\n[limits]\ntail_memory = \"2 MiB\"\n";
    let env = [
        ("FLOE_NODE__ID", "3"),
        ("FLOE_NODE__RACK", "b"),
        ("HOME", "/x__y"),
    ];
    let settings = with(file, &env, &["node.id=4"]).unwrap();
    assert_eq!(settings.number(&keys::NODE_ID), 4);
    assert_eq!(source(&settings, &keys::NODE_ID), "command line");
    assert_eq!(settings.text(&keys::NODE_RACK), "b");
    assert_eq!(source(&settings, &keys::NODE_RACK), "FLOE_NODE__RACK");
    assert_eq!(settings.number(&keys::TAIL_MEMORY), 2 << 20);
    assert_eq!(source(&settings, &keys::TAIL_MEMORY), "node.toml:5");
    assert_eq!(source(&settings, &keys::HTTP), "default");
}

#[test]
fn the_long_variable_beats_the_short_one() {
    let env = [("FLOE_LOG__LEVEL", "warn"), ("FLOE_LOG", "debug")];
    let settings = with("", &env, &[]).unwrap();
    assert_eq!(settings.text(&keys::LOG_LEVEL), "warn");
    let settings = with("", &env[1..], &[]).unwrap();
    assert_eq!(settings.text(&keys::LOG_LEVEL), "debug");
}

#[test]
fn what_names_no_key_or_holds_no_value_is_refused_with_its_place() {
    let message = |outcome: Result<Settings, CommandError>| outcome.unwrap_err().message().unwrap();
    let text = message(with("[node]\nidd = 1\n", &[], &[]));
    assert!(text.contains("node.toml:2: unknown key node.idd"), "{text}");
    assert!(text.contains("did you mean 'node.id'?"), "{text}");
    let text = message(with("", &[("FLOE_STORAGE__DATADIR", "x")], &[]));
    assert!(text.contains("storage.data_dir"), "{text}");
    let text = message(with("", &[], &["node.id"]));
    assert!(text.contains("SECTION.KEY=VALUE"), "{text}");
    let text = message(with("[node]\nid = 0\n", &[], &[]));
    assert!(
        text.contains("must be 1 to") && text.contains("node.toml:2"),
        "{text}"
    );
    let text = message(with("[limits]\ntail_memory = \"lots\"\n", &[], &[]));
    assert!(
        text.contains("512 MiB") && text.contains("node.toml:2"),
        "{text}"
    );
}

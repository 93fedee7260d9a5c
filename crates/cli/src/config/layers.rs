//! Puts the layers together: flag > environment > file > default, remembering where each value
//! is from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::SettingArgs;
use super::file::{self, nearest_key};
use super::keys::{KEYS, Key, find};
use super::value::Value;
use crate::failure::CommandError;

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// A file and its line.
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "{name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// As written.
    pub(crate) text: String,
    /// As checked.
    value: Value,
    /// Where from.
    pub(crate) source: Source,
}

/// A value for every key.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    by_path: BTreeMap<&'static str, Setting>,
}

/// Reads flags, environment and file, once.
pub(crate) fn load(args: &SettingArgs) -> Result<Settings, CommandError> {
    let env: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut settings = Settings::defaults();
    if let Some(path) = &args.config {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CommandError::failed(format!("cannot read {}: {error}", path.display()))
                .next("run without a file:  floe serve")
        })?;
        settings.add_file(path, &text)?;
    }
    settings.add_env(env)?;
    settings.add_flags(args)?;
    Ok(settings)
}

impl Settings {
    /// Every key at its default.
    pub(crate) fn defaults() -> Self {
        let by_path = KEYS.iter().map(|key| {
            let value = key
                .kind
                .parse(key.default)
                .expect("defaults are checked by a test");
            let setting = Setting {
                text: key.default.to_owned(),
                value,
                source: Source::Default,
            };
            (key.path, setting)
        });
        Self {
            by_path: by_path.collect(),
        }
    }

    fn put(&mut self, key: &'static Key, text: String, source: Source) -> Result<(), CommandError> {
        let value = key.kind.parse(&text).map_err(|fault| {
            CommandError::usage(format!("{} = '{text}': {fault}", key.path))
                .at(format!("set by {source}"))
                .next("all keys:  floe config show")
        })?;
        let setting = Setting {
            text,
            value,
            source,
        };
        self.by_path.insert(key.path, setting);
        Ok(())
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), CommandError> {
        let entries = file::read(text).map_err(|fault| {
            let place = format!("{}:{}", path.display(), fault.line);
            unknown(format!("{place}: {}", fault.what), fault.meant)
        })?;
        for entry in entries {
            let key = find(entry.path).expect("the file reader gives known keys only");
            self.put(key, entry.text, Source::File(path.to_owned(), entry.line))?;
        }
        Ok(())
    }

    fn add_env(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), CommandError> {
        let mut short = Vec::new();
        let mut long = Vec::new();
        for (name, text) in variables {
            if let Some(key) = KEYS.iter().find(|key| key.short_env == Some(name.as_str())) {
                short.push((key, name, text));
            } else if name.starts_with("FLOE_") && name.contains("__") {
                let Some(key) = KEYS.iter().find(|key| key.env_name() == name) else {
                    let path = name["FLOE_".len()..].replacen("__", ".", 1).to_lowercase();
                    let what = format!("environment variable {name} names no key");
                    return Err(unknown(what, nearest_key(&path)));
                };
                long.push((key, name, text));
            }
        }
        for (key, name, text) in short.into_iter().chain(long) {
            self.put(key, text, Source::Env(name))?;
        }
        Ok(())
    }

    fn add_flags(&mut self, args: &SettingArgs) -> Result<(), CommandError> {
        for pair in &args.set {
            let Some((path, text)) = pair.split_once('=') else {
                let what = format!("--set {pair}: expected SECTION.KEY=VALUE");
                return Err(CommandError::usage(what));
            };
            let Some(key) = find(path) else {
                let what = format!("--set {pair}: unknown key {path}");
                return Err(unknown(what, nearest_key(path)));
            };
            self.put(key, text.to_owned(), Source::Flag)?;
        }
        match &args.data_dir {
            Some(dir) => self.put(&KEYS[data_dir_place()], dir.clone(), Source::Flag),
            None => Ok(()),
        }
    }

    /// Every key with its setting, in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        KEYS.iter().map(|key| (key, &self.by_path[key.path]))
    }

    /// Text; empty when an optional one is not set.
    pub(crate) fn text(&self, key: &Key) -> &str {
        match &self.by_path[key.path].value {
            Value::Text(text) => text,
            other => unreachable!("{} holds {other:?}", key.path),
        }
    }

    /// Text or nothing.
    pub(crate) fn optional(&self, key: &Key) -> Option<String> {
        let text = self.text(key);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A switch.
    pub(crate) fn flag(&self, key: &Key) -> bool {
        match self.by_path[key.path].value {
            Value::Bool(flag) => flag,
            ref other => unreachable!("{} holds {other:?}", key.path),
        }
    }

    /// A count, bytes or milliseconds.
    pub(crate) fn number(&self, key: &Key) -> u64 {
        match self.by_path[key.path].value {
            Value::Number(number) => number,
            ref other => unreachable!("{} holds {other:?}", key.path),
        }
    }

    /// Node ids and peer addresses.
    pub(crate) fn seeds(&self, key: &Key) -> &[(u32, String)] {
        match &self.by_path[key.path].value {
            Value::Seeds(seeds) => seeds,
            other => unreachable!("{} holds {other:?}", key.path),
        }
    }
}

fn data_dir_place() -> usize {
    let place = KEYS.iter().position(|key| *key == super::keys::DATA_DIR);
    place.expect("the table has the key")
}

fn unknown(what: String, meant: Option<&str>) -> CommandError {
    let error = CommandError::usage(what);
    let error = match meant {
        Some(meant) => error.at(format!("did you mean '{meant}'?")),
        None => error,
    };
    error.next("all keys:  floe config show")
}

#[cfg(test)]
mod tests;

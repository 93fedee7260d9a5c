//! Reads a configuration file into `section.key` texts, each with its line. A key without a
//! section stands before all of them.

use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, find};
use crate::nearest::nearest;

/// One key of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    /// `section.key`, known to exist.
    pub(crate) path: &'static str,
    /// The value as text, as one would give it in the environment.
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileFault {
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) what: String,
    /// The known key or section that was probably meant.
    pub(crate) meant: Option<&'static str>,
}

/// Reads all keys of `text`; stops at the first that is unknown or has no scalar or list value.
pub(crate) fn read(text: &str) -> Result<Vec<FileEntry>, FileFault> {
    let line_at = |offset: usize| 1 + text[..offset.min(text.len())].matches('\n').count();
    let fault = |offset: usize, what: String, meant| FileFault {
        line: line_at(offset),
        what,
        meant,
    };
    let document = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        fault(offset, error.message().to_owned(), None)
    })?;
    let mut entries = Vec::new();
    for (section, value) in document.get_ref() {
        let section_name = section.get_ref().as_ref();
        if let Some(key) = find(section_name) {
            let text = scalar(value.get_ref())
                .map_err(|what| fault(value.span().start, format!("{}: {what}", key.path), None))?;
            entries.push(FileEntry {
                path: key.path,
                text,
                line: line_at(section.span().start),
            });
            continue;
        }
        let DeValue::Table(table) = value.get_ref() else {
            let what = match KEYS.iter().any(|key| key.section() == section_name) {
                true => format!("[{section_name}] is a section, not a value"),
                false => format!("unknown key {section_name}"),
            };
            let meant = nearest_key(section_name);
            return Err(fault(section.span().start, what, meant));
        };
        if !KEYS.iter().any(|key| key.section() == section_name) {
            let known = KEYS.iter().map(|key| key.section());
            let what = format!("unknown section [{section_name}]");
            let meant = nearest(section_name, known);
            return Err(fault(section.span().start, what, meant));
        }
        for (name, value) in table {
            let path = format!("{section_name}.{}", name.get_ref());
            let Some(key) = find(&path) else {
                let meant = nearest_key(&path);
                let what = format!("unknown key {path}");
                return Err(fault(name.span().start, what, meant));
            };
            let line = line_at(name.span().start);
            let text = scalar(value.get_ref())
                .map_err(|what| fault(value.span().start, format!("{path}: {what}"), None))?;
            entries.push(FileEntry {
                path: key.path,
                text,
                line,
            });
        }
    }
    Ok(entries)
}

/// The key that `path` probably means: a near one, or the same name in another section.
pub(crate) fn nearest_key(path: &str) -> Option<&'static str> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let elsewhere = KEYS.iter().find(|key| key.name() == name);
    elsewhere
        .map(|key| key.path)
        .or_else(|| nearest(path, KEYS.iter().map(|key| key.path)))
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let items: Result<Vec<_>, _> =
                items.iter().map(|item| scalar(item.get_ref())).collect();
            Ok(items?.join(","))
        }
        _ => Err("expected text, a whole number, true, false or a list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_carry_their_line() {
        let text = "[node]\nid = 3\n\n[cluster]\nseeds = [\n  \"1@a:1\",\n  \"3@b:1\",\n]\n";
        let entries = read(text).unwrap();
        let seen: Vec<_> = entries
            .iter()
            .map(|e| (e.path, e.text.as_str(), e.line))
            .collect();
        assert!(seen.contains(&("node.id", "3", 2)), "{seen:?}");
        assert!(
            seen.contains(&("cluster.seeds", "1@a:1,3@b:1", 5)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_key_without_a_section_stands_before_all_of_them() {
        let entries = read("# x\nchaos = true\n[node]\nid = 3\n").unwrap();
        let found = entries.iter().find(|entry| entry.path == "chaos").unwrap();
        assert_eq!((found.text.as_str(), found.line), ("true", 2));
    }

    #[test]
    fn unknown_keys_and_broken_files_are_refused_with_line_and_nearest() {
        let fault = |text: &str| read(text).unwrap_err();
        let typo = fault("# x\n[storage]\ndata_dri = \"x\"\n");
        assert_eq!((typo.line, typo.meant), (3, Some("storage.data_dir")));
        let moved = fault("[node]\ndata_dir = \"x\"\n");
        assert_eq!((moved.line, moved.meant), (2, Some("storage.data_dir")));
        let section = fault("[stroage]\n");
        assert_eq!((section.line, section.meant), (1, Some("storage")));
        assert_eq!(fault("[node]\nid = \n").line, 2);
        assert_eq!(fault("[node\nid = 1\n").line, 1);
        assert_eq!(fault("node = 1\n").line, 1);
        let lone = fault("[node]\nid = 1\nchaos = true\n");
        assert_eq!((lone.line, lone.meant), (3, Some("chaos")));
        assert_eq!(fault("choas = true\n").meant, Some("chaos"));
        assert_eq!(fault("[chaos]\nkill = true\n").line, 1);
        assert_eq!(fault("[node]\nid = 1.5\n").line, 2);
        assert_eq!(fault("[node]\nid = 1\nid = 2\n").line, 3);
    }
}

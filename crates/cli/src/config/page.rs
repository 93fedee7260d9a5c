//! `docs/configuration.md`, generated from the table of keys.

use super::keys::KEYS;

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated: floe reference config > docs/configuration.md -->

A node reads its configuration once, when it starts. A command-line flag wins over an environment
variable, that over the file (`floe serve --config FILE`, TOML), that over the default. Sizes and
times carry their unit: `\"512 MiB\"`, `\"30s\"`. An unknown key is refused. Without a file, `floe serve`
is a cluster of one node in `./floe-data`.

- `floe config show` prints every value and where it is from; `floe serve --check` checks and exits.
- Any key can be set with `--set section.key=value` or with its environment variable,
  `FLOE_SECTION__KEY`; `log.level` also with `FLOE_LOG`. A list is separated by commas there.

";

const EXAMPLE: &str = "\
## Example: the first of three nodes

```toml
[node]
id = 1

[cluster]
name = \"orders\"
seeds = [\"1@db1:9292\", \"2@db2:9292\", \"3@db3:9292\"]

[listeners]
client = \"0.0.0.0:9192\"
client_advertised = \"db1:9192\"
peer = \"0.0.0.0:9292\"
peer_advertised = \"db1:9292\"
kafka = \"0.0.0.0:9092\"
kafka_advertised = \"db1:9092\"

[storage]
data_dir = \"/var/lib/floe\"
```
";

/// The page.
pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = match key.section() {
                "" => "Before all sections".to_owned(),
                section => format!("[{section}]"),
            };
            let head = format!("## {title}\n\n| key | value | default | meaning |\n");
            page.push_str(&head);
            page.push_str("|---|---|---|---|\n");
        }
        let default = match key.default {
            "" => "empty".to_owned(),
            text => format!("`{text}`"),
        };
        let row = format!(
            "| `{}` | {} | {default} | {} |\n",
            key.name(),
            key.kind.describe(),
            key.doc
        );
        page.push_str(&row);
        let last = KEYS.iter().rfind(|other| Some(other.section()) == section);
        if last == Some(key) {
            page.push('\n');
        }
    }
    page.push_str(EXAMPLE);
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_page_is_a_legal_file() {
        let toml = super::EXAMPLE
            .split("```")
            .nth(1)
            .unwrap()
            .strip_prefix("toml")
            .unwrap();
        assert!(crate::config::file::read(toml).is_ok());
    }
}

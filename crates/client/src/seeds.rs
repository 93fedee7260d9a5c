//! The addresses a user gives to find a cluster: `host:port[,host:port...]`.

use crate::Error;
use crate::error::Cause;

/// Reads a comma separated list, each with a port; order kept, repetitions dropped.
pub(crate) fn parse(seeds: &str) -> Result<Vec<String>, Error> {
    let mut addrs = Vec::new();
    for seed in seeds.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        let port = seed.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let is_valid = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|p| p != 0));
        if !is_valid {
            return Err(Cause::Seed { seed: seed.into() }.into());
        }
        if !addrs.iter().any(|known| known == seed) {
            addrs.push(seed.to_owned());
        }
    }
    if addrs.is_empty() {
        return Err(Cause::NoSeeds.into());
    }
    Ok(addrs)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::ErrorKind;

    #[test]
    fn lists_are_split_trimmed_and_checked() {
        let seeds = parse("a:1, b:2,a:1,[::1]:9192,").expect("valid");
        assert_eq!(seeds, ["a:1", "b:2", "[::1]:9192"]);
        for bad in ["", " , ", "a", "a:", ":1", "a:0", "a:65536", "a:1,b"] {
            let error = parse(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }
}

//! The command line: `floe-real real|doctor|round`.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::fault::FaultKind;
use crate::order::Order;

const SECONDS: u64 = 60;
const NODES: u32 = 3;
/// Rounds by themselves, each with another seed.
const ROUNDS: u64 = 1;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Rounds.
    Real(Series),
    /// Says what this machine can do.
    Doctor {
        /// The repository.
        root: PathBuf,
    },
    /// One round, in namespaces that are there already.
    Round(Order),
}

/// Rounds, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Nodes of each round; none for 3 and 5 in turn.
    pub(crate) nodes: Option<u32>,
    /// Seconds of faults in each.
    pub(crate) seconds: u64,
    /// The seed of the first; the next has the next.
    pub(crate) seed: u64,
    /// How many.
    pub(crate) rounds: u64,
    /// What is broken.
    pub(crate) kinds: Vec<FaultKind>,
    /// Where all rounds are kept; else only those that are not valid are.
    pub(crate) keep: Option<PathBuf>,
    /// Whether to do without namespaces even where they are possible.
    pub(crate) is_plain: bool,
}

impl Series {
    /// Nodes of the round with this seed.
    pub(crate) fn nodes_of(&self, seed: u64) -> u32 {
        self.nodes.unwrap_or(match seed % 2 {
            0 => 5,
            _ => NODES,
        })
    }
}

impl Arguments {
    /// Reads the words after the name of the program.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut words = words;
        match words.next().as_deref() {
            Some("real") => series(words).map(Self::Real),
            Some("doctor") => Ok(Self::Doctor {
                root: series(words)?.root,
            }),
            Some("round") => {
                let order = words.next().unwrap_or_default();
                Ok(Self::Round(serde_json::from_str(&order)?))
            }
            _ => Err(usage("the first word is real or doctor")),
        }
    }
}

fn series(mut words: impl Iterator<Item = String>) -> Result<Series, Failure> {
    let mut series = Series {
        root: PathBuf::from("."),
        nodes: None,
        seconds: SECONDS,
        seed: 1,
        rounds: ROUNDS,
        kinds: FaultKind::ALL.to_vec(),
        keep: None,
        is_plain: false,
    };
    while let Some(option) = words.next() {
        if option == "--plain" {
            series.is_plain = true;
            continue;
        }
        let value = words.next();
        let value = value.ok_or_else(|| usage(&format!("{option} needs a value")))?;
        match option.as_str() {
            "--root" => series.root = PathBuf::from(value),
            "--nodes" => series.nodes = Some(number(&option, &value, 1..=9)?),
            "--seconds" => series.seconds = number(&option, &value, 1..=86_400)?,
            "--seed" | "--first-seed" => series.seed = number(&option, &value, 0..=u64::MAX)?,
            "--rounds" => series.rounds = number(&option, &value, 1..=100_000)?,
            "--keep" => series.keep = Some(PathBuf::from(value)),
            "--faults" => series.kinds = kinds(&value)?,
            "-o" | "--output" if value == "json" => {}
            _ => return Err(usage(&format!("what is {option} {value}?"))),
        }
    }
    Ok(series)
}

fn number<T: TryFrom<u64>>(
    option: &str,
    value: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<T, Failure> {
    let read = value.parse().ok().filter(|number| range.contains(number));
    let read = read.and_then(|number| T::try_from(number).ok());
    read.ok_or_else(|| usage(&format!("{option} is {} to {}", range.start(), range.end())))
}

fn kinds(list: &str) -> Result<Vec<FaultKind>, Failure> {
    let named = |name: &str| {
        FaultKind::named(name).ok_or_else(|| {
            let all: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
            usage(&format!(
                "no fault is named {name}; there are {}",
                all.join(", ")
            ))
        })
    };
    let mut kinds = list.split(',').map(named).collect::<Result<Vec<_>, _>>()?;
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

fn usage(what: &str) -> Failure {
    Failure::Usage(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, Failure> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_series_is_what_the_line_says_and_else_all_faults_on_three_and_five_nodes() {
        let Arguments::Real(series) = parsed("real --first-seed 4 --rounds 2 -o json").unwrap()
        else {
            panic!("no series");
        };
        assert_eq!((series.seed, series.rounds, series.seconds), (4, 2, 60));
        assert_eq!((series.nodes_of(4), series.nodes_of(5)), (5, 3));
        assert_eq!(series.kinds, FaultKind::ALL);
        let line = "real --faults pause,kill,kill --nodes 1 --plain";
        let Arguments::Real(series) = parsed(line).unwrap() else {
            panic!("no series");
        };
        assert_eq!(series.kinds, [FaultKind::Kill, FaultKind::Pause]);
        assert_eq!((series.nodes_of(4), series.is_plain), (1, true));
    }

    #[test]
    fn what_nobody_understands_is_refused() {
        for line in [
            "",
            "reel",
            "real --faults kil",
            "real --nodes 0",
            "real --nodes",
            "real -o yaml",
            "real --seconds ten",
            "round {}",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}

//! What this machine can do, found out by doing it in namespaces that are thrown away.
//!
//! Invariant: what is not possible has a reason, and where there is a way out also that.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;
use crate::fault::{FaultKind, Need};
use crate::isolation;
use crate::kafka;
use crate::network::relay::RELAY;
use crate::tool;

/// A cable with both ends in one namespace.
const PAIR: &str =
    "ip link add name end0 type veth peer name end1 && ip link set end0 up && ip link set end1 up";
/// Cuts the power of the filesystem that is its argument: `FS_IOC_SHUTDOWN` without a last flush.
pub(crate) const CUT_POWER: &str = "use Fcntl; my $how = pack('I', 2); \
    sysopen(my $place, $ARGV[0], O_RDONLY) or die \"open: $!\"; \
    ioctl($place, 0x8004587d, $how) or die \"ioctl: $!\"";

/// One thing that is possible or not.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ability {
    /// The fault, or the client.
    pub(crate) name: String,
    /// Whether it is possible.
    pub(crate) possible: bool,
    /// Why not, or how far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// What would make it possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Diagnosis {
    /// Whether nodes get networks and disks of their own.
    pub(crate) isolated: bool,
    /// Per kind of fault.
    pub(crate) faults: Vec<Ability>,
    /// Clients other than the native one.
    pub(crate) clients: Vec<Ability>,
    /// What was tried, and why it did not work.
    #[serde(skip)]
    found: Outcomes,
}

impl Diagnosis {
    /// Tries everything.
    pub(crate) async fn make(root: &Path) -> Self {
        let isolated = probe("true").await;
        let mut found = BTreeMap::new();
        for need in [
            Need::Filter,
            Need::Rejection,
            Need::Shaper,
            Need::Relay,
            Need::Volume,
        ] {
            let outcome = match &isolated {
                Ok(()) => probe(&script(need)).await,
                Err(why) => Err(format!("no namespaces: {why}")),
            };
            found.insert(need, outcome);
        }
        Self::of_outcomes(found, isolated.is_ok(), kafka::ability(root).await)
    }

    fn of_outcomes(found: Outcomes, isolated: bool, kafka: Ability) -> Self {
        let ability = |kind: FaultKind| match outcome_of(kind.need(), &found, isolated) {
            Ok(reason) => Ability {
                name: kind.name().to_owned(),
                possible: true,
                reason,
                remedy: None,
            },
            Err(why) => Ability {
                name: kind.name().to_owned(),
                possible: false,
                reason: Some(why),
                remedy: Some(remedy(kind.need(), isolated)),
            },
        };
        Self {
            isolated,
            faults: FaultKind::ALL.into_iter().map(ability).collect(),
            clients: vec![kafka],
            found,
        }
    }

    /// The same machine, if it had no namespaces.
    pub(crate) fn plain(self) -> Self {
        let nothing = |need: &Need| (*need, Err("no namespaces were asked for".to_owned()));
        let found = self.found.keys().map(nothing).collect();
        let kafka = self.clients.into_iter().next();
        let kafka = kafka.unwrap_or_else(|| Ability::impossible("kafka-clients"));
        Self::of_outcomes(found, false, kafka)
    }

    /// Whether a kind is possible.
    pub(crate) fn allows(&self, kind: FaultKind) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|found| found.name == kind.name() && found.possible)
    }

    /// Whether the machine has what something needs.
    pub(crate) fn has(&self, need: Need) -> bool {
        self.found.get(&need).is_some_and(Result::is_ok)
    }

    /// Whether everything is possible.
    pub(crate) fn is_complete(&self) -> bool {
        self.faults
            .iter()
            .chain(&self.clients)
            .all(|found| found.possible)
    }
}

type Outcomes = BTreeMap<Need, Result<(), String>>;

/// Possible, perhaps with a remark; or why not.
fn outcome_of(need: Need, found: &Outcomes, isolated: bool) -> Result<Option<String>, String> {
    let of = |need| found.get(&need).cloned().unwrap_or(Ok(()));
    let has_proxy = !isolated;
    match need {
        Need::Signals | Need::Hooks => Ok(None),
        Need::CutMatrix => Ok(of(Need::Filter)
            .err()
            .map(|why| format!("inside the nodes, not on the network: {why}"))),
        Need::ClientCut | Need::Rejection | Need::Shaper | Need::Relay if has_proxy => Ok(Some(
            "in a proxy before each node, not on the network".to_owned(),
        )),
        Need::ClientCut => of(Need::Filter).map(|()| None),
        Need::Filter | Need::Rejection | Need::Shaper | Need::Relay | Need::Volume => {
            of(need).map(|()| None)
        }
    }
}

/// What a need takes, as a script in namespaces of its own. Its arguments are the programs of
/// `probe`.
fn script(need: Need) -> String {
    match need {
        Need::Filter => format!(
            "{PAIR} && ip link add br0 type bridge && ip link set end0 master br0 && mount -t tmpfs none /run && \
             ip netns add n && nft 'add table bridge t; add set bridge t s {{ type ifname . ifname; }}; \
             add chain bridge t c {{ type filter hook forward priority 0; }}; \
             add rule bridge t c iifname . oifname @s counter drop; \
             add rule bridge t c numgen random mod 100 < 10 counter drop'"
        ),
        Need::Rejection => "nft 'add table inet t; \
             add chain inet t c { type filter hook input priority 0; }; \
             add rule inet t c meta l4proto tcp counter reject with tcp reset'"
            .to_owned(),
        Need::Shaper => {
            format!("{PAIR} && tc qdisc add dev end0 root tbf rate 1mbit burst 16kb latency 100ms")
        }
        // Its input is at its end, so it ends at once.
        Need::Relay => format!("{PAIR} && perl -e \"$1\" end0 end1 10 1"),
        Need::Volume => "mount -t tmpfs none /run && cd /run && mkdir d && truncate -s 16M i && \
             mkfs.ext4 -q -m 0 i && mount -o loop i d && perl -e \"$2\" d && umount d && \
             mount -o loop i d"
            .to_owned(),
        Need::Signals | Need::Hooks | Need::CutMatrix | Need::ClientCut => "true".to_owned(),
    }
}

async fn probe(script: &str) -> Result<(), String> {
    let mut words = isolation::words();
    words.extend(["sh", "-c", script, "probe", RELAY, CUT_POWER]);
    match tool::run_words(&words, "").await {
        Ok(_) => Ok(()),
        Err(Failure::ToolFailed { said, .. }) => Err(said),
        Err(other) => Err(other.to_string()),
    }
}

fn remedy(need: Need, is_isolated: bool) -> String {
    let words = match need {
        _ if !is_isolated => "run it as root, or: sysctl kernel.unprivileged_userns_clone=1",
        Need::ClientCut | Need::Filter | Need::Rejection => "apt-get install iproute2 nftables",
        Need::Shaper => "apt-get install iproute2; a kernel with CONFIG_NET_SCH_TBF",
        Need::Relay => "apt-get install iproute2 perl; a kernel with CONFIG_PACKET",
        Need::Volume if !isolation::is_root() => "run it as root",
        Need::Volume => "apt-get install e2fsprogs mount perl-base; a kernel with loop devices",
        Need::Signals | Need::Hooks | Need::CutMatrix => "nothing is missing",
    };
    words.to_owned()
}

impl Ability {
    /// What cannot be, for no known reason.
    fn impossible(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            possible: false,
            reason: None,
            remedy: None,
        }
    }

    /// With a way out, where it is not possible.
    pub(crate) fn with_remedy(mut self, remedy: &str) -> Self {
        if !self.possible {
            self.remedy = Some(remedy.to_owned());
        }
        self
    }
}

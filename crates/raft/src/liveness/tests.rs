#![allow(clippy::unwrap_used)]

use super::*;
use floe_model::{NodeUuid, ReplicaId, Term};
use floe_rpc::{Claim, PeerIdentity};

const ME: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);
const THIRD: NodeId = NodeId(3);
const GROUP: RaftGroupId = RaftGroupId(1000);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Liveness {
    fn heard(&mut self, node: NodeId, of: Incarnation, now: Duration) {
        let changes = self.detector.heard(node, of, now);
        drop(self.after(changes, now));
    }
}

/// A node with two live peers that it reaches.
fn liveness() -> Liveness {
    let config = RaftConfig {
        suspect_after: ms(400),
        fence_after: ms(500),
        ..RaftConfig::new(ME)
    };
    let mut liveness = Liveness::new(&config, Incarnation(1), Rng::from_seed(1));
    for node in [OTHER, THIRD] {
        liveness.add_peer(node, ms(0));
        liveness.heard(node, Incarnation(1), ms(0));
        liveness.reached(node, ms(0), ms(0));
    }
    liveness
}

fn voter(node: NodeId) -> Voter {
    Voter {
        replica_id: ReplicaId(u64::from(node.0)),
        node_id: node,
        node_uuid: NodeUuid([node.0 as u8; 16]),
    }
}

/// The facts of a group of all three nodes.
fn facts(leader: Option<NodeId>, epoch: i32) -> GroupFacts {
    let members: Vec<_> = [ME, OTHER, THIRD].map(voter).to_vec();
    GroupFacts {
        replica_id: voter(ME).replica_id,
        leader,
        epoch: LeaderEpoch(epoch),
        leads: leader == Some(ME),
        may_stand: true,
        configs: vec![members.iter().map(|member| member.replica_id).collect()],
        members,
        founders: Vec::new(),
    }
}

fn log_end(group: RaftGroupId) -> LogEnd {
    LogEnd {
        group,
        replica: voter(ME).replica_id,
        term: Term(1),
        last_log_id: None,
    }
}

fn beat(incarnation: u64, seq: u64, claims: &[(RaftGroupId, i32)]) -> Beat {
    let claims = claims.iter().map(|&(group, epoch)| Claim {
        group,
        epoch: LeaderEpoch(epoch),
    });
    Beat {
        incarnation: Incarnation(incarnation),
        seq,
        claims: claims.collect(),
        withdrawn: Vec::new(),
    }
}

/// All peers but `dead` go on living until `now`.
fn live_until(liveness: &mut Liveness, dead: Option<NodeId>, from: u64, now: u64) -> Effects {
    let mut all = Effects::default();
    for at in (from..=now).step_by(50) {
        for node in [OTHER, THIRD]
            .into_iter()
            .filter(|node| Some(*node) != dead)
        {
            liveness.heard(node, Incarnation(1), ms(at));
            liveness.reached(node, ms(at), ms(at));
        }
        let effects = liveness.tick(ms(at));
        all.health |= effects.health;
        all.fences.extend(effects.fences);
    }
    all
}

#[test]
fn a_claimed_group_has_a_leader_and_is_never_looked_at() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.beat(OTHER, &beat(1, 0, &[(GROUP, 1)]), ms(0));
    liveness.update(GROUP, facts(Some(OTHER), 1), ms(0));
    assert!(!liveness.is_leaderless(GROUP, ms(10_000)));
    assert_eq!(liveness.next_due(), None);
}

#[test]
fn a_suspected_nodes_groups_are_leaderless_and_due_at_this_nodes_turn() {
    let mut liveness = liveness();
    for id in 0..30 {
        let group = RaftGroupId(1000 + id);
        liveness.open(group, None);
        liveness.beat(OTHER, &beat(1, id, &[(group, 1)]), ms(0));
        liveness.update(group, facts(Some(OTHER), 1), ms(0));
    }
    live_until(&mut liveness, Some(OTHER), 0, 450);
    assert!(liveness.suspects(OTHER));
    let group_of = |due: Due| match due {
        Due::Stand(group) => group,
        other => panic!("{other:?}"),
    };
    let at_once: BTreeSet<_> = liveness
        .due(ms(475), 100)
        .into_iter()
        .map(group_of)
        .collect();
    // About half of the groups are this node's turn, the rest the other survivor's.
    assert!((5..25).contains(&at_once.len()), "{}", at_once.len());
    let later: BTreeSet<_> = liveness
        .due(ms(800), 100)
        .into_iter()
        .map(group_of)
        .collect();
    assert_eq!(at_once.union(&later).count(), 30);
}

#[test]
fn a_leader_without_a_claim_has_a_grace_and_then_is_replaced() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(None, 0), ms(0));
    liveness.update(GROUP, facts(Some(OTHER), 1), ms(0));
    assert!(!liveness.is_leaderless(GROUP, ms(299)));
    assert!(liveness.is_leaderless(GROUP, ms(300)));
    assert_eq!(liveness.due(ms(299), 10), []);
    assert_eq!(
        liveness.due(ms(300) + 2 * STAGGER + SPREAD, 10),
        [Due::Stand(GROUP)]
    );
}

#[test]
fn a_withdrawn_claim_makes_the_group_leaderless() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.beat(OTHER, &beat(1, 0, &[(GROUP, 1)]), ms(0));
    liveness.update(GROUP, facts(Some(OTHER), 1), ms(0));
    let withdrawal = Beat {
        withdrawn: vec![GROUP],
        ..beat(1, 1, &[])
    };
    liveness.beat(OTHER, &withdrawal, ms(5000));
    assert!(liveness.is_leaderless(GROUP, ms(5000)));
    assert!(liveness.next_due().is_some());
}

#[test]
fn a_new_incarnation_without_the_claim_is_no_leader() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.beat(OTHER, &beat(1, 0, &[(GROUP, 1)]), ms(0));
    liveness.update(GROUP, facts(Some(OTHER), 1), ms(0));
    liveness.beat(OTHER, &beat(2, 0, &[]), ms(90));
    assert!(liveness.is_leaderless(GROUP, ms(90)));
    let due = liveness.next_due().unwrap();
    assert!(due < ms(90) + STAGGER + SPREAD);
}

#[test]
fn a_beat_of_an_older_incarnation_changes_nothing() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.beat(OTHER, &beat(2, 0, &[(GROUP, 1)]), ms(0));
    liveness.update(GROUP, facts(Some(OTHER), 1), ms(0));
    let (reply, _) = liveness.beat(OTHER, &beat(1, 0, &[]), ms(10));
    assert_eq!(reply, BeatReply::Restart);
    assert!(!liveness.is_leaderless(GROUP, ms(10)));
}

#[test]
fn the_highest_claim_wins_over_what_is_known_here() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(None, 4), ms(0));
    liveness.beat(OTHER, &beat(1, 0, &[(GROUP, 3)]), ms(0));
    assert!(liveness.is_leaderless(GROUP, ms(300)));
    liveness.beat(THIRD, &beat(1, 0, &[(GROUP, 5)]), ms(300));
    assert!(!liveness.is_leaderless(GROUP, ms(300)));
}

#[test]
fn a_leader_that_reaches_no_majority_is_fenced_and_claims_nothing() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    assert!(!liveness.update(GROUP, facts(Some(ME), 1), ms(0)));
    assert_eq!(liveness.leading(), 1);
    let mut fences = Vec::new();
    for at in (50..=600).step_by(50) {
        fences.extend(liveness.tick(ms(at)).fences);
    }
    assert_eq!(fences, [GROUP]);
    assert_eq!(liveness.leading(), 0);
    let effects = liveness.reached(OTHER, ms(650), ms(650));
    assert!(effects.fences.is_empty());
    assert_eq!(liveness.leading(), 0);
    assert_eq!(liveness.due(ms(650), 1), [Due::Confirm(GROUP)]);
    assert!(!liveness.confirmed(GROUP, LeaderEpoch(0)));
    assert!(liveness.confirmed(GROUP, LeaderEpoch(1)));
    assert_eq!(liveness.leading(), 1);
}

#[test]
fn a_leader_that_hears_of_a_later_one_is_fenced() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(Some(ME), 1), ms(0));
    let (_, effects) = liveness.beat(OTHER, &beat(1, 0, &[(GROUP, 2)]), ms(10));
    assert_eq!(effects.fences, [GROUP]);
    assert!(!liveness.confirmed(GROUP, LeaderEpoch(1)));
}

#[test]
fn a_stuck_leader_withdraws_until_it_moves_and_is_confirmed() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(Some(ME), 1), ms(0));
    assert_eq!(liveness.set_stuck(GROUP, true, ms(10)).fences, [GROUP]);
    assert_eq!(liveness.leading(), 0);
    liveness.set_stuck(GROUP, false, ms(20));
    assert_eq!(liveness.due(ms(20), 1), [Due::Confirm(GROUP)]);
    assert!(liveness.confirmed(GROUP, LeaderEpoch(1)));
}

#[test]
fn a_given_vote_gives_its_candidate_time() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(Some(OTHER), 1), ms(0));
    liveness.refused(OTHER, ms(1000));
    assert!(liveness.is_leaderless(GROUP, ms(1000)));
    liveness.update(GROUP, facts(None, 2), ms(1010));
    assert!(!liveness.is_leaderless(GROUP, ms(1200)));
    assert!(liveness.is_leaderless(GROUP, ms(1310)));
}

#[test]
fn a_claim_by_another_node_than_the_known_leader_keeps_the_group_in_the_queue() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(None, 1), ms(0));
    liveness.update(GROUP, facts(None, 2), ms(1000));
    liveness.beat(OTHER, &beat(1, 0, &[(GROUP, 2)]), ms(1010));
    assert!(!liveness.is_leaderless(GROUP, ms(1400)));
    for at in (1000..2000).step_by(50) {
        assert_eq!(liveness.due(ms(at), 10), []);
    }
    liveness.refused(OTHER, ms(2000));
    let due: Vec<_> = (2000..3000)
        .step_by(50)
        .flat_map(|at| liveness.due(ms(at), 10))
        .collect();
    assert!(due.contains(&Due::Stand(GROUP)));
}

#[test]
fn one_reachable_voter_of_two_keeps_a_leader_serving() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(Some(ME), 1), ms(0));
    let effects = live_until(&mut liveness, Some(THIRD), 50, 2000);
    assert_eq!(effects.fences, []);
    assert!(liveness.suspects(THIRD));
}

#[test]
fn a_failed_election_is_due_again() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(None, 2), ms(0));
    let mut stood = 0;
    for at in (0..5000).step_by(10) {
        stood += liveness.due(ms(at), 10).len();
    }
    assert!((7..=17).contains(&stood), "{stood}");
}

#[test]
fn only_the_first_live_founder_initialises() {
    let founding = |replica: NodeId| GroupFacts {
        replica_id: voter(replica).replica_id,
        members: Vec::new(),
        configs: Vec::new(),
        founders: [OTHER, ME, THIRD].map(voter).to_vec(),
        ..facts(None, 0)
    };
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, founding(ME), ms(0));
    assert_eq!(liveness.due(ms(100), 10), []);
    liveness.refused(OTHER, ms(150));
    let due = liveness.due(ms(1000), 10);
    assert_eq!(due, [Due::Found(GROUP, founding(ME).founders)]);
}

#[test]
fn a_founder_that_lives_but_does_not_initialise_is_waited_for_only_so_long() {
    let founding = GroupFacts {
        replica_id: voter(ME).replica_id,
        members: Vec::new(),
        configs: Vec::new(),
        founders: [OTHER, ME, THIRD].map(voter).to_vec(),
        ..facts(None, 0)
    };
    let mut liveness = liveness();
    liveness.heard(OTHER, Incarnation(1), ms(9000));
    liveness.open(GROUP, None);
    liveness.update(GROUP, founding.clone(), ms(10_000));
    for now in (10_000..13_000).step_by(100) {
        liveness.heard(OTHER, Incarnation(1), ms(now));
        assert_eq!(liveness.due(ms(now), 10), [], "at {now} ms");
    }
    liveness.heard(OTHER, Incarnation(1), ms(14_000));
    let due = liveness.due(ms(14_000), 10);
    assert_eq!(due, [Due::Found(GROUP, founding.founders)]);
}

#[test]
fn the_next_founder_initialises_when_the_first_came_back_with_another_disk() {
    let founding = GroupFacts {
        replica_id: voter(ME).replica_id,
        members: Vec::new(),
        configs: Vec::new(),
        founders: [OTHER, ME, THIRD].map(voter).to_vec(),
        ..facts(None, 0)
    };
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, founding.clone(), ms(0));
    let identity = |disk: u8| PeerIdentity {
        cluster_id: None,
        cluster_name: String::new(),
        node_id: OTHER,
        node_uuid: NodeUuid([disk; 16]),
        incarnation: Incarnation(2),
    };
    drop(liveness.met(&identity(OTHER.0 as u8), ms(50)));
    assert_eq!(
        liveness.due(ms(300), 10),
        [],
        "the first founder lives on its disk"
    );
    drop(liveness.met(&identity(99), ms(350)));
    let due = liveness.due(ms(1500), 10);
    assert_eq!(due, [Due::Found(GROUP, founding.founders)]);
}

#[test]
fn a_restarted_replica_votes_once_every_reachable_peer_has_checked_its_log() {
    let mut liveness = liveness();
    liveness.open(GROUP, Some(log_end(GROUP)));
    liveness.update(GROUP, facts(None, 1), ms(0));
    assert!(!liveness.may_vote(GROUP));
    assert_eq!(liveness.logs_to_check(OTHER, 10).len(), 1);
    liveness.checked(OTHER, [GROUP].into_iter());
    assert!(liveness.logs_to_check(OTHER, 10).is_empty());
    assert!(!liveness.may_vote(GROUP));
    liveness.refused(THIRD, ms(10));
    assert!(liveness.may_vote(GROUP));
}

#[test]
fn a_candidate_that_has_not_checked_a_restarted_log_gets_no_vote_of_it() {
    let mut liveness = liveness();
    liveness.open(GROUP, Some(log_end(GROUP)));
    liveness.update(GROUP, facts(None, 1), ms(0));
    liveness.checked(THIRD, [GROUP].into_iter());
    liveness.refused(OTHER, ms(10));
    assert!(liveness.may_vote(GROUP));
    assert!(liveness.may_vote_for(GROUP, THIRD));
    assert!(!liveness.may_vote_for(GROUP, OTHER));
    liveness.checked(OTHER, [GROUP].into_iter());
    assert!(liveness.may_vote_for(GROUP, OTHER));
}

#[test]
fn an_answer_that_comes_after_another_one_says_nothing_of_the_log() {
    let mut liveness = liveness();
    liveness.open(GROUP, Some(log_end(GROUP)));
    let asked = liveness.logs_to_check(OTHER, 10);
    assert_eq!(liveness.still_unchecked(OTHER, &asked), [GROUP]);
    liveness.checked(OTHER, [GROUP].into_iter());
    assert!(liveness.still_unchecked(OTHER, &asked).is_empty());
    assert_eq!(liveness.still_unchecked(THIRD, &asked), [GROUP]);
    liveness.close(GROUP);
    assert!(liveness.still_unchecked(THIRD, &asked).is_empty());
}

#[test]
fn a_peer_met_later_checks_what_was_restarted_before() {
    const LATE: NodeId = NodeId(4);
    let new = RaftGroupId(1001);
    let mut liveness = liveness();
    liveness.open(GROUP, Some(log_end(GROUP)));
    liveness.open(new, None);
    for node in [OTHER, THIRD] {
        liveness.checked(node, [GROUP].into_iter());
    }
    assert!(liveness.may_vote(GROUP));
    liveness.add_peer(LATE, ms(0));
    assert!(liveness.is_unchecked(GROUP, LATE) && !liveness.is_unchecked(new, LATE));
    assert!(!liveness.may_vote(GROUP) && liveness.may_vote(new));
    assert_eq!(liveness.logs_to_check(LATE, 10), [log_end(GROUP)]);
    drop(liveness.remove_peer(LATE, ms(0)));
    assert!(liveness.may_vote(GROUP));
}

#[test]
fn of_a_pair_with_nothing_to_tell_the_lower_id_beats_for_both() {
    let config = RaftConfig {
        beat_interval: ms(100),
        suspect_after: ms(400),
        fence_after: ms(500),
        ..RaftConfig::new(OTHER)
    };
    let mut liveness = Liveness::new(&config, Incarnation(1), Rng::from_seed(1));
    for node in [ME, THIRD] {
        liveness.add_peer(node, ms(0));
    }
    let told = liveness.frame(Told::default()).1;
    assert!(liveness.must_beat(ME, told, ms(0)), "it was not heard yet");
    drop(liveness.beat(ME, &beat(1, 0, &[]), ms(0)));
    assert!(
        !liveness.detector.reaches(ME),
        "a first beat shows no answer"
    );
    drop(liveness.beat(ME, &beat(1, 1, &[]), ms(100)));
    assert!(liveness.detector.reaches(ME));
    assert!(!liveness.must_beat(ME, told, ms(200)));
    assert!(
        liveness.must_beat(THIRD, told, ms(200)),
        "we are the lower id"
    );
    assert!(
        liveness.must_beat(ME, Told::default(), ms(200)),
        "something to tell"
    );
    assert!(liveness.must_beat(ME, told, ms(260)), "its beats stopped");
    // What it reached counts from the answer that is known to have arrived.
    for at in (100..500).step_by(50) {
        drop(liveness.tick(ms(at)));
    }
    assert!(liveness.detector.reaches(ME));
    drop(liveness.tick(ms(500)));
    assert!(!liveness.detector.reaches(ME));
}

#[test]
fn a_restarted_peers_groups_get_one_paced_heartbeat() {
    let mut liveness = liveness();
    for id in 0..10 {
        let group = RaftGroupId(1000 + id);
        liveness.open(group, None);
        liveness.update(group, facts(Some(ME), 1), ms(0));
    }
    assert_eq!(liveness.due(ms(1000), 100), []);
    liveness.heard(OTHER, Incarnation(2), ms(1000));
    let due = liveness.due(ms(1010), 100);
    assert_eq!(due.len(), 10);
    assert!(due.iter().all(|due| matches!(due, Due::Heartbeat(_))));
    assert_eq!(liveness.due(ms(5000), 100), []);
}

#[test]
fn an_idle_leader_renews_its_lease_long_before_a_day() {
    let mut liveness = liveness();
    liveness.open(GROUP, None);
    liveness.update(GROUP, facts(Some(ME), 1), ms(0));
    let due = liveness.next_due().unwrap();
    assert!(due <= Duration::from_secs(6 * 3600));
    assert_eq!(liveness.due(due, 1), [Due::Heartbeat(GROUP)]);
    assert!(liveness.next_due().unwrap() > due);
}

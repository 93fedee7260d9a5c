#![allow(clippy::unwrap_used)]

use floe_kafka_codec::messages::{FetchForgottenTopic, FetchTopic};

use super::*;

fn topic(name: &str, partitions: &[i32]) -> FetchTopic {
    let partition = |&partition| FetchPartition {
        partition,
        ..FetchPartition::default()
    };
    FetchTopic {
        topic: name.to_owned(),
        partitions: partitions.iter().map(partition).collect(),
        ..FetchTopic::default()
    }
}

fn request(session_id: i32, session_epoch: i32, topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest {
        session_id,
        session_epoch,
        topics,
        ..FetchRequest::default()
    }
}

struct Fixture {
    sessions: FetchSessions,
    rng: Rng,
}

impl Fixture {
    fn new() -> Self {
        Self {
            sessions: FetchSessions::default(),
            rng: Rng::from_seed(1),
        }
    }

    fn open(&self, at_s: u64, request: &FetchRequest) -> Result<Opened, KafkaError> {
        let now = Duration::from_secs(at_s);
        self.sessions.open(request, false, now, &self.rng)
    }
}

fn indexes(opened: &Opened) -> Vec<i32> {
    opened.wanted.iter().map(|one| one.partition.1).collect()
}

#[test]
fn a_session_keeps_its_partitions_and_takes_changes() {
    let fixture = Fixture::new();
    let first = fixture
        .open(0, &request(0, 0, vec![topic("t", &[0, 1])]))
        .unwrap();
    assert_ne!(first.session_id, 0);
    let id = first.session_id;
    let same = fixture.open(0, &request(id, 1, Vec::new())).unwrap();
    assert_eq!(indexes(&same), [0, 1]);
    let mut change = request(id, 2, vec![topic("t", &[2])]);
    change.forgotten_topics_data = vec![FetchForgottenTopic {
        topic: "t".to_owned(),
        partitions: vec![0],
        ..FetchForgottenTopic::default()
    }];
    assert_eq!(indexes(&fixture.open(0, &change).unwrap()), [1, 2]);
}

#[test]
fn a_partition_that_gave_records_is_read_last() {
    let fixture = Fixture::new();
    let first = fixture
        .open(0, &request(0, 0, vec![topic("t", &[0, 1])]))
        .unwrap();
    let told = Told {
        high_watermark: 5,
        log_start_offset: 0,
    };
    fixture.sessions.tell(
        first.session_id,
        vec![Outcome {
            partition: first.wanted[0].partition.clone(),
            told: Some(told),
            had_records: true,
        }],
    );
    let next = fixture
        .open(0, &request(first.session_id, 1, Vec::new()))
        .unwrap();
    assert_eq!(indexes(&next), [1, 0]);
    assert_eq!(next.wanted[1].told, Some(told));
}

#[test]
fn unknown_sessions_and_wrong_epochs_are_refused() {
    let fixture = Fixture::new();
    let unknown = fixture.open(0, &request(7, 1, Vec::new()));
    assert_eq!(unknown, Err(KafkaError::FETCH_SESSION_ID_NOT_FOUND));
    let id = fixture
        .open(0, &request(0, 0, vec![topic("t", &[0])]))
        .unwrap()
        .session_id;
    let early = fixture.open(0, &request(id, 2, Vec::new()));
    assert_eq!(early, Err(KafkaError::INVALID_FETCH_SESSION_EPOCH));
    let other_form = fixture.sessions.open(
        &request(id, 1, Vec::new()),
        true,
        Duration::ZERO,
        &fixture.rng,
    );
    assert_eq!(other_form, Err(KafkaError::FETCH_SESSION_TOPIC_ID_ERROR));
}

#[test]
fn a_final_fetch_ends_its_session_and_one_without_session_makes_none() {
    let fixture = Fixture::new();
    let id = fixture
        .open(0, &request(0, 0, vec![topic("t", &[0])]))
        .unwrap()
        .session_id;
    let last = fixture
        .open(0, &request(id, -1, vec![topic("t", &[0])]))
        .unwrap();
    assert_eq!((last.session_id, fixture.sessions.len()), (0, 0));
}

#[test]
fn sessions_are_bounded_and_only_disused_ones_make_room() {
    let fixture = Fixture::new();
    let full = request(0, 0, vec![topic("t", &[0])]);
    for _ in 0..SESSIONS_MAX {
        assert_ne!(fixture.open(0, &full).unwrap().session_id, 0);
    }
    assert_eq!(fixture.open(60, &full).unwrap().session_id, 0);
    assert_ne!(fixture.open(120, &full).unwrap().session_id, 0);
    assert_eq!(fixture.sessions.len(), SESSIONS_MAX);
}

#[test]
fn a_session_that_lost_all_partitions_is_gone() {
    let fixture = Fixture::new();
    let id = fixture
        .open(0, &request(0, 0, vec![topic("t", &[0])]))
        .unwrap()
        .session_id;
    let mut forget = request(id, 1, Vec::new());
    forget.forgotten_topics_data = vec![FetchForgottenTopic {
        topic: "t".to_owned(),
        partitions: vec![0],
        ..FetchForgottenTopic::default()
    }];
    assert_eq!(fixture.open(0, &forget).unwrap().session_id, 0);
    assert_eq!(fixture.sessions.len(), 0);
}

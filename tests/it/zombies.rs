//! A group member whose process was stopped past its session has lost its partitions: when it
//! wakes it can neither commit nor read on as their owner.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use floe_client::{Client, Consumer, Record, Start};
use tempfile::TempDir;

use crate::cluster::{Cluster, binary};
use crate::ledger::connect;

const TOPIC: &str = "work";
const GROUP: &str = "readers";
const PARTITIONS: u32 = 4;
const FIRST: u32 = 400;
const ALL: u32 = 800;
/// The session of a member is ten seconds; the takeover comes behind it.
const LIMIT: Duration = Duration::from_secs(60);

/// `floe consume --group` as a process of its own, printing `partition offset value` into a file.
struct Member {
    child: Child,
    dir: TempDir,
}

impl Member {
    fn start(cluster: &Cluster) -> Self {
        let dir = TempDir::new().unwrap();
        let child = Command::new(binary())
            .args(["consume", TOPIC, "--group", GROUP])
            .args(["--format", "%p %o %v\\n"])
            .env("FLOE_SERVER", cluster.servers())
            .stdin(Stdio::null())
            .stdout(File::create(dir.path().join("read")).unwrap())
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// (partition, offset) of what it has printed, in order.
    fn printed(&self) -> Vec<(u32, i64)> {
        lines(&self.dir.path().join("read"))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines(file: &Path) -> Vec<(u32, i64)> {
    let text = fs::read_to_string(file).unwrap();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let place = |line: &str| {
        let mut words = line.split(' ').map(|word| word.parse().unwrap());
        let partition: i64 = words.next().unwrap();
        (u32::try_from(partition).unwrap(), words.next().unwrap())
    };
    whole.lines().map(place).collect()
}

async fn produce(client: &Client, numbers: std::ops::Range<u32>) {
    let producer = client.producer(TOPIC).build().await.unwrap();
    for number in numbers {
        let record = Record::new(number.to_string()).key(number.to_string());
        drop(producer.enqueue(record).await.unwrap());
    }
    producer.close().await.unwrap();
}

/// What the group has committed, by partition.
async fn committed(client: &Client) -> BTreeMap<u32, i64> {
    let stored = client.admin().group_offsets(GROUP).await.unwrap();
    let place = |stored: floe_client::CommittedOffset| (stored.key.partition.0, stored.offset.0);
    stored.into_iter().map(place).collect()
}

async fn ends(client: &Client) -> BTreeMap<u32, i64> {
    let ends = client.admin().offsets(TOPIC, Start::End).await.unwrap();
    let end = |(partition, end): (floe_client::PartitionIndex, Option<floe_client::Offset>)| {
        (partition.0, end.unwrap().0)
    };
    ends.into_iter().map(end).collect()
}

async fn until<F: Future<Output = bool>>(what: &str, mut reached: impl FnMut() -> F) {
    let waiting = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(LIMIT, waiting).await;
    assert!(in_time.is_ok(), "{what}: not within {LIMIT:?}");
}

async fn read(consumer: &mut Consumer, count: usize) -> Vec<(u32, i64)> {
    let mut places = Vec::new();
    let reading = async {
        while places.len() < count {
            let message = consumer.next().await.unwrap().unwrap();
            places.push((message.partition.0, message.offset.0));
        }
    };
    let in_time = tokio::time::timeout(LIMIT, reading).await;
    assert!(in_time.is_ok(), "{} of {count} records", places.len());
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_sleeps_past_its_session_neither_commits_nor_reads_as_owner() {
    let cluster = Cluster::up(3);
    let client = connect(&cluster.servers()).await;
    let topic = client.admin().create_topic(TOPIC).partitions(PARTITIONS);
    topic.send().await.unwrap();
    produce(&client, 0..FIRST).await;

    let zombie = Member::start(&cluster);
    until("the first member reads everything", async || {
        zombie.printed().len() == FIRST as usize
    })
    .await;
    let mut produced = FIRST;
    // It falls asleep with records read but not yet committed: something to commit on waking.
    loop {
        produce(&client, produced..produced + 10).await;
        produced += 10;
        until("the first member reads on", async || {
            zombie.printed().len() == produced as usize
        })
        .await;
        zombie.signal("-STOP");
        if committed(&client).await.values().sum::<i64>() < i64::from(produced) {
            break;
        }
        zombie.signal("-CONT");
        assert!(produced < ALL, "it commits at once, every time");
    }
    let before = zombie.printed().len();

    let mut heir = client
        .consumer(GROUP)
        .topics([TOPIC])
        .manual_commit()
        .build()
        .await
        .unwrap();
    produce(&client, produced..ALL + 100).await;
    let ends = ends(&client).await;
    assert_eq!(ends.values().sum::<i64>(), i64::from(ALL + 100));
    // The heir goes on where the sleeper had committed, to the end.
    let mut position = BTreeMap::new();
    while position != ends {
        for (partition, offset) in read(&mut heir, 1).await {
            let next = position.insert(partition, offset + 1);
            assert!(next.is_none_or(|next| next == offset), "a gap or a repeat");
        }
    }
    heir.commit().await.unwrap();
    assert_eq!(committed(&client).await, ends);

    zombie.signal("-CONT");
    // It must hear of its fate, join again as a new member and get work: proof that it is awake.
    let mut produced = ALL + 100;
    let deadline = tokio::time::Instant::now() + LIMIT;
    let mut newest = committed(&client).await;
    while zombie.printed().len() == before {
        assert!(tokio::time::Instant::now() < deadline, "it never wakes");
        produce(&client, produced..produced + 20).await;
        produced += 20;
        drop(tokio::time::timeout(Duration::from_millis(50), heir.next()).await);
        let now = committed(&client).await;
        for (partition, offset) in &newest {
            assert!(now[partition] >= *offset, "{newest:?} went back to {now:?}");
        }
        newest = now;
    }
    let after_waking = zombie.printed().split_off(before);
    for (partition, offset) in after_waking {
        assert!(
            offset >= ends[&partition],
            "it read ({partition}, {offset}) although the heir had read to {ends:?}"
        );
    }
}

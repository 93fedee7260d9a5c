"""What each client must do, one function for each cell of the matrix.

A scenario gets a `Bench`, raises `AssertionError` when the cluster or the client did something
else than it must, and `Lacks` passes through when the client has no such feature.
"""

import base64
import random
import time
import uuid

from .driver import Failed, Lacks, Silent
from .records import encoded, plain
from .wire import CODECS, Ticker, WireError

SESSION_MS = 6000
CONSUMER_PROTOCOL = {"protocol": "consumer"}
SETTLE_LIMIT_S = 45


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def eventually(probe, limit_s=20):
    """Repeats `probe` while it fails: what an administrator changed reaches all nodes soon, not at once."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return probe()
        except (AssertionError, Failed, WireError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.25)


class Bench:
    """A client under test at a cluster."""

    def __init__(self, client, cluster, wire, topics, open_driver):
        self.client, self.cluster, self.wire, self.topics, self.open_driver = client, cluster, wire, topics, open_driver
        self.driver = open_driver()

    def topic(self, partitions=1, **configs):
        return self.topics.create(self.client.name, partitions, {k.replace("_", "."): v for k, v in configs.items()})

    def restart(self):
        """After a failure the process may hold anything."""
        self.driver.kill()
        self.driver = self.open_driver()

    def filled(self, count=20):
        """A topic of one partition with `count` records, written in four batches."""
        topic = self.topic()
        for first in range(0, count, 5):
            self.wire.produce(topic, 0, [b"value-%d" % place for place in range(first, first + 5)])
        return topic

    def read(self, topic, start, count, timeout_ms=30_000, **more):
        answer = self.driver.call("consume", topic=topic, partition=0, start=start, count=count, timeout_ms=timeout_ms, **more)
        return answer["records"]


# --- producing and consuming


def produce_with(codec):
    def scenario(bench):
        topic = bench.topic()
        records = [plain(f"{codec} {place} " + "x" * 200, key=f"key-{place}") for place in range(50)]
        bench.driver.call("produce", topic=topic, partition=0, records=records, compression=codec)
        stored = bench.wire.read(topic, 0)
        check(sum(batch.count for batch in stored) == 50, f"{sum(b.count for b in stored)} records stored, not 50")
        codecs = {batch.codec for batch in stored}
        check(codecs == {codec}, f"stored with {sorted(codecs)}, not {codec}")
        rows = bench.read(topic, {"at": "start"}, 50)
        check([(r["key"], r["value"]) for r in rows] == [(r["key"], r["value"]) for r in records], "read back differently")

    return scenario


def consume_from_start(bench):
    offsets = [row["offset"] for row in bench.read(bench.filled(), {"at": "start"}, 20)]
    check(offsets == list(range(20)), f"offsets {offsets}")


def consume_from_offset(bench):
    offsets = [row["offset"] for row in bench.read(bench.filled(), {"at": "offset", "offset": 13}, 7)]
    check(offsets == list(range(13, 20)), f"offsets {offsets}")


def consume_from_end(bench):
    topic = bench.filled()
    with Ticker(bench.cluster.bootstrap, topic, 1):
        offsets = [row["offset"] for row in bench.read(topic, {"at": "end"}, 5)]
    check(len(offsets) == 5 and offsets[0] >= 20, f"offsets {offsets}; the end was 20")
    check(offsets == list(range(offsets[0], offsets[0] + 5)), f"offsets {offsets}")


def consume_from_timestamp(bench):
    topic = bench.topic()
    for place in range(4):
        bench.wire.produce(topic, 0, [b"early-%d" % place])
    time.sleep(0.05)
    cut = int(time.time() * 1000)
    time.sleep(0.05)
    for place in range(4):
        bench.wire.produce(topic, 0, [b"late-%d" % place])
    offsets = [row["offset"] for row in bench.read(topic, {"at": "timestamp", "timestamp": cut}, 4)]
    check(offsets == [4, 5, 6, 7], f"offsets {offsets}; the first after the time is 4")


# --- large values

MIB = 1 << 20
RAISED = 2 * MIB


def large_value_refused(bench):
    topic = bench.topic()
    record = plain(None) | {"value": large_value()}
    try:
        bench.driver.call("produce", topic=topic, partition=0, records=[record], max_bytes=RAISED)
    except Failed as failure:
        check(failure.code == 10, f"refused with {failure}, not with MESSAGE_TOO_LARGE (10)")
    else:
        check(False, "a value of 1 MiB was accepted by a topic with default limits")
    check(bench.wire.end_offset(topic, 0) == 0, "the refused record is in the log")


def large_value_accepted(bench):
    topic = bench.topic(max_message_bytes=str(RAISED))
    record = plain(None) | {"value": large_value()}
    for _ in range(2):
        bench.driver.call("produce", topic=topic, partition=0, records=[record], max_bytes=RAISED)
    rows = bench.read(topic, {"at": "start"}, 2, max_bytes=RAISED)
    check([row["value"] for row in rows] == [record["value"]] * 2, f"{len(rows)} of 2 values read, or different ones")


def large_value():
    """1 MiB of text that does not compress to nothing; text, since some clients take only that."""
    return encoded(base64.b64encode(random.Random(1).randbytes(MIB * 3 // 4)))


# --- groups


class Member:
    """A driver process that is a member of a group."""

    def __init__(self, bench, group, topic, **more):
        self.driver, self.killed = bench.open_driver(), False
        self.driver.start("group", group=group, topic=topic, session_ms=SESSION_MS, **more)

    def kill(self):
        self.driver.kill()
        self.killed = True

    def records(self):
        return [tuple(record) for one in self.driver.snapshot() for record in one.get("records", [])]

    def highest(self):
        """{partition: highest offset seen}"""
        return {part: offset for part, offset in sorted(self.records())}

    def over(self):
        try:
            self.driver.finish(0.001)
        except Silent as silence:
            return None if "no answer" in str(silence) else silence
        except (Failed, Lacks) as failure:
            return failure
        return AssertionError("the member left by itself")


class Group:
    """Members of a group on a topic that is written all the time."""

    PARTITIONS = 6

    def __init__(self, bench, topic, more):
        self.bench, self.topic, self.more = bench, topic, more
        self.name = f"group-{uuid.uuid4().hex[:8]}"
        self.members = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.driver.kill()

    def join(self, count):
        for _ in range(count):
            self.members.append(Member(self.bench, self.name, self.topic, **self.more))

    def settle(self, what):
        """Waits until every partition is read by one member each and every member reads."""
        deadline = time.monotonic() + SETTLE_LIMIT_S
        while True:
            before = [member.highest() for member in self.members]
            time.sleep(1.2)
            after = [member.highest() for member in self.members]
            reads = [{part for part in now if now[part] != old.get(part)} for old, now in zip(before, after)]
            shared = sum(len(parts) for parts in reads) == self.PARTITIONS
            if shared and all(reads) and set().union(*reads) == set(range(self.PARTITIONS)):
                return reads
            for member in self.members:
                if (end := member.over()) is not None:
                    raise end
            check(time.monotonic() < deadline, f"{what}: after {SETTLE_LIMIT_S} s the members read {[sorted(r) for r in reads]}")

    def all_read(self, seen_before, until):
        """Checks that the members together read every offset below `until`."""
        seen = set(seen_before)
        for member in self.members:
            seen.update(member.records())
        missing = [(part, offset) for part, end in until.items() for offset in range(end) if (part, offset) not in seen]
        check(not missing, f"{len(missing)} records were read by no member: {missing[:5]}")


def group_of_three(bench, **more):
    """Three share six partitions, a fourth joins, one is killed: every record is read by somebody."""
    topic = bench.topic(partitions=Group.PARTITIONS)
    with Ticker(bench.cluster.bootstrap, topic, Group.PARTITIONS) as ticker, Group(bench, topic, more) as group:
        group.join(3)
        group.settle("three members")
        group.join(1)
        group.settle("a fourth joined")
        victim = group.members.pop(0)
        seen = victim.records()
        victim.driver.kill()
        group.settle("one was killed")
        until = dict(ticker.written)
        eventually(lambda: group.all_read(seen, until))
        for member in group.members:
            member.driver.leave()


def commit_and_resume(bench, **more):
    topic = bench.filled(20)
    group = f"resume-{uuid.uuid4().hex[:8]}"
    first = bench.driver.call("group_read", group=group, topic=topic, count=8, timeout_ms=40_000, **more)["records"]
    check([offset for _, offset in first] == list(range(8)), f"first read {first}")
    other = bench.open_driver()
    try:
        second = other.call("group_read", group=group, topic=topic, count=7, timeout_ms=40_000, **more)["records"]
    finally:
        other.close()
    check([offset for _, offset in second] == list(range(8, 15)), f"resumed at {second[:1]}, committed was 8")
    if bench.topics.native:
        rest = bench.topics.native.call("group_read", group=group, topic=topic, count=5, timeout_ms=40_000)["records"]
        check([offset for _, offset in rest] == list(range(15, 20)), f"the native client resumed at {rest[:1]}, committed was 15")


def in_consumer_protocol(scenario):
    """The same with group.protocol=consumer (KIP-848): the broker assigns, and says how often to heartbeat."""

    def check_if_spoken(bench):
        if bench.client.no_consumer_protocol:
            raise Lacks(bench.client.no_consumer_protocol)
        scenario(bench, **CONSUMER_PROTOCOL)

    return check_if_spoken


# --- administration


def create_topic(bench):
    name = bench.topics.fresh(bench.client.name)
    bench.driver.call("create_topic", topic=name, partitions=3, replication=3, configs={})
    eventually(lambda: check(len(bench.wire.metadata(name)) == 3, "the new topic does not have 3 partitions"))
    try:
        bench.driver.call("create_topic", topic=name, partitions=3, replication=3, configs={})
    except Failed as failure:
        check(failure.code == 36, f"creating it again: {failure}, not TOPIC_ALREADY_EXISTS (36)")
    else:
        check(False, "an existing topic was created again")


def create_topic_with_configs(bench):
    name = bench.topics.fresh(bench.client.name)
    bench.driver.call("create_topic", topic=name, partitions=1, replication=3, configs={"max.message.bytes": "1000"})
    eventually(lambda: check(len(bench.wire.metadata(name)) == 1, "the new topic does not have 1 partition"))
    try:
        bench.wire.produce(name, 0, [b"x" * 2000])
    except WireError as error:
        check(error.code == 10, f"a record above max.message.bytes: {error}, not MESSAGE_TOO_LARGE (10)")
    else:
        check(False, "max.message.bytes of the new topic is not in force")


def describe_topic(bench):
    topic = bench.topic(partitions=3)
    found = eventually(lambda: bench.driver.call("describe_topic", topic=topic)["partitions"])
    check([part["index"] for part in found] == [0, 1, 2], f"partitions {found}")
    leaders = {part: leader for part, (_, leader) in bench.wire.metadata(topic).items()}
    check({part["index"]: part["leader"] for part in found} == leaders, f"leaders {found}, not {leaders}")
    check(all(sorted(part["replicas"]) == [1, 2, 3] for part in found), f"replicas {found}")


def list_topics(bench):
    topic = bench.topic()
    eventually(lambda: check(topic in bench.driver.call("list_topics")["topics"], "the topic is not listed"))


def describe_configs(bench):
    topic = bench.topic(retention_ms="7200000")
    configs = bench.driver.call("describe_configs", topic=topic)["configs"]
    expected = {"retention.ms": "7200000", "cleanup.policy": "delete", "max.message.bytes": "1048588", "compression.type": "producer"}
    check({name: configs.get(name) for name in expected} == expected, f"configs {configs}")


def alter_configs(bench):
    topic = bench.topic(retention_ms="7200000")
    bench.driver.call("alter_configs", topic=topic, configs={"retention.ms": "1800000"})
    eventually(lambda: check(
        bench.driver.call("describe_configs", topic=topic)["configs"].get("retention.ms") == "1800000", "retention.ms is unchanged"
    ))


def add_partitions(bench):
    topic = bench.topic(partitions=2)
    bench.driver.call("add_partitions", topic=topic, total=5)
    eventually(lambda: check(len(bench.wire.metadata(topic)) == 5, "the topic does not have 5 partitions"))


def delete_topic(bench):
    topic = bench.topic()
    bench.driver.call("delete_topic", topic=topic)
    eventually(lambda: check(not bench.topics.exists(topic), "the topic is still there"))


def delete_records(bench):
    topic = bench.filled(20)
    bench.driver.call("delete_records", topic=topic, partition=0, before=10)
    eventually(lambda: check(bench.wire.start_offset(topic, 0) == 10, "the log does not start at 10"))
    check(bench.wire.end_offset(topic, 0) == 20, "the end of the log moved")


def _group_with_offsets(bench):
    """A group without members that has committed; made by the client itself or, if it has no groups, not at all."""
    topic, group = bench.filled(5), f"admin-{uuid.uuid4().hex[:8]}"
    bench.driver.call("group_read", group=group, topic=topic, count=5, timeout_ms=40_000)
    return group


def list_groups(bench):
    group = _group_with_offsets(bench)
    eventually(lambda: check(group in bench.driver.call("list_groups")["groups"], "the group is not listed"))


def describe_group(bench):
    group = _group_with_offsets(bench)
    found = bench.driver.call("describe_group", group=group)
    check(found["state"].upper() == "EMPTY" and found["members"] == 0, f"described as {found}")


def delete_group(bench):
    group = _group_with_offsets(bench)
    bench.driver.call("delete_group", group=group)
    if group in bench.driver.call("list_groups")["groups"]:
        check(False, "the deleted group is listed")


SCENARIOS = {
    **{f"produce {codec}": produce_with(codec) for codec in CODECS},
    "consume from start": consume_from_start,
    "consume from end": consume_from_end,
    "consume from offset": consume_from_offset,
    "consume from timestamp": consume_from_timestamp,
    "1 MiB value, default limits": large_value_refused,
    "1 MiB value, raised limits": large_value_accepted,
    "commit and resume": commit_and_resume,
    "group of three, join and death": group_of_three,
    "commit and resume, consumer protocol": in_consumer_protocol(commit_and_resume),
    "group of three, join and death, consumer protocol": in_consumer_protocol(group_of_three),
    "list topics": list_topics,
    "create topic": create_topic,
    "create topic with configs": create_topic_with_configs,
    "describe topic": describe_topic,
    "describe configs": describe_configs,
    "alter configs": alter_configs,
    "add partitions": add_partitions,
    "delete topic": delete_topic,
    "delete records": delete_records,
    "list groups": list_groups,
    "describe group": describe_group,
    "delete group": delete_group,
}

"""The README's delivery story with Kafka clients: `courier.location`, filled with the demo's own records.

Groups in Python fan out: three of them read the topic independently, and losing a member of one is
nothing to the others. Kafka Streams counts words, loses its local state in between and restores it
from its changelog. Everything is compared with what was written, computed here.
"""

import base64
import collections
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from .clients import Client
from .scenarios import SESSION_MS, Member, check, eventually

TOPIC, PARTITIONS = "courier.location", 12
COURIERS, STORY_S = 60, 100
FAN_OUT, WORD_COUNT = "fan-out of three groups", "streams word count"
PYTHON = ("confluent-kafka", "kafka-python", "aiokafka")
LIMIT_S = 90


def run(run, wanted):
    readers = [client for client in run.clients if client.name in PYTHON and wanted(FAN_OUT)]
    counters = [client for client in run.clients if client.name == "java" and wanted(WORD_COUNT)]
    if not readers and not counters:
        return
    story = Story(run, phases=1 + len(readers) + len(counters))
    story.fill()
    for client in readers:
        run.attempt(client, FAN_OUT, lambda client=client: _fan_out(run, client, story))
    for client in counters:
        run.attempt(client, WORD_COUNT, lambda client=client: _word_count(run, client, story))


class Story:
    """The topic and the positions written to it so far, a phase at a time."""

    def __init__(self, run, phases):
        self.run, self.written = run, []
        command = [run.native.environment["FLOE_BIN"], "demo", "--print", "--couriers", str(COURIERS), "--seconds", str(STORY_S)]
        lines = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.splitlines()
        size = -(-len(lines) // phases)
        self._phases = [lines[place : place + size] for place in range(0, len(lines), size)]
        run.topics.create_named(TOPIC, PARTITIONS)

    def fill(self):
        """Writes the next phase, keyed by courier."""
        lines = self._phases.pop(0)
        self.run.cluster.produce(self.run, TOPIC, lines)
        self.written += [line.split(b"\t", 1)[1] for line in lines]

    def ends(self):
        return {part: self.run.topics.wire.end_offset(TOPIC, part) for part in range(PARTITIONS)}


# --- fan-out

# Group -> what it makes of the positions in the order of each courier.
EFFECTS = {
    "customer-ui": lambda positions: {one["courier"]: (one["order"], one["lat"], one["lon"]) for one in positions},
    "analytics": lambda positions: collections.Counter((one["phase"], one["story_s"] // 60) for one in positions),
    "notifications": lambda positions: sorted(one["order"] for one in positions if one["phase"] == "delivered"),
}


class FanOut:
    """Two members of each of the three groups."""

    def __init__(self, run, client):
        self.groups = {}
        self._bench = type("Opening", (), {"open_driver": lambda _self: run.open(client)})()
        for name in EFFECTS:
            self.groups[name] = [self._member(f"{client.name}-{name}") for _ in range(2)]

    def _member(self, group):
        return Member(self._bench, group, TOPIC, values=True)

    def read(self, name):
        """[(partition, offset, value)] of a group, with what was read twice."""
        return [record for member in self.groups[name] for record in member.records()]

    def await_all(self, ends):
        wanted = sum(ends.values())
        deadline = time.monotonic() + LIMIT_S
        for name, members in self.groups.items():
            while len({record[:2] for record in self.read(name)}) < wanted:
                for member in members:
                    if not member.killed and (end := member.over()) is not None:
                        raise end
                missing = wanted - len({record[:2] for record in self.read(name)})
                check(time.monotonic() < deadline, f"{name} lacks {missing} of {wanted} positions after {LIMIT_S} s")
                time.sleep(0.1)

    def end(self):
        for member in (member for members in self.groups.values() for member in members):
            member.driver.kill()


def _fan_out(run, client, story):
    fan_out = FanOut(run, client)
    try:
        before = story.ends()
        fan_out.await_all(before)
        fan_out.groups["analytics"][0].kill()
        story.fill()
        fan_out.await_all(story.ends())
        for name, effect in EFFECTS.items():
            records = fan_out.read(name)
            _judge(name, effect, records, story.written)
            late = [record[:2] for record in records if record[1] >= before[record[0]]]
            if name != "analytics":
                check(len(late) == len(set(late)), f"{name} read {len(late) - len(set(late))} positions twice though it lost nobody")
    finally:
        fan_out.end()


def _judge(name, effect, records, written):
    distinct = {(part, offset): value for part, offset, value in records}
    got = [base64.b64decode(value) for _, value in sorted(distinct.items())]
    check(sorted(got) == sorted(written), f"{name} read other positions than were written")
    check(effect(map(json.loads, got)) == effect(map(json.loads, written)), f"{name} came to something else")


# --- word count


def _words(written):
    return collections.Counter(word for value in written for word in re.findall(r"\w+", value.decode(), re.ASCII))


class Output:
    """The newest count of each word in the output topic; reads on where it stopped."""

    def __init__(self, wire, topic):
        self.wire, self.topic, self.counts, self.next = wire, topic, {}, collections.Counter()

    def read(self):
        for part in self.wire.metadata(self.topic):
            for batch in self.wire.read(self.topic, part, self.next[part]):
                self.next[part] = batch.base_offset + batch.last_delta + 1
                self.counts.update((word.decode(), int(count)) for word, count in batch.pairs)
        return self.counts

    def await_counts(self, wanted, what):
        def probe():
            counts = self.read()
            differing = {word for word in wanted.keys() | counts.keys() if counts.get(word) != wanted.get(word)}
            sample = {word: (counts.get(word), wanted.get(word)) for word in sorted(differing)[:3]}
            check(not differing, f"{what}: {len(differing)} of {len(wanted)} words have another count (counted, right): {sample}")

        eventually(probe, LIMIT_S)


def _word_count(run, client, story):
    program = Client("streams", "Kafka Streams", client.needs, (*client.command[:-1], "WordCount"))
    output = Output(run.topics.wire, run.topics.create("words", 3, {}))
    application = run.topics.fresh("streams")
    wire = run.topics.wire

    def stage(what, last):
        home = tempfile.mkdtemp(prefix="floe-streams-")
        driver = run.open(program)
        try:
            driver.start("count", application=application, input=TOPIC, output=output.topic, state_dir=home)
            output.await_counts(_words(story.written), what)
            if last:
                eventually(lambda: _purged(wire, f"{application}-words-repartition"))
            driver.leave()
            output.await_counts(_words(story.written), f"{what}, after its end")
        finally:
            driver.kill()
            shutil.rmtree(home, ignore_errors=True)

    stage("from the start", last=False)
    story.fill()
    stage("restored from the changelog", last=True)


def _purged(wire, topic):
    """What was counted is deleted from the topic between the two halves."""
    parts = wire.metadata(topic)
    check(len(parts) == PARTITIONS, f"{topic} has {len(parts)} partitions")
    kept = [part for part in parts if wire.end_offset(topic, part) > 0 and wire.start_offset(topic, part) == 0]
    check(not kept, f"nothing was deleted from partitions {kept} of {topic}")

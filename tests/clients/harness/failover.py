"""A leader is killed while every client writes and reads: nothing acknowledged is lost or doubled.

All clients go through the same kill, each with a topic of its own. The cell also holds that no
client reported an error: everything that happened was retried inside the client.
"""

import threading
import time
import uuid

from .driver import Failed, Lacks, Silent
from .scenarios import SESSION_MS, check

PARTITIONS = 3
COUNT = 3000
INTERVAL_MS = 4
BEFORE_KILL = 150
AT_LEAST_ONCE = {"rskafka"}


class Rider:
    """A client that writes a stream of numbers, and one of its kind that reads them in a group."""

    def __init__(self, run, client):
        self.client, self.topic = client, run.topics.create(f"kill-{client.name}", PARTITIONS, {})
        self.writer, self.reader = run.open(client), run.open(client)
        self.reader.start("group", group=f"kill-{uuid.uuid4().hex[:8]}", topic=self.topic, session_ms=SESSION_MS)
        self.writer.start("stream", topic=self.topic, partitions=PARTITIONS, count=COUNT, interval_ms=INTERVAL_MS)
        self.ended = None

    def await_end(self):
        try:
            self.writer.finish(180)
        except (Failed, Silent, Lacks) as failure:
            self.ended = failure

    def acked(self):
        return {one["acked"]: one["at"] for one in self.writer.snapshot() if "acked" in one}

    def longest_pause_ms(self):
        times = sorted(self.acked().values())
        return round(1000 * max((b - a for a, b in zip(times, times[1:])), default=0))


def run(run):
    riders = [Rider(run, client) for client in run.clients]
    wire = run.topics.wire
    deadline = time.monotonic() + 60
    while any(wire.end_offset(rider.topic, part) < BEFORE_KILL // PARTITIONS for rider in riders for part in range(PARTITIONS)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    victim = wire.leader(riders[0].topic, 0)
    print(f"killing node {victim}, which leads partitions of {_led(wire, riders, victim)}", flush=True)
    run.cluster.kill(victim)
    waiting = [threading.Thread(target=rider.await_end) for rider in riders]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    stored = {rider.client.name: _stored(run, rider) for rider in riders}
    for rider in riders:
        run.results.clients[rider.client.name]["longest_pause_ms"] = rider.longest_pause_ms()
        run.attempt(rider.client, "leader kill: writing", lambda rider=rider: _written(rider, stored[rider.client.name]))
        run.attempt(rider.client, "leader kill: idempotence", lambda rider=rider: _idempotent(run, rider, stored[rider.client.name]))
        run.attempt(rider.client, "leader kill: group reading", lambda rider=rider: _all_read(rider, stored[rider.client.name]))
    run.cluster.start(victim)
    for rider in riders:
        rider.reader.kill()
        rider.writer.close()
    wire.leaders.clear()


def _led(wire, riders, node):
    return ", ".join(r.client.name for r in riders if any(wire.leader(r.topic, part) == node for part in range(PARTITIONS)))


def _stored(run, rider):
    return {part: [int(value) for _, value in run.topics.wire.values(rider.topic, part)] for part in range(PARTITIONS)}


def _written(rider, stored):
    """Every acknowledged number is there, and the client reported no failure."""
    if rider.ended is not None:
        raise rider.ended
    failed = [one for one in rider.writer.snapshot() if "failed" in one]
    check(not failed, f"{len(failed)} records failed, first: {failed[0] if failed else ''}")
    there = {number for numbers in stored.values() for number in numbers}
    lost = [number for number in rider.acked() if number not in there]
    check(not lost, f"{len(lost)} acknowledged records are lost: {lost[:5]}")
    check(len(rider.acked()) == COUNT, f"{len(rider.acked())} of {COUNT} records acknowledged")


def _idempotent(run, rider, stored):
    """Every number is there once, and in the order of writing within its partition."""
    if rider.client.name in AT_LEAST_ONCE or run.results.clients[rider.client.name]["at_least_once"]:
        raise Lacks("has no idempotent producer")
    numbers = sorted(number for part in stored.values() for number in part)
    doubled = len(numbers) - len(set(numbers))
    check(doubled == 0, f"{doubled} records are doubled")
    check(numbers == list(range(COUNT)), f"{len(numbers)} of {COUNT} records are there")
    for part, order in stored.items():
        check(order == sorted(order), f"partition {part} is out of order")


def _all_read(rider, stored):
    """The group read every stored record while the leader changed."""
    if rider.client.name in AT_LEAST_ONCE:
        raise Lacks("has no consumer groups")
    wanted = {(part, offset) for part, numbers in stored.items() for offset in range(len(numbers))}
    deadline = time.monotonic() + 45
    while True:
        read = {tuple(record) for one in rider.reader.snapshot() for record in one.get("records", [])}
        if wanted <= read or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    missing = sorted(wanted - read)
    check(not missing, f"{len(missing)} of {len(wanted)} records were not read, first: {missing[:1]}")

"""How long clients are without acknowledgements when a leader is killed; scripts/kafka-failover starts it.

Each client writes to a topic of its own, a record every few milliseconds to each partition in turn, with its
default settings and idempotence. A node is killed; the time of a kill is the longest stretch in which one
of the partitions that the node led was not acknowledged.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time

from . import install
from .clients import Layout, all_clients
from .failover import BEFORE_KILL, COUNT, INTERVAL_MS, PARTITIONS
from .floe import FloeCluster
from .results import Results
from .run import Run, chosen, free_base_port

LIMIT_S = 180


class Writer:
    """A client that writes a stream to a topic of its own."""

    def __init__(self, run, client):
        self.client, self.topic, self.driver = client, run.topics.create(f"time-{client.name}", PARTITIONS, {}), run.open(client)
        self.driver.start("stream", topic=self.topic, partitions=PARTITIONS, count=COUNT, interval_ms=INTERVAL_MS)

    def acked(self):
        return [(one["acked"] % PARTITIONS, one["at"]) for one in self.driver.snapshot() if "acked" in one]

    def end(self):
        self.driver.finish(LIMIT_S)
        failed = [one for one in self.driver.snapshot() if "failed" in one]
        self.driver.close()
        if failed or len(self.acked()) != COUNT:
            sys.exit(f"{self.client.name}: {len(self.acked())} of {COUNT} records acknowledged, {failed[:1]}")

    def longest_gap_ms(self, partitions):
        gaps = []
        for wanted in partitions:
            times = sorted(at for part, at in self.acked() if part == wanted)
            gaps += [after - before for before, after in zip(times, times[1:])]
        return 1000 * max(gaps)


def one_kill(run, clients):
    """{client: milliseconds}"""
    writers = [Writer(run, client) for client in clients]
    for writer in writers:
        writer.driver.await_events(lambda events: sum("acked" in one for one in events) >= BEFORE_KILL, 60, "the first records")
    led = {writer.topic: {part: node for part, (_, node) in run.topics.wire.metadata(writer.topic).items()} for writer in writers}
    victim = next(node for node in (1, 2, 3) if all(node in leaders.values() for leaders in led.values()))
    run.cluster.kill(victim)
    for writer in writers:
        writer.end()
    run.cluster.start(victim)
    run.topics.wire.leaders.clear()
    return {
        writer.client.title: writer.longest_gap_ms([part for part, node in led[writer.topic].items() if node == victim])
        for writer in writers
    }


def main(arguments):
    parser = argparse.ArgumentParser(prog="scripts/kafka-failover", description="How long a killed leader keeps Kafka clients waiting.")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", default=["confluent-kafka", "java"])
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args(arguments)
    layout = Layout(os.environ["FLOE_ROOT"])
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(layout.root, "target")
    binary = os.path.abspath(os.environ.get("FLOE_BIN") or os.path.join(target, "release", "floe"))
    everyone, native = all_clients(layout, binary)
    clients = chosen(everyone, options.clients)
    install.provide(layout, clients, False)
    directory = tempfile.mkdtemp(prefix="floe-kafka-failover-")
    cluster = FloeCluster(layout.root, directory, free_base_port(), binary)
    found = {client.title: [] for client in clients}
    try:
        cluster.up()
        run = Run(layout, clients, native, cluster, Results(layout.results))
        try:
            for _ in range(options.kills):
                for title, milliseconds in one_kill(run, clients).items():
                    found[title].append(milliseconds)
                time.sleep(2)
        finally:
            run.close()
    finally:
        cluster.down()
        shutil.rmtree(directory, ignore_errors=True)
    print("| client | kills | median ms | range ms |\n|---|---|---|---|")
    for title, times in found.items():
        print(f"| {title} | {len(times)} | {statistics.median(times):.0f} | {min(times):.0f} to {max(times):.0f} |")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What the Kafka gateway costs: the native producer and librdkafka side by side, and idle connections.

Both producers write records of one size to a fresh topic with equal batch size, linger and bytes in flight,
in turn, several rounds; the processor time is that of the three nodes. scripts/kafka-cost starts it.
"""

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from . import install
from .clients import Layout, all_clients
from .floe import FloeCluster
from .run import free_base_port

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LIMIT_S = 300
SETTLE_S = 2
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, 0)


def processes(cluster):
    """Process ids of the nodes."""
    return [int(open(os.path.join(cluster.directory, f"node-{node}", "pid")).read()) for node in (1, 2, 3)]


def cpu_s(cluster):
    total = 0
    for process in processes(cluster):
        fields = open(f"/proc/{process}/stat").read().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def rss_kib(process):
    lines = open(f"/proc/{process}/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Bench:
    """The two producers on a cluster, with the options of the command line."""

    def __init__(self, cluster, binary, foreign, options):
        self.cluster, self.binary, self.foreign, self.options = cluster, binary, foreign, options
        self.topics = 0

    def once(self, producer):
        """Runs a producer on a topic of its own: records and bytes a second, processor seconds per 10^9 bytes."""
        self.topics += 1
        topic = f"cost-{self.topics}"
        self.cluster.create_topic(None, topic, self.options.partitions, {})
        time.sleep(SETTLE_S)
        before = cpu_s(self.cluster)
        done = subprocess.run(producer(topic), check=True, capture_output=True, text=True, timeout=LIMIT_S)
        spent = cpu_s(self.cluster) - before
        found = json.loads(done.stdout)
        if found["errors"] or found["records"] != self.options.records:
            sys.exit(f"scripts/kafka-cost: {found['records']} of {self.options.records} records, {found['errors']} errors")
        subprocess.run([self.binary, "topic", "delete", topic, "--server", self.cluster.native], check=True, capture_output=True)
        gigabytes = found["bytes"] / 1e9
        return found["records"] / found["seconds"], found["bytes"] / 1e6 / found["seconds"], spent / gigabytes

    def native(self, topic):
        options = self.options
        return [
            self.binary, "bench", "produce", "--topic", topic, "--partitions", str(options.partitions), "--records", str(options.records),
            "--record-size", str(options.record_size), "--batch-size", str(options.batch_size), "--in-flight", str(options.in_flight),
            "--linger", f"{options.linger_ms}ms", "--server", self.cluster.native, "-o", "json",
        ]

    def kafka(self, topic):
        options = self.options
        numbers = (options.partitions, options.records, options.record_size, options.batch_size, options.in_flight, options.linger_ms)
        return [self.foreign, self.cluster.bootstrap, topic, *map(str, numbers)]


def side_by_side(bench):
    rows = {"native": [], "librdkafka": []}
    for _ in range(bench.options.rounds):
        rows["native"].append(bench.once(bench.native))
        rows["librdkafka"].append(bench.once(bench.kafka))
    print("| producer | records/s | MB/s | broker CPU s/GB |\n|---|---|---|---|")
    for name, found in rows.items():
        shown = []
        for values, form in zip(zip(*found), (",.0f", ".1f", ".2f")):
            shown.append(f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})")
        print(f"| {name} | {' | '.join(shown)} |", flush=True)


def idle_connections(cluster, count):
    """Memory of one node before, with and after connections that have asked for versions and are silent."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(count + 100, 1024)), hard))
    node = processes(cluster)[0]
    host, port = cluster.bootstrap.split(",")[0].rsplit(":", 1)
    time.sleep(SETTLE_S)
    before = rss_kib(node)
    links = []
    for _ in range(count):
        link = socket.create_connection((host, int(port)), 10)
        link.sendall(API_VERSIONS)
        if not link.recv(65536):
            sys.exit(f"scripts/kafka-cost: connection {len(links) + 1} was closed")
        links.append(link)
    time.sleep(SETTLE_S)
    held = rss_kib(node)
    for link in links:
        link.close()
    time.sleep(SETTLE_S)
    print(f"{count} idle connections: {held - before} KiB more, {(held - before) / count:.1f} KiB each ({before} KiB before, {rss_kib(node)} KiB after they closed)")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/kafka-cost", description="The Kafka gateway beside the native protocol.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--record-size", type=int, default=1024, help="bytes")
    parser.add_argument("--batch-size", type=int, default=65_536, help="bytes")
    parser.add_argument("--in-flight", type=int, default=4 << 20, help="bytes")
    parser.add_argument("--linger-ms", type=int, default=5)
    parser.add_argument("--connections", type=int, default=1000)
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    layout = Layout(os.environ["FLOE_ROOT"])
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(layout.root, "target")
    binary = os.path.abspath(os.environ.get("FLOE_BIN") or os.path.join(target, "release", "floe"))
    everyone, _ = all_clients(layout, binary)
    install.provide(layout, [client for client in everyone if client.name == "rdkafka"], False)
    directory = tempfile.mkdtemp(prefix="floe-kafka-cost-")
    cluster = FloeCluster(layout.root, directory, free_base_port(), binary)
    try:
        cluster.up()
        # First, while nothing that was freed is there to be used again.
        idle_connections(cluster, options.connections)
        side_by_side(Bench(cluster, binary, layout.cached("rust", "release", "rdkafka-bench"), options))
    finally:
        cluster.down()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])

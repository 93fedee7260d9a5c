"""Runs the scenarios of all clients against a cluster; scripts/test-clients starts it."""

import argparse
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from . import delivery, failover, install, matrix, older, pairwise, snippets
from .clients import Layout, all_clients
from .driver import Driver, Failed, Lacks, Silent
from .floe import FloeCluster
from .reference import KafkaCluster
from .results import FAIL, GAP, GAPS, LACKS, PASS, Results
from .scenarios import SCENARIOS, Bench
from .topics import Topics
from .wire import Wire

BASE_PORTS = range(21000, 24000, 100)
AT_ONCE = 3


class Run:
    """One pass over the clients: the cluster, the drivers, and what came out."""

    def __init__(self, layout, clients, native, cluster, results):
        self.layout, self.clients, self.native, self.cluster, self.results = layout, clients, native, cluster, results
        self.logs = layout.cached("logs")
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)
        self._drivers, self._lock = [], threading.Lock()
        self.native_driver = self.open(native) if cluster.native else None
        self.topics = Topics(cluster, Wire(cluster.bootstrap), None)

    def open(self, client):
        bootstrap = self.cluster.native if client is self.native else self.cluster.bootstrap
        environment = {**os.environ, **client.environment}
        driver = Driver(client.command, bootstrap, environment, os.path.join(self.logs, client.name + ".log"))
        with self._lock:
            self._drivers.append(driver)
        return driver

    def close(self):
        for driver in self._drivers:
            driver.close()

    def introduce(self):
        """Asks every driver for the version of its client."""
        everyone = self.clients + ([self.native] if self.native_driver else [])
        for client in everyone:
            driver = self.open(client)
            self.results.begin(client, driver.call("about"))
            driver.close()

    def scenarios(self, only):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(self._scenarios_of, client, only) for client in self.clients]:
                done.result()

    def _scenarios_of(self, client, only):
        wire = Wire(self.cluster.bootstrap)
        native = self.open(self.native) if self.cluster.native else None
        topics = Topics(self.cluster, wire, native)
        bench = Bench(client, self.cluster, wire, topics, lambda: self.open(client))
        for cell, scenario in SCENARIOS.items():
            if not wanted(only, cell) or cell in client.skip:
                continue
            self.attempt(client, cell, lambda scenario=scenario: scenario(bench), bench.restart)
        bench.driver.close()
        wire.close()

    def attempt(self, client, cell, check, after_failure=lambda: None):
        """Runs one check and records what came out; a failure of any kind is a failed cell."""
        began = time.monotonic()
        outcome, detail = PASS, ""
        try:
            check()
        except Lacks as reason:
            outcome, detail = LACKS, str(reason)
        except (AssertionError, Failed, Silent) as failure:
            outcome, detail = FAIL, str(failure)
        except Exception as failure:  # a broken test is shown like a failed one, with its kind
            outcome, detail = FAIL, f"{type(failure).__name__}: {failure}"
        if outcome == FAIL and (reason := GAPS.get((client.name, cell))):
            outcome, detail = GAP, f"{reason} ({detail})"
        elif outcome == PASS and (client.name, cell) in GAPS:
            outcome, detail = FAIL, "listed as a gap of Floe, but it works: take it off the list"
        self.results.record(client, cell, outcome, detail, time.monotonic() - began)
        if outcome in (FAIL, GAP):
            after_failure()


def wanted(only, cell):
    return not only or any(text in cell for text in only.split(","))


def free_base_port():
    """The first base of ports on which nothing listens, so that runs do not meet."""
    for base in BASE_PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", base + 1)) != 0:
                return base
    sys.exit("scripts/test-clients: all base ports are in use")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/test-clients", description="Runs real Kafka clients against a Floe cluster of three nodes.")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help="only these (default: all)")
    parser.add_argument("--all", action="store_true", help="older versions of the clients too, after the current ones")
    parser.add_argument("--install", action="store_true", help="first install what is missing, system packages too")
    parser.add_argument("--only", metavar="TEXT", help="only checks whose name contains TEXT, or one of several after commas; pairwise, snippets and leader kill are checks")
    parser.add_argument("--write-matrix", action="store_true", help="write the table into docs/kafka-compatibility.md instead of comparing it")
    parser.add_argument("--reference", action="store_true", help="run against Apache Kafka, to check the tests themselves")
    return parser.parse_args(arguments)


def chosen(clients, names):
    unknown = set(names) - {client.name for client in clients}
    if unknown:
        sys.exit(f"scripts/test-clients: no client {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in clients)}")
    return [client for client in clients if not names or client.name in names]


def main(arguments):
    # Ended from outside, the processes under test must not stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse(arguments)
    layout = Layout(os.environ["FLOE_ROOT"])
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(layout.root, "target")
    binary = os.path.abspath(os.environ.get("FLOE_BIN") or os.path.join(target, "release", "floe"))
    current, native = all_clients(layout, binary)
    everyone = current + (older.clients(layout, current) if options.all else [])
    clients = chosen(everyone, options.clients)
    install.provide(layout, clients, options.install)
    failed = 0
    for section, members in ((matrix.CURRENT, current), (matrix.OLDER, everyone[len(current):])):
        part = [client for client in members if client in clients]
        if not part:
            continue
        results = Results(layout.results)
        one_pass(options, layout, binary, part, native, results)
        failed += results.count(FAIL)
        if not options.reference and not options.only and len(part) == len(members):
            failed += matrix.publish(layout, results, section, options.write_matrix)
        print(f"{results.count(LACKS)} features are lacking in clients, {results.count(GAP)} in Floe")
        print(f"{results.count(PASS)} passed, {results.count(FAIL)} failed")
    return 1 if failed else 0


def one_pass(options, layout, binary, clients, native, results):
    """All checks of these clients, on a cluster of their own."""
    directory = tempfile.mkdtemp(prefix="floe-clients-")
    if options.reference:
        cluster = KafkaCluster(directory, free_base_port(), layout.cached("java", "jars", "*"))
    else:
        cluster = FloeCluster(layout.root, directory, free_base_port(), binary)
    try:
        cluster.up()
        run = Run(layout, clients, native, cluster, results)
        try:
            run.introduce()
            run.scenarios(options.only)
            if wanted(options.only, "pairwise"):
                pairwise.run(run)
            if wanted(options.only, "snippets"):
                snippets.run(run)
            delivery.run(run, lambda cell: wanted(options.only, cell))
            if wanted(options.only, "leader kill"):
                failover.run(run)
        finally:
            run.close()
            if cluster.native and results.count(FAIL):
                cluster.keep_logs(run.logs)
    finally:
        cluster.down()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

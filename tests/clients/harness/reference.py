"""Apache Kafka itself as the cluster under test: three KRaft processes from the same jars.

The tests are checked against it, so that a failure on Floe is Floe's. It has the same calls as
`FloeCluster`.
"""

import os
import shutil
import signal
import subprocess
import time
import zlib

from .records import encoded
from .wire import Wire

SETTINGS = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
log.dirs={home}/data
auto.create.topics.enable=false
default.replication.factor=3
offsets.topic.num.partitions=4
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=3
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.replication.factor=3
min.insync.replicas=2
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class KafkaCluster:
    name = "kafka"
    native = None

    def __init__(self, directory, base_port, classpath):
        self.directory, self.classpath, self.processes = directory, classpath, {}
        self.ports = {node: base_port + 10 * (node - 1) + 1 for node in (1, 2, 3)}
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    def _java(self, main, *arguments):
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", self.classpath, main, *arguments]

    def _home(self, node):
        return os.path.join(self.directory, f"node-{node}")

    def up(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        voters = ",".join(f"{node}@127.0.0.1:{port + 1}" for node, port in self.ports.items())
        for node, port in self.ports.items():
            home = self._home(node)
            os.makedirs(home)
            with open(f"{home}/server.properties", "w") as settings:
                settings.write(SETTINGS.format(node=node, voters=voters, port=port, controller_port=port + 1, home=home))
            subprocess.run(
                self._java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", f"{home}/server.properties"),
                check=True, stdout=subprocess.DEVNULL,
            )
        for node in self.ports:
            self.start(node)

    def start(self, node):
        home = self._home(node)
        log = open(f"{home}/log", "ab")
        self.processes[node] = subprocess.Popen(
            self._java("kafka.Kafka", f"{home}/server.properties"), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        if len(self.processes) < len(self.ports):
            return
        wire, deadline = Wire(self.bootstrap), time.monotonic() + 60
        while True:
            try:
                wire.metadata("absent")
            except OSError:
                pass
            except Exception:  # it answers: an unknown topic
                break
            if time.monotonic() > deadline:
                raise TimeoutError("Kafka does not answer")
            time.sleep(0.2)
        wire.close()
        time.sleep(2)

    def kill(self, node):
        self.processes[node].kill()
        self.processes[node].wait()

    def create_topic(self, wire, topic, partitions, configs):
        wire.create_topic(topic, partitions, configs)

    def produce(self, run, topic, lines):
        """Writes lines of key, tab and value with one of the clients; equal keys go to one partition."""
        driver, placed = run.open(run.clients[0]), {}
        parts = len(run.topics.wire.metadata(topic))
        for key, value in (line.split(b"\t", 1) for line in lines):
            record = {"key": encoded(key), "value": encoded(value), "headers": []}
            placed.setdefault(zlib.crc32(key) % parts, []).append(record)
        for part, records in placed.items():
            driver.call("produce", topic=topic, partition=part, records=records)
        driver.close()

    def down(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

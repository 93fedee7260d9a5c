"""The Floe cluster under test: three real processes of scripts/cluster."""

import os
import shutil
import subprocess


class FloeCluster:
    name = "floe"
    # Of members of consumer groups; their clients have no say in it.
    TIMING = {"groups.consumer_heartbeat_interval": "1s", "groups.consumer_session_timeout": "6s"}

    def __init__(self, root, directory, base_port, binary):
        self.script, self.directory, self.base_port = os.path.join(root, "scripts", "cluster"), directory, base_port
        self.binary = binary
        self.program = directory + "-floe"
        self.environment = {**os.environ, "FLOE_BIN": self.program}
        self.bootstrap = ",".join(f"127.0.0.1:{base_port + 10 * node + 1}" for node in range(3))
        self.native = ",".join(f"127.0.0.1:{base_port + 10 * node}" for node in range(3))

    def _cluster(self, *arguments):
        command = [self.script, *map(str, arguments), "--dir", self.directory]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")

    def up(self):
        # The script keeps the settings of the caller's shell away from the nodes.
        settings = " ".join(f"--set {key}={value}" for key, value in self.TIMING.items())
        with open(self.program, "w") as program:
            program.write(f'#!/bin/sh\nexec "{self.binary}" "$@" {settings}\n')
        os.chmod(self.program, 0o755)
        self._cluster("up", "--nodes", 3, "--base-port", self.base_port)

    def kill(self, node):
        self._cluster("kill", node)

    def start(self, node):
        self._cluster("start", node)

    def create_topic(self, _wire, topic, partitions, configs):
        settings = [word for name, value in configs.items() for word in ("--set", f"{name}={value}")]
        command = [self.binary, "topic", "create", topic, "--partitions", str(partitions), "--server", self.native, *settings]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")

    def keep_logs(self, folder):
        """Copies what the nodes have logged, for whoever looks into a failure."""
        for node in (1, 2, 3):
            log = os.path.join(self.directory, f"node-{node}", "log")
            if os.path.exists(log):
                shutil.copy(log, os.path.join(folder, f"floe-{node}.log"))

    def produce(self, _run, topic, lines):
        """Writes lines of key, tab and value with the native client."""
        command = [self.binary, "produce", topic, "--key-separator", "\\t", "--server", self.native]
        subprocess.run(command, input=b"\n".join(lines) + b"\n", check=True, stdout=subprocess.DEVNULL, timeout=60)

    def down(self):
        if os.path.exists(os.path.join(self.directory, "cluster.env")):
            self._cluster("clean")
        if os.path.exists(self.program):
            os.remove(self.program)

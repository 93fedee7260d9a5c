"""Runs every block of docs/kafka-snippets.md as it stands, only with the address replaced."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from .clients import Client, go_command
from .scenarios import check
from .wire import Wire

PRINTED = "courier-42 51.50,-0.12"
BLOCK = re.compile(r"^```(\w+) ([\w-]+)\n(.*?)^```$", re.M | re.S)
TOOLS = {"kafka-topics.sh": "org.apache.kafka.tools.TopicCommand", "kafka-configs.sh": "kafka.admin.ConfigCommand"}
BASE_PORT = 21700
LIMIT_S = 120
# Name of the block -> the client whose cell it is.
OWNERS = {"Locations": "java", "kafka-tools": "console"}


class Server:
    """A `floe dev` that makes topics on first use."""

    def __init__(self, binary):
        self.home = tempfile.mkdtemp(prefix="floe-snippets-")
        with open(os.path.join(self.home, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [binary, "dev", "--base-port", str(BASE_PORT), "--dir", os.path.join(self.home, "data")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )
        self.address = f"127.0.0.1:{BASE_PORT + 1}"

    def await_ready(self):
        wire, deadline = Wire(self.address), time.monotonic() + 60
        while True:
            try:
                wire.metadata("absent")
            except OSError:
                check(time.monotonic() < deadline, "floe dev does not answer Kafka clients")
                time.sleep(0.2)
            except Exception:  # it answers, with an unknown topic
                return wire.close()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def run(run):
    """One cell a block, in the column of the client that the block is about."""
    with open(os.path.join(run.layout.root, "docs", "kafka-snippets.md")) as page:
        blocks = [(language, name, text) for language, name, text in BLOCK.findall(page.read()) if name != "server"]
    known = {client.name: client for client in run.clients}
    blocks = [block for block in blocks if OWNERS.get(block[1], block[1]) in known]
    server = Server(run.native.environment["FLOE_BIN"])
    try:
        server.await_ready()
        for language, name, text in blocks:
            client: Client = known[OWNERS.get(name, name)]
            text = text.replace("localhost:9092", server.address)
            run.attempt(client, "snippet of the documentation", lambda: _execute(run.layout, language, name, text))
    finally:
        server.stop()


def _execute(layout, language, name, text):
    home = tempfile.mkdtemp(prefix="snippet-")
    try:
        done = RUNNERS[language](layout, home, name, text)
    except subprocess.TimeoutExpired:
        check(False, f"did not end within {LIMIT_S} s")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    wanted = "Topic: parcels" if name == "kafka-tools" else PRINTED
    check(done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-400:]}")
    check(wanted in done.stdout, f"printed {done.stdout[-200:]!r}, not {wanted!r}")


def _call(command, home, **environment):
    return subprocess.run(
        command, cwd=home, env={**os.environ, **environment}, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL
    )


def _shell(layout, home, _name, text):
    for tool, main in TOOLS.items():
        path = os.path.join(home, tool)
        with open(path, "w") as script:
            script.write(f'#!/bin/sh\nexec java -cp "{layout.cached("java", "jars", "*")}" {main} "$@"\n')
        os.chmod(path, 0o755)
    return _call(["bash", "-euo", "pipefail", "-c", text], home, PATH=f"{home}:{os.environ['PATH']}")


def _python(layout, home, _name, text):
    return _call([layout.cached("python", "bin", "python"), "-c", text], home)


def _java(layout, home, name, text):
    with open(os.path.join(home, f"{name}.java"), "w") as source:
        source.write(text)
    classpath = layout.cached("java", "jars", "*")
    compiled = _call(["javac", "-cp", classpath, f"{name}.java"], home)
    return compiled if compiled.returncode else _call(["java", "-cp", f"{classpath}:.", name], home)


def _go(layout, home, _name, text):
    for file in ("go.mod", "go.sum"):
        shutil.copy(layout.source("go", file), home)
    with open(os.path.join(home, "main.go"), "w") as source:
        source.write(text)
    return _call([go_command(), "run", "-mod=mod", "."], home)


def _javascript(layout, home, _name, text):
    with open(os.path.join(home, "snippet.js"), "w") as source:
        source.write(text)
    return _call(["node", "snippet.js"], home, NODE_PATH=layout.cached("javascript", "node_modules"))


def _rust(layout, home, _name, text):
    shutil.copytree(layout.source("rust"), home, dirs_exist_ok=True)
    shutil.rmtree(os.path.join(home, "src", "bin"))
    os.makedirs(os.path.join(home, "src", "bin"))
    with open(os.path.join(home, "src", "bin", "snippet.rs"), "w") as source:
        source.write(text)
    library = layout.cached("librdkafka")
    return _call(
        ["cargo", "run", "-q", "--release", "--locked", "--bin", "snippet"], home, CARGO_TARGET_DIR=layout.cached("rust"),
        PKG_CONFIG_PATH=f"{library}/lib/pkgconfig", RUSTFLAGS=f"-C link-arg=-Wl,-rpath,{library}/lib",
    )


RUNNERS = {"sh": _shell, "python": _python, "java": _java, "go": _go, "javascript": _javascript, "rust": _rust}

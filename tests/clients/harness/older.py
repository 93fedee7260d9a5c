"""Older versions of the clients, for `scripts/test-clients --all`: each in a directory of its own.

They run the programs of the current versions. Checks of calls that only a newer version has are left out
by name; everything else is the same.
"""

import os
import shutil
from dataclasses import dataclass, field, replace

CODECS = ("cramjam==2.14.0", "lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0")
# Administration in these is another interface, which the drivers do not speak.
ADMINISTRATION = frozenset({
    "list topics", "create topic", "create topic with configs", "describe topic", "describe configs", "alter configs",
    "add partitions", "delete topic", "delete records", "list groups", "describe group", "delete group",
})
GROUPS = frozenset({"list groups", "describe group", "delete group"})


@dataclass(frozen=True)
class Older:
    """A version of the client `base`; `skip` are the checks that its driver cannot run with it."""

    base: str
    version: str
    kind: str
    skip: frozenset = field(default_factory=frozenset)

    @property
    def name(self):
        return f"{self.base}-{self.version}"

    def home(self, layout):
        return layout.cached("older", self.name)


VERSIONS = (
    Older("confluent-kafka", "2.3.0", "python", frozenset({"delete records"})),
    Older("confluent-kafka", "2.8.2", "python"),
    Older("kafka-python", "2.0.2", "python", ADMINISTRATION),
    Older("kafka-python", "2.0.6", "python", ADMINISTRATION),
    Older("kafka-python", "2.2.21", "python", ADMINISTRATION),
    Older("aiokafka", "0.11.0", "python", ADMINISTRATION),
    Older("aiokafka", "0.12.0", "python", ADMINISTRATION),
    Older("kafkajs", "1.16.0", "javascript"),
    Older("kafkajs", "2.1.0", "javascript"),
    Older("java", "2.8.2", "java", GROUPS | {"describe topic"}),
    Older("java", "3.4.1", "java", GROUPS),
    Older("java", "3.9.1", "java", GROUPS),
)


def clients(layout, current):
    """The older versions as clients, made of the current ones."""
    bases = {client.name: client for client in current}
    return [_client(layout, one, bases[one.base]) for one in VERSIONS]


def _client(layout, one, base):
    command, environment = base.command, dict(base.environment)
    if one.kind == "python":
        command = (os.path.join(one.home(layout), "bin", "python"), *command[1:])
    elif one.kind == "javascript":
        # Read from the sources, beside which there are no packages: those of the older version, then the codecs.
        command = (command[0], layout.source("javascript", os.path.basename(command[1])))
        places = os.path.join(one.home(layout), "node_modules"), layout.cached("javascript", "node_modules")
        environment["NODE_PATH"] = ":".join(places)
    else:
        classpath = ":".join([layout.cached("java", "classes"), os.path.join(one.home(layout), "*")])
        command = tuple(classpath if word == layout.classpath() else word for word in command)
    return replace(
        base, name=one.name, title=f"{base.title} {one.version}", command=command, environment=environment, skip=one.skip, older=one,
        no_consumer_protocol=base.no_consumer_protocol or "has the consumer protocol not at all or as a preview",
    )


def install(run, layout, one):
    """Fetches a version unless it is there; `run` runs a command."""
    home = one.home(layout)
    if os.path.exists(home):
        return
    try:
        {"python": _python, "javascript": _javascript, "java": _java}[one.kind](run, layout, one, home)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _python(run, _layout, one, home):
    run("python3", "-m", "venv", home)
    run(os.path.join(home, "bin", "pip"), "install", "-q", "--only-binary", ":all:", f"{one.base}=={one.version}", *CODECS)


def _javascript(run, _layout, one, home):
    os.makedirs(home)
    run("npm", "install", "--ignore-scripts", "--no-save", f"{one.base}@{one.version}", cwd=home)


def _java(run, layout, one, home):
    run(
        "mvn", "-q", "-B", "-f", layout.source("older", "pom.xml"), f"-Dmaven.repo.local={layout.cached('m2')}",
        f"-Dkafka.version={one.version}", "dependency:copy-dependencies", f"-DoutputDirectory={home}",
    )

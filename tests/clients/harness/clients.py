"""The foreign clients: how each driver is started, and where what it needs lies."""

import os
import shutil
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Client:
    """`needs` are the parts of the installation (see install.py); `title` is the column of the matrix.

    `no_consumer_protocol` says why a client has no group.protocol=consumer, for the matrix.
    """

    name: str
    title: str
    needs: tuple
    command: tuple
    environment: dict = field(default_factory=dict)
    # Checks that are left out, and what `older.py` says of it if it is not the current version.
    skip: frozenset = field(default_factory=frozenset)
    older: object = None
    no_consumer_protocol: str = ""


class Layout:
    """Paths of the checkout and of the cache of downloads."""

    def __init__(self, root):
        self.root = root
        self.sources = os.path.join(root, "tests", "clients")
        self.cache = os.path.join(root, "target", "clients")
        self.results = os.path.join(self.cache, "results")

    def cached(self, *parts):
        return os.path.join(self.cache, *parts)

    def source(self, *parts):
        return os.path.join(self.sources, *parts)

    def classpath(self):
        return ":".join([self.cached("java", "classes"), self.cached("java", "jars", "*")])


def go_command():
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


def all_clients(layout, floe_binary):
    venv = layout.cached("python", "bin", "python")

    def python(name, interpreter=venv):
        return (interpreter, layout.source("drivers", f"{name}_driver.py"))

    def java(main):
        return ("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", layout.classpath(), main)

    def rust(name):
        return (layout.cached("rust", "release", name),)

    def node(name):
        return ("node", layout.cached("javascript", f"{name}.js"))

    classic_only = {"no_consumer_protocol": "speaks only the classic protocol of groups"}
    classpath = {"CLIENTS_CLASSPATH": layout.cached("java", "jars", "*")}
    clients = [
        Client("kcat", "kcat", ("kcat",), python("kcat", sys.executable), no_consumer_protocol="has an older librdkafka, without the consumer protocol"),
        Client("confluent-kafka", "confluent-kafka", ("python",), python("confluent_kafka")),
        Client("kafka-python", "kafka-python", ("python",), python("kafka_python"), **classic_only),
        Client("aiokafka", "aiokafka", ("python",), python("aiokafka"), **classic_only),
        Client("kafkajs", "KafkaJS", ("javascript",), node("kafkajs"), **classic_only),
        Client("confluent-javascript", "@confluentinc/kafka-javascript", ("javascript", "librdkafka"), node("confluent")),
        Client("java", "Java client", ("java",), java("Driver")),
        Client("console", "Kafka tools", ("java",), python("console", sys.executable), classpath),
        Client("franz-go", "franz-go", ("go",), (layout.cached("go", "franz-go"),), no_consumer_protocol="has the consumer protocol only as an experiment"),
        Client("rdkafka", "rust-rdkafka", ("rust", "librdkafka"), rust("rdkafka-driver")),
        Client("rskafka", "rskafka", ("rust",), rust("rskafka-driver"), no_consumer_protocol="has no consumer groups"),
    ]
    native = Client("native", "Floe's own client", (), python("native", sys.executable), {"FLOE_BIN": floe_binary})
    return clients, native

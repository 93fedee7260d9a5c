"""Topics for the tests, each with a name of its own, made without the client under test."""

import threading
import time
import uuid

from .wire import WireError

UNKNOWN_TOPIC = 3


class Topics:
    def __init__(self, cluster, wire, native):
        self.cluster, self.wire, self.native = cluster, wire, native
        self._lock = threading.Lock()

    def fresh(self, owner):
        return f"{owner}-{uuid.uuid4().hex[:6]}"

    def create(self, owner, partitions, configs):
        return self.create_named(self.fresh(owner), partitions, configs)

    def create_named(self, name, partitions, configs=None):
        with self._lock:
            self.cluster.create_topic(self.wire, name, partitions, configs or {})
        deadline = time.monotonic() + 30
        while True:
            try:
                if len(self.wire.metadata(name)) == partitions:
                    return name
            except WireError as error:
                if error.code != UNKNOWN_TOPIC:
                    raise
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {name} has no leaders")
            time.sleep(0.05)

    def exists(self, name):
        try:
            self.wire.metadata(name)
        except WireError as error:
            if error.code == UNKNOWN_TOPIC:
                return False
            raise
        return True

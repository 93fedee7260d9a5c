"""The driver protocol, for drivers written in Python.

A driver is one process around one foreign client. It reads one JSON request a line from stdin and
answers each with any number of `{"event": ...}` lines and then exactly one line of
`{"done": ...}`, `{"error": {"code", "message"}}` or `{"lacks": reason}`. The README beside this
folder lists the requests. Invariant: nothing but this goes to stdout.
"""

import base64
import json
import queue
import sys
import threading


class Lacks(Exception):
    """The client has no such feature. The text says why, for the published matrix."""


class Refused(Exception):
    """The client reported an error; `code` is Kafka's error code if the client gave one."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def encode(data):
    return None if data is None else base64.b64encode(bytes(data)).decode()


def decode(text):
    return None if text is None else base64.b64decode(text)


class Record:
    """One record of a request: bytes, or None for null."""

    def __init__(self, fields):
        self.key = decode(fields["key"])
        self.value = decode(fields["value"])
        self.headers = [(name, decode(value)) for name, value in fields["headers"]]
        self.timestamp = fields.get("timestamp")


def row(offset, timestamp, key, value, headers):
    """A record as an answer gives it."""
    return {
        "offset": offset,
        "timestamp": timestamp,
        "key": encode(key),
        "value": encode(value),
        "headers": [[name, encode(content)] for name, content in headers],
    }


def seen(partition, offset, value, with_value):
    """A record as the events of a group give it."""
    return [partition, offset, encode(value)] if with_value else [partition, offset]


class Requests:
    """Lines of stdin; a thread reads them so that a long request can notice the next one."""

    def __init__(self):
        self._lines = queue.Queue(maxsize=16)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in sys.stdin:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def next(self):
        return self._lines.get()

    def leave_wanted(self):
        """True once the harness has asked the running request to end."""
        if self._lines.empty():
            return False
        self._lines.get()
        return True


_out = threading.Lock()


def event(**fields):
    _write({"event": fields})


def _write(answer):
    with _out:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def serve(driver):
    """Answers requests until stdin ends: request `op` is method `op` of `driver`."""
    requests = Requests()
    driver.leave_wanted = requests.leave_wanted
    while (request := requests.next()) is not None:
        operation = request.pop("op")
        method = getattr(driver, operation, None)
        try:
            if method is None:
                raise Lacks(f"has no {operation.replace('_', ' ')}")
            _write({"done": method(**request) or {}})
        except Lacks as reason:
            _write({"lacks": str(reason)})
        except Refused as error:
            _write({"error": {"code": error.code, "message": str(error)}})
        except Exception as error:  # the harness reports whatever a client raises
            _write({"error": {"code": None, "message": f"{type(error).__name__}: {error}"}})

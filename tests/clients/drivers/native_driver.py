"""Driver of Floe's own client through its command line (see protocol.py).

It is the yardstick: what the foreign clients write, it must read, and the other way round.
"""

import ctypes
import json
import os
import subprocess
import sys
import threading
import time

from protocol import Lacks, Record, Refused, encode, event, serve


def die_with_parent():
    ctypes.CDLL(None).prctl(1, 9)


class Driver:
    def __init__(self, server):
        self.server = server

    def _command(self, *arguments):
        return [os.environ["FLOE_BIN"], *map(str, arguments), "--server", self.server, "-o", "json"]

    def _run(self, *arguments, stdin=b"", limit_s=60):
        done = subprocess.run(self._command(*arguments), input=stdin, capture_output=True, timeout=limit_s)
        if done.returncode != 0:
            raise Refused(None, done.stderr.decode(errors="replace").strip())
        return [json.loads(line) for line in done.stdout.splitlines()]

    def about(self):
        said = subprocess.run([os.environ["FLOE_BIN"], "--version"], capture_output=True, text=True).stdout
        return {"version": said.split()[1]}

    # --- producing

    def produce(self, topic, partition, records, compression="none", max_bytes=None):
        lines = []
        for record in map(Record, records):
            if record.key is None or record.value is None:
                raise Lacks("command line writes no null")
            if record.headers or record.timestamp:
                raise Lacks("command line writes no headers or timestamps")
            if b"\n" in record.key + record.value or b"\r" in record.key + record.value:
                raise Lacks("reads lines: no line breaks")
            lines.append(record.key + b"\x1e" + record.value + b"\n")
        rows = self._run(
            "produce", topic, "--key-separator", "\\x1e", "--compression", compression, stdin=b"".join(lines)
        )
        return {"offsets": [row["offset"] for row in rows]}

    # --- consuming

    def consume(self, topic, partition, start, count, timeout_ms, max_bytes=None):
        place = {"start": "start", "end": "end"}.get(start["at"])
        if start["at"] == "offset":
            place = start["offset"]
        elif start["at"] == "timestamp":
            place = f"@{start['timestamp']}"
        command = self._command("consume", topic, "--offset", place, "-n", count)
        try:
            output = subprocess.run(command, capture_output=True, timeout=timeout_ms / 1000).stdout
        except subprocess.TimeoutExpired as partial:
            output = partial.stdout or b""
        return {"records": [self._row(json.loads(line)) for line in output.splitlines()]}

    @staticmethod
    def _row(found):
        def data(text, hexadecimal):
            return encode(bytes.fromhex(hexadecimal) if hexadecimal is not None else None if text is None else text.encode())

        return {
            "offset": found["offset"],
            "timestamp": found["timestamp_ms"],
            "key": data(found.get("key"), found.get("key_hex")),
            "value": data(found.get("value"), found.get("value_hex")),
            "headers": [[h["key"], data(h.get("value"), h.get("value_hex"))] for h in found["headers"]],
        }

    def group(self, group, topic, session_ms):
        member = subprocess.Popen(
            self._command("consume", topic, "--group", group), stdout=subprocess.PIPE, preexec_fn=die_with_parent
        )

        def follow():
            for line in member.stdout:
                found = json.loads(line)
                event(records=[[found["partition"], found["offset"]]])

        threading.Thread(target=follow, daemon=True).start()
        while not self.leave_wanted():
            if member.poll() is not None:
                raise Refused(None, f"floe consume ended with {member.returncode}")
            time.sleep(0.05)
        member.terminate()
        member.wait(20)

    def group_read(self, group, topic, count, timeout_ms):
        rows = self._run("consume", topic, "--group", group, "-n", count, limit_s=timeout_ms / 1000)
        return {"records": [[row["partition"], row["offset"]] for row in rows]}

    def committed(self, group, topic):
        rows = self._run("group", "describe", group)[0]
        return {"described": rows}

    # --- administration

    def list_topics(self):
        return {"topics": [row["name"] for row in self._run("topic", "list")[0]]}


serve(Driver(sys.argv[1]))

"""Driver of kcat, the command-line client of Debian's librdkafka (see protocol.py).

Every request is one or more runs of kcat. Records that its command line cannot express are lacking.
"""

import ctypes
import json
import re
import subprocess
import sys
import tempfile
import threading
import time

from protocol import Lacks, Record, Refused, event, row, serve

# librdkafka names its errors in what kcat prints; these are the ones that the tests provoke.
CODES = {"Message size too large": 10, "Unknown topic or partition": 3}
# What no record of the tests contains, printed around the fields of each.
FIELD, END = b"\x1e\x1eF", b"\x1e\x1eE"
ACKED = re.compile(rb"offset (\d+)")


def failed(text):
    code = next((code for words, code in CODES.items() if words in text), None)
    return Refused(code, text.strip()[-400:])


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def _run(self, *arguments, stdin=b"", limit_s=60):
        command = ["kcat", "-b", self.bootstrap, *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=limit_s)
        if done.returncode != 0:
            raise failed(done.stderr.decode(errors="replace"))
        return done

    def about(self):
        said = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
        version, library = re.search(r"Version (\S+).*librdkafka ([\d.]+)", said, re.S).groups()
        return {
            "version": f"{version} (librdkafka {library})",
            "unreadable": {"binary": "prints a header only up to a zero byte"},
        }

    # --- producing

    def produce(self, topic, partition, records, compression="none", max_bytes=None):
        settings = ["-z", compression]
        if max_bytes:
            settings += ["-X", f"message.max.bytes={max_bytes}"]
        return {"offsets": [self._produce_one(topic, partition, Record(one), settings) for one in records]}

    def _produce_one(self, topic, partition, record, settings):
        if record.timestamp:
            raise Lacks("cannot set timestamps")
        if record.value == b"" or record.key == b"":
            raise Lacks("writes an empty key or value as null")
        texts = [record.key or b""] + [value or b"" for _, value in record.headers]
        if any(b"\0" in text for text in texts):
            raise Lacks("command line cannot hold a zero byte")
        if any(value is None for _, value in record.headers):
            raise Lacks("cannot write a null header")
        arguments = ["-P", "-t", topic, "-p", partition, "-Z", *settings, "-v", "-v", "-X", "linger.ms=0"]
        for name, value in record.headers:
            arguments += ["-H", name.encode() + b"=" + value]
        line = b"\n"
        if record.value is None:
            # With a key delimiter, -Z makes a null value of what is missing after it.
            arguments += ["-K", "\x1e:"]
            line = (record.key or b"") + b"\x1e:\n"
        elif record.key is not None:
            arguments += ["-k", record.key]
        with tempfile.NamedTemporaryFile() as content:
            # A value in a file of its own is not split into lines.
            if record.value is not None:
                content.write(record.value)
                content.flush()
                arguments += [content.name]
            command = ["kcat", "-b", self.bootstrap, *(a if isinstance(a, bytes) else str(a) for a in arguments)]
            done = subprocess.run(command, input=line, capture_output=True, timeout=60)
        if done.returncode != 0 or b"Delivery failed" in done.stderr:
            raise failed(done.stderr.decode(errors="replace"))
        found = ACKED.search(done.stderr)
        return int(found.group(1)) if found else None

    def stream(self, topic, partitions, count, interval_ms):
        """One kcat per partition: kcat writes a partition or a hash of the key."""
        settings = ["-X", "enable.idempotence=true", "-X", "linger.ms=0", "-v", "-v", "-v"]
        writers = [
            subprocess.Popen(
                ["kcat", "-b", self.bootstrap, "-P", "-t", topic, "-p", str(part), *settings],
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
            for part in range(partitions)
        ]
        for place in range(count):
            writers[place % partitions].stdin.write(b"%d\n" % place)
            time.sleep(interval_ms / 1000)
        for writer in writers:
            writer.stdin.close()
        for part, writer in enumerate(writers):
            code = writer.wait(120)
            for place in range(part, count, partitions):
                if code == 0:
                    event(acked=place, at=time.time())
                else:
                    event(failed=place, code=None, message=f"kcat ended with {code}")

    # --- consuming

    def consume(self, topic, partition, start, count, timeout_ms, max_bytes=None):
        place = {"start": "beginning", "end": "end"}.get(start["at"])
        if start["at"] == "offset":
            place = start["offset"]
        elif start["at"] == "timestamp":
            place = f"s@{start['timestamp']}"
        more = ["-X", f"fetch.message.max.bytes={max_bytes}"] if max_bytes else []
        # Lengths, because a record may hold any byte; -1 is null.
        form = "%o %T %K %S " + "\x1e\x1eF%k\x1e\x1eF%s\x1e\x1eF%h\x1e\x1eE"
        arguments = ["-C", "-q", "-t", topic, "-p", partition, "-o", place, "-c", count, "-f", form, *more]
        try:
            done = self._run(*arguments, limit_s=timeout_ms / 1000)
            output = done.stdout
        except subprocess.TimeoutExpired as partial:
            output = partial.stdout or b""
        return {"records": [self._row(text) for text in output.split(END)[:-1]]}

    @staticmethod
    def _row(text):
        numbers, key, value, headers = text.split(FIELD)
        offset, timestamp, key_len, value_len = map(int, numbers.split())
        pairs = [pair.partition(b"=") for pair in headers.split(b",")] if headers else []
        named = [[name.decode(), None if content == b"NULL" else content] for name, _, content in pairs]
        return row(offset, timestamp, None if key_len < 0 else key, None if value_len < 0 else value, named)

    def group(self, group, topic, session_ms):
        member = subprocess.Popen(
            ["kcat", "-b", self.bootstrap, "-G", group, "-u", "-f", "%p %o\n", "-X", "auto.offset.reset=earliest",
             "-X", f"session.timeout.ms={session_ms}", "-X", f"heartbeat.interval.ms={session_ms // 6}",
             "-X", "auto.commit.interval.ms=500", "-X", "topic.metadata.refresh.interval.ms=2000", topic],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        follow_group(member)
        while not self.leave_wanted():
            if member.poll() is not None:
                raise Refused(None, f"kcat ended with {member.returncode}")
            time.sleep(0.05)
        member.terminate()
        member.wait(15)

    def group_read(self, group, topic, count, timeout_ms):
        done = subprocess.run(
            ["kcat", "-b", self.bootstrap, "-G", group, "-c", str(count), "-f", "%p %o\n",
             "-X", "auto.offset.reset=earliest", topic],
            capture_output=True, timeout=timeout_ms / 1000,
        )
        if done.returncode != 0:
            raise failed(done.stderr.decode())
        return {"records": [list(map(int, line.split())) for line in done.stdout.splitlines()]}

    # --- administration

    def list_topics(self):
        listing = self._run("-L", "-J").stdout
        return {"topics": [one["topic"] for one in json.loads(listing)["topics"]]}

    def describe_topic(self, topic):
        found = json.loads(self._run("-L", "-J", "-t", topic).stdout)["topics"][0]
        if found.get("error"):
            raise failed(found["error"])
        return {
            "partitions": [
                {"index": p["partition"], "leader": p["leader"], "replicas": [r["id"] for r in p["replicas"]]}
                for p in found["partitions"]
            ]
        }


def die_with_parent():
    """A killed driver must not leave its member of a group alive."""
    ctypes.CDLL(None).prctl(1, 9)


def follow_group(member):
    """Reports what a kcat in a group prints."""
    def records():
        for line in member.stdout:
            event(records=[list(map(int, line.split()))])

    def assignments():
        held = set()
        for line in member.stderr:
            text = line.decode(errors="replace")
            parts = {int(one) for one in re.findall(r"\[(\d+)\]", text)}
            if "assigned:" in text:
                held |= parts
            elif "revoked:" in text:
                held -= parts
            else:
                continue
            event(assigned=sorted(held))

    for follower in (records, assignments):
        threading.Thread(target=follower, daemon=True).start()


serve(Driver(sys.argv[1]))

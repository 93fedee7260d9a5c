"""Driver of the Kafka command-line classes, each request one or more runs of Java (see protocol.py).

The console producer reads text lines and chooses the partition itself, so records that are not
text in one line are lacking, and it writes to topics of one partition.
"""

import ctypes
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

from protocol import Lacks, Record, Refused, event, row, serve

JAVA = ["java", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"

# Kafka's codes for what the tools print as the names of exceptions.
CODES = {"RecordTooLarge": 10, "UnknownTopicOrPartition": 3, "already exists": 36, "InvalidConfig": 40}
NULL = "\x1e\x1eN"
FIELD, END = "\x1e\x1eF", "\x1e\x1eE"


def die_with_parent():
    ctypes.CDLL(None).prctl(1, 9)


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def _command(self, tool, *arguments):
        return [*JAVA, "-cp", os.environ["CLIENTS_CLASSPATH"], tool, "--bootstrap-server", self.bootstrap, *map(str, arguments)]

    def _run(self, tool, *arguments, stdin=b"", limit_s=90):
        done = subprocess.run(self._command(tool, *arguments), input=stdin, capture_output=True, timeout=limit_s)
        said = done.stderr.decode(errors="replace")
        # The tools exit with 0 after some errors.
        if done.returncode != 0 or "ERROR" in said or "Exception" in said or b"Error:" in done.stdout:
            text = said + done.stdout.decode(errors="replace")
            raise Refused(next((code for name, code in CODES.items() if name in text), None), text.strip()[:600])
        return done.stdout

    def about(self):
        return {"version": subprocess.run(
            [*JAVA, "-cp", os.environ["CLIENTS_CLASSPATH"], TOPICS, "--version"], capture_output=True, text=True
        ).stdout.split()[0]}

    # --- producing

    def produce(self, topic, partition, records, compression="none", max_bytes=None):
        lines = [self._line(Record(one)) for one in records]
        settings = ["--command-property", "acks=all"]
        if max_bytes:
            settings = ["--command-property", f"max.request.size={max_bytes}", "--batch-size", max_bytes]
        for name, value in {
            "parse.key": "true", "parse.headers": "true", "null.marker": NULL, "key.separator": FIELD,
            "headers.delimiter": END, "headers.separator": "\x1e;", "headers.key.separator": "\x1e=",
        }.items():
            settings += ["--reader-property", f"{name}={value}"]
        self._run(
            PRODUCER, "--topic", topic, "--compression-codec", compression, "--sync", "--timeout", 0, *settings,
            stdin="".join(line + "\n" for line in lines).encode(),
        )
        return {"offsets": [None] * len(records)}

    @staticmethod
    def _line(record):
        if record.timestamp:
            raise Lacks("cannot set timestamps")

        def text(data):
            if data is None:
                return NULL
            try:
                decoded = data.decode()
            except UnicodeDecodeError:
                raise Lacks("reads lines of text: no bytes that are not UTF-8") from None
            if "\n" in decoded or "\r" in decoded:
                raise Lacks("reads lines of text: no line breaks")
            return decoded

        headers = "\x1e;".join(f"{name}\x1e={text(value)}" for name, value in record.headers)
        return (headers or NULL) + END + text(record.key) + FIELD + text(record.value)

    def stream(self, topic, partitions, count, interval_ms):
        properties = ["--command-property", "enable.idempotence=true", "--command-property", "acks=all"]
        limits = ["--message-send-max-retries", "2147483647", "--request-timeout-ms", "10000"]
        writer = subprocess.Popen(
            self._command(PRODUCER, "--topic", topic, *properties, *limits),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0, preexec_fn=die_with_parent,
        )
        said = []
        listener = threading.Thread(target=lambda: said.extend(writer.stderr))
        listener.start()
        for place in range(count):
            writer.stdin.write(b"%d\n" % place)
            time.sleep(interval_ms / 1000)
        writer.stdin.close()
        writer.wait(150)
        listener.join()
        errors = [line.decode(errors="replace") for line in said if b"ERROR" in line or b"Exception" in line]
        for place in range(count):
            if errors:
                event(failed=place, code=None, message=errors[0])
            else:
                event(acked=place, at=time.time())

    # --- consuming

    def consume(self, topic, partition, start, count, timeout_ms, max_bytes=None):
        place = {"start": "earliest", "end": "latest"}.get(start["at"], start.get("offset"))
        if start["at"] == "timestamp":
            found = self._run(OFFSETS, "--topic", topic, "--partitions", partition, "--time", start["timestamp"])
            place = int(found.decode().strip().split(":")[2])
        settings = ["--command-property", f"max.partition.fetch.bytes={max_bytes}"] if max_bytes else []
        for name, value in {
            "print.timestamp": "true", "print.offset": "true", "print.key": "true", "print.headers": "true",
            "key.separator": FIELD, "line.separator": END, "headers.separator": "\x1e;", "null.literal": NULL,
        }.items():
            settings += ["--formatter-property", f"{name}={value}"]
        command = self._command(
            CONSUMER, "--topic", topic, "--partition", partition, "--offset", place, "--max-messages", count, *settings
        )
        try:
            output = subprocess.run(command, capture_output=True, timeout=timeout_ms / 1000).stdout
        except subprocess.TimeoutExpired as partial:
            output = partial.stdout or b""
        return {"records": [self._row(text) for text in output.split(END.encode())[:-1]]}

    @staticmethod
    def _row(text):
        null = NULL.encode()
        time_text, offset, headers, key, value = text.split(FIELD.encode())
        pairs = [] if headers == b"NO_HEADERS" else [pair.partition(b":") for pair in headers.split(b"\x1e;")]
        named = [[name.decode(), None if content == null else content] for name, _, content in pairs]
        return row(
            int(offset.partition(b":")[2]), int(time_text.partition(b":")[2]),
            None if key == null else key, None if value == null else value, named,
        )

    def group(self, group, topic, session_ms, protocol="classic"):
        properties = ["auto.commit.interval.ms=500", "metadata.max.age.ms=2000", f"group.protocol={protocol}"]
        if protocol == "classic":
            properties += [f"session.timeout.ms={session_ms}", f"heartbeat.interval.ms={session_ms // 6}"]
        settings = [word for one in properties for word in ("--command-property", one)]
        for name, value in {"print.partition": "true", "print.offset": "true", "print.value": "false"}.items():
            settings += ["--formatter-property", f"{name}={value}"]
        member = subprocess.Popen(
            self._command(CONSUMER, "--topic", topic, "--group", group, "--from-beginning", *settings),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,
        )

        def follow():
            for line in member.stdout:
                event(records=[list(map(int, re.findall(rb"\d+", line)))])

        threading.Thread(target=follow, daemon=True).start()
        while not self.leave_wanted():
            if member.poll() is not None:
                raise Refused(None, f"the consumer ended with {member.returncode}")
            time.sleep(0.05)
        member.terminate()
        member.wait(20)

    def group_read(self, group, topic, count, timeout_ms, protocol="classic"):
        settings = ["--command-property", f"group.protocol={protocol}"]
        for name, value in {"print.partition": "true", "print.offset": "true", "print.value": "false"}.items():
            settings += ["--formatter-property", f"{name}={value}"]
        output = self._run(
            CONSUMER, "--topic", topic, "--group", group, "--from-beginning", "--max-messages", count,
            "--timeout-ms", timeout_ms, *settings,
        )
        return {"records": [list(map(int, re.findall(rb"\d+", line))) for line in output.splitlines()]}

    # --- administration

    def create_topic(self, topic, partitions, replication, configs):
        settings = [word for name, value in configs.items() for word in ("--config", f"{name}={value}")]
        self._run(
            TOPICS, "--create", "--topic", topic, "--partitions", partitions, "--replication-factor", replication, *settings
        )

    def list_topics(self):
        return {"topics": self._run(TOPICS, "--list").decode().split()}

    def describe_topic(self, topic):
        rows = re.findall(
            r"Partition: (\d+)\s+Leader: (\S+)\s+Replicas: (\S+)", self._run(TOPICS, "--describe", "--topic", topic).decode()
        )
        return {
            "partitions": [
                {"index": int(index), "leader": int(leader), "replicas": list(map(int, replicas.split(",")))}
                for index, leader, replicas in rows
            ]
        }

    def describe_configs(self, topic):
        text = self._run(CONFIGS, "--describe", "--all", "--entity-type", "topics", "--entity-name", topic).decode()
        return {"configs": dict(re.findall(r"^\s+([a-z.]+)=(\S*) sensitive=", text, re.M))}

    def alter_configs(self, topic, configs):
        settings = ",".join(f"{name}={value}" for name, value in configs.items())
        self._run(CONFIGS, "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", settings)

    def add_partitions(self, topic, total):
        self._run(TOPICS, "--alter", "--topic", topic, "--partitions", total)

    def delete_topic(self, topic):
        self._run(TOPICS, "--delete", "--topic", topic)

    def delete_records(self, topic, partition, before):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
            plan.write('{"partitions":[{"topic":"%s","partition":%d,"offset":%d}],"version":1}' % (topic, partition, before))
            plan.flush()
            self._run(DELETE_RECORDS, "--offset-json-file", plan.name)

    def list_groups(self):
        return {"groups": self._run(GROUPS, "--list").decode().split()}

    def describe_group(self, group):
        lines = self._run(GROUPS, "--describe", "--group", group, "--state").decode().strip().splitlines()
        fields = lines[-1].split()
        return {"state": fields[-2], "members": int(fields[-1])}

    def delete_group(self, group):
        self._run(GROUPS, "--delete", "--group", group)


serve(Driver(sys.argv[1]))

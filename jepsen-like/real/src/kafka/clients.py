"""Kafka clients that write down what they do: idempotent producers, a reader, a group.

Usage: clients.py SERVERS TOPIC RUN PARTITIONS. Each operation is one line on stdout when it is
about to begin, held until its number comes back on stdin, and one line when it has ended. The end
of stdin is the end of the work. A value is sent once only; a record is `RUN VALUE PADDING`.
"""

import itertools
import json
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

SERVERS, TOPIC, RUN, PARTITIONS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
PRODUCERS, MEMBERS = 2, 2
VALUES_PER_LIFE = 1 << 24
DELIVERY_TIMEOUT_MS = 8_000
SESSION_MS = 6_000
PATIENT = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 1_000, "socket.timeout.ms": 5_000}

stop = threading.Event()
speaking = threading.Lock()
numbers = itertools.count(1)
lives = itertools.count(1)
allowed = {}


def say(**fields):
    with speaking:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def key(partition):
    return f"{TOPIC}/{partition}"


class Operation:
    """One operation. Begins when the history has it."""

    def __init__(self, who, f, v):
        self.number, self.who, self.f = next(numbers), who, f
        heard = allowed[self.number] = threading.Event()
        say(id=self.number, who=who, type="invoke", f=f, v=v)
        while not heard.wait(0.5):
            if stop.is_set():
                raise Over
        del allowed[self.number]

    def end(self, stage, v, err=None, rb=()):
        say(id=self.number, who=self.who, type=stage, f=self.f, v=v, err=err, rb=sorted(rb))


class Over(Exception):
    """Nothing more is to be begun."""


def listen():
    for line in sys.stdin:
        event = allowed.get(int(line))
        if event:
            event.set()
    stop.set()


# --- producing


def produce():
    while not stop.is_set():
        life = next(lives)
        producer = Producer({
            "bootstrap.servers": SERVERS, "enable.idempotence": True, "linger.ms": random.choice([0, 2, 5]),
            "delivery.timeout.ms": DELIVERY_TIMEOUT_MS, "retry.backoff.ms": 50, **PATIENT,
        })
        value = life * VALUES_PER_LIFE
        sound = True
        while sound and not stop.is_set():
            count = random.randint(1, 12)
            one = random.randrange(PARTITIONS) if random.random() < 0.5 else None
            sent = [{"k": key(random.randrange(PARTITIONS) if one is None else one), "v": value + i} for i in range(count)]
            value += count
            sound = send(producer, f"producer {life}", sent)
            time.sleep(random.random() * 0.05)
        # What it still holds was written down as unknown; it must not be sent any more.
        producer.purge()


def send(producer, who, sent):
    operation = Operation(who, "send", sent)
    errors = []

    def delivered(record):
        def report(error, message):
            if error:
                errors.append(error.str())
            else:
                record["o"] = message.offset()
        return report

    for record in sent:
        partition = int(record["k"].rsplit("/", 1)[1])
        payload = f"{RUN} {record['v']} {'.' * random.randrange(200)}"
        producer.produce(TOPIC, payload.encode(), who.encode(), partition, delivered(record))
    producer.flush(DELIVERY_TIMEOUT_MS / 1000 + 5)
    lost = len(errors) or any("o" not in record for record in sent)
    operation.end("info" if lost else "ok", sent, errors[0] if errors else None)
    return not lost


# --- consuming


def consumer(group, **settings):
    return Consumer({
        "bootstrap.servers": SERVERS, "group.id": group, "enable.auto.commit": False,
        "fetch.wait.max.ms": 200, "topic.metadata.refresh.interval.ms": 2_000, **PATIENT, **settings,
    })


def messages_of(reader):
    """Values per key, and an error that ends the reader."""
    found, bad = {}, None
    for message in reader.consume(500, 0.4):
        error = message.error()
        if error:
            if error.code() != KafkaError._PARTITION_EOF and not error.retriable():
                bad = error.str()
            continue
        run, value = message.value().split(b" ")[:2]
        if run.decode() != RUN:
            bad = "a record that nobody sent"
            continue
        found.setdefault(key(message.partition()), []).append([message.offset(), int(value)])
    return found, bad


def read():
    while not stop.is_set():
        reader = consumer("nobody", **{"auto.offset.reset": "error"})
        reader.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
        who = f"reader {next(lives)}"
        Operation(who, "assign", [key(p) for p in range(PARTITIONS)]).end("ok", [key(p) for p in range(PARTITIONS)])
        for _ in range(random.randint(20, 200)):
            operation = Operation(who, "poll", {})
            found, bad = messages_of(reader)
            operation.end("fail" if bad and not found else "ok", found, bad)
            if bad or stop.is_set():
                break
            time.sleep(random.random() * 0.05)
        reader.close()


def belong():
    while not stop.is_set():
        Member().live()


class Member:
    """One membership, from joining to leaving."""

    def __init__(self):
        self.who = f"member {next(lives)}"
        self.moved, self.read = set(), {}
        self.consumer = consumer(RUN, **{
            "auto.offset.reset": "earliest", "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": SESSION_MS // 6,
        })

    def live(self):
        Operation(self.who, "subscribe", [TOPIC]).end("ok", [TOPIC])
        self.consumer.subscribe([TOPIC], on_assign=self.move, on_revoke=self.move, on_lost=self.move)
        for _ in range(random.randint(50, 600)):
            if not self.poll() or stop.is_set():
                break
            if random.random() < 0.3:
                self.commit()
            time.sleep(random.random() * 0.05)
        self.consumer.close()

    def move(self, _consumer, places):
        for place in places:
            self.moved.add(key(place.partition))
            self.read.pop(place.partition, None)

    def poll(self):
        operation = Operation(self.who, "poll", {})
        found, bad = messages_of(self.consumer)
        owned = {place.partition for place in self.consumer.assignment()}
        for name, records in found.items():
            partition = int(name.rsplit("/", 1)[1])
            if partition in owned:
                self.read[partition] = records[-1][0] + 1
        operation.end("fail" if bad and not found else "ok", found, bad, self.moved)
        self.moved.clear()
        return not bad

    def commit(self):
        offsets = dict(self.read)
        if not offsets:
            return
        said = {"group": RUN, "generation": 0, "offsets": {key(partition): offset for partition, offset in offsets.items()}}
        operation = Operation(self.who, "commit", said)
        try:
            places = [TopicPartition(TOPIC, partition, offset) for partition, offset in offsets.items()]
            done = self.consumer.commit(offsets=places, asynchronous=False)
            bad = next((place.error.str() for place in done if place.error), None)
        except KafkaException as error:
            bad = error.args[0].str()
        operation.end("info" if bad else "ok", said, bad)


def guarded(work):
    try:
        work()
    except Over:
        pass


threads = [threading.Thread(target=guarded, args=(work,)) for work in [produce] * PRODUCERS + [read] + [belong] * MEMBERS]
for thread in threads:
    thread.start()
listen()
for thread in threads:
    thread.join()

"""A minimal Kafka client of the tests' own: the neutral party between the foreign clients.

It writes and reads uncompressed records with the oldest versions that all of Kafka's brokers serve,
and looks at the stored batches as they are. Independent of the broker's codec on purpose.
"""

import socket
import struct
import threading
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, CREATE_TOPICS = (0, 3), (1, 4), (2, 1), (3, 4), (19, 4)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
RETRIABLE = {3, 5, 6, 7, 14, 15, 16, 19, 20, 72, 78}


class WireError(Exception):
    def __init__(self, code):
        super().__init__(f"Kafka error {code}")
        self.code = code


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _varint(number):
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _string(text):
    return struct.pack(">h", len(text)) + text.encode()


class Reader:
    """Fields of a response in the order they come."""

    def __init__(self, data):
        self.data, self.place = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.place)
        self.place += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def bytes(self, length):
        self.place += max(length, 0)
        return self.data[self.place - max(length, 0) : self.place]

    def string(self):
        return self.bytes(self.take("h")).decode()

    def varint(self):
        number = shift = 0
        while True:
            byte = self.data[self.place]
            self.place += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return (number >> 1) ^ -(number & 1)


def _batch(values):
    now = int(time.time() * 1000)
    records = b""
    for delta, value in enumerate(values):
        body = b"\0" + _varint(0) + _varint(delta) + _varint(-1) + _varint(len(value)) + value + _varint(0)
        records += _varint(len(body)) + body
    tail = struct.pack(">hiqqqhii", 0, len(values) - 1, now, now, -1, -1, -1, len(values)) + records
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


class Batch:
    """A stored batch: where it is, its codec, and its records if they are not compressed.

    `values` has an offset with each value, `pairs` the key.
    """

    def __init__(self, data):
        head = Reader(data)
        self.base_offset, self.length, self.leader_epoch, _magic, _crc = head.take("qiibI")
        attributes, self.last_delta, _, _, self.producer_id, self.producer_epoch, self.sequence, self.count = head.take("hiqqqhii")
        self.codec = CODECS[attributes & 7]
        self.values = self.pairs = None
        if self.codec == "none":
            self._take_records(head)

    def _take_records(self, reader):
        self.values, self.pairs = [], []
        for _ in range(self.count):
            end = reader.varint()
            end += reader.place
            reader.take("b"), reader.varint()
            delta = reader.varint()
            key, value = reader.bytes(reader.varint()), reader.bytes(reader.varint())
            self.values.append((self.base_offset + delta, value))
            self.pairs.append((key, value))
            reader.place = end


def batches(data):
    """The whole batches in what a Fetch answered."""
    found, place = [], 0
    while place + 12 <= len(data):
        length = struct.unpack_from(">i", data, place + 8)[0] + 12
        if place + length > len(data):
            break
        found.append(Batch(data[place : place + length]))
        place += length
    return found


class Wire:
    """Connections to a cluster; every call retries for a while when the leader is elsewhere."""

    def __init__(self, bootstrap, patience_s=30):
        self.bootstrap = [(host, int(port)) for host, port in (one.rsplit(":", 1) for one in bootstrap.split(","))]
        self.patience_s = patience_s
        self.links, self.leaders = {}, {}
        self._one_at_a_time = threading.Lock()

    def close(self):
        for link in self.links.values():
            link.close()
        self.links = {}

    def _call(self, address, api, body):
        with self._one_at_a_time:
            return self._ask(address, api, body)

    def _ask(self, address, api, body):
        try:
            if address not in self.links:
                self.links[address] = socket.create_connection(address, 5)
            link = self.links[address]
            request = struct.pack(">hhi", *api, 1) + _string("wire") + body
            link.sendall(struct.pack(">i", len(request)) + request)
            length = struct.unpack(">i", self._read(link, 4))[0]
            return Reader(self._read(link, length)[4:])
        except OSError:
            self.links.pop(address, None)
            raise

    @staticmethod
    def _read(link, length):
        data = b""
        while len(data) < length:
            more = link.recv(length - len(data))
            if not more:
                raise ConnectionError("closed by the broker")
            data += more
        return data

    def metadata(self, topic):
        """{partition: (address of the leader, node id of the leader)}"""
        last = None
        for address in self.bootstrap:
            try:
                answer = self._call(address, METADATA, struct.pack(">i", 1) + _string(topic) + b"\0")
            except OSError as error:
                last = error
                continue
            answer.take("i")
            nodes = {}
            for _ in range(answer.take("i")):
                node, host, port = answer.take("i"), answer.string(), answer.take("i")
                answer.bytes(answer.take("h"))
                nodes[node] = (host, port)
            answer.bytes(answer.take("h")), answer.take("i"), answer.take("i")
            code, _name, _internal = answer.take("h"), answer.string(), answer.take("b")
            if code:
                raise WireError(code)
            leaders = {}
            for _ in range(answer.take("i")):
                code, part, leader = answer.take("hii")
                for _list in range(2):
                    answer.bytes(4 * answer.take("i"))
                if code == 0 and leader in nodes:
                    leaders[part] = (nodes[leader], leader)
            return leaders
        raise last

    def create_topic(self, topic, partitions, configs):
        body = struct.pack(">i", 1) + _string(topic) + struct.pack(">ihii", partitions, 3, 0, len(configs))
        for name, value in configs.items():
            body += _string(name) + _string(value)
        answer = self._call(self.bootstrap[0], CREATE_TOPICS, body + struct.pack(">ib", 20_000, 0))
        answer.take("ii"), answer.string()
        code = answer.take("h")
        if code:
            raise WireError(code)

    def leader(self, topic, partition):
        return self.metadata(topic)[partition][1]

    def _at_leader(self, topic, partition, api, body, errors):
        """Sends to the leader until it answers without a retriable error; `errors` reads the code."""
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                if (topic, partition) not in self.leaders:
                    self.leaders[topic, partition] = self.metadata(topic)[partition][0]
                answer = self._call(self.leaders[topic, partition], api, body)
                code = errors(answer)
                if code == 0:
                    return answer
                failure = WireError(code)
                if code not in RETRIABLE:
                    raise failure
            except (OSError, KeyError) as error:
                failure = error
            except WireError as error:
                if error.code not in RETRIABLE:
                    raise
                failure = error
            self.leaders.pop((topic, partition), None)
            if time.monotonic() > deadline:
                raise failure
            time.sleep(0.1)

    def produce(self, topic, partition, values):
        """Writes a batch and gives the offset of its first record."""
        data = _batch(values)
        body = struct.pack(">hhi", -1, -1, 10_000) + struct.pack(">i", 1) + _string(topic)
        body += struct.pack(">iii", 1, partition, len(data)) + data

        def code(answer):
            answer.take("i"), answer.string(), answer.take("ii")
            return answer.take("h")

        return self._at_leader(topic, partition, PRODUCE, body, code).take("q")

    def start_offset(self, topic, partition):
        return self._offset_at(topic, partition, -2)

    def end_offset(self, topic, partition):
        return self._offset_at(topic, partition, -1)

    def _offset_at(self, topic, partition, moment):
        body = struct.pack(">ii", -1, 1) + _string(topic) + struct.pack(">iiq", 1, partition, moment)

        def code(answer):
            answer.take("i"), answer.string(), answer.take("ii")
            return answer.take("h")

        return self._at_leader(topic, partition, LIST_OFFSETS, body, code).take("qq")[1]

    def read(self, topic, partition, start=0):
        """All batches from `start` to the end that the partition has now."""
        end, found = self.end_offset(topic, partition), []
        while start < end:
            body = struct.pack(">iiiibi", -1, 500, 1, 8 << 20, 0, 1) + _string(topic)
            body += struct.pack(">iiqi", 1, partition, start, 8 << 20)

            def code(answer):
                answer.take("ii"), answer.string(), answer.take("ii")
                return answer.take("h")

            answer = self._at_leader(topic, partition, FETCH, body, code)
            answer.take("qq")
            for _ in range(max(answer.take("i"), 0)):
                answer.take("qq")
            for batch in batches(answer.bytes(answer.take("i"))):
                found.append(batch)
                start = batch.base_offset + batch.last_delta + 1
        return found

    def values(self, topic, partition):
        """[(offset, value)] of a partition that holds no compressed batches."""
        return [pair for batch in self.read(topic, partition) for pair in batch.values]


class Ticker:
    """Writes a record into each partition of a topic all the time, so that readers show themselves."""

    def __init__(self, bootstrap, topic, partitions, every_s=0.1):
        self.wire, self.topic, self.partitions, self.every_s = Wire(bootstrap), topic, partitions, every_s
        self.written = {part: 0 for part in range(partitions)}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stopping.wait(self.every_s):
            for part in range(self.partitions):
                self.wire.produce(self.topic, part, [b"tick"])
                self.written[part] += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.wire.close()

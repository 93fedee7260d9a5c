"""Driver of aiokafka, the asyncio client (see protocol.py)."""

import asyncio
import functools
import sys
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from protocol import Lacks, Record, Refused, event, row, seen, serve


def refused(error):
    return Refused(getattr(error, "errno", None), f"{type(error).__name__}: {error}")


def run(coroutine):
    """Makes a request of the protocol out of a coroutine."""

    @functools.wraps(coroutine)
    def request(self, **fields):
        async def answered():
            try:
                return await coroutine(self, **fields)
            except KafkaError as error:
                raise refused(error) from error

        return asyncio.run(answered())

    return request


def check(code, message=""):
    if code:
        raise Refused(code, f"{for_code(code).__name__}: {message}")


class Assignments(ConsumerRebalanceListener):
    """Reports which partitions a group member holds."""

    def __init__(self):
        self.held = set()

    def on_partitions_revoked(self, revoked):
        self.held.difference_update(part.partition for part in revoked)
        event(assigned=sorted(self.held))

    def on_partitions_assigned(self, assigned):
        self.held.update(part.partition for part in assigned)
        event(assigned=sorted(self.held))


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def about(self):
        return {"version": aiokafka.__version__}

    # --- producing

    @run
    async def produce(self, topic, partition, records, compression="none", max_bytes=None):
        settings = {"max_request_size": max_bytes, "max_batch_size": max_bytes} if max_bytes else {}
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if compression == "none" else compression,
            acks="all",
            linger_ms=2,
            **settings,
        )
        await producer.start()
        try:
            sent = [
                await producer.send(topic, r.value, r.key, partition, r.timestamp, headers=r.headers)
                for r in map(Record, records)
            ]
            return {"offsets": [(await future).offset for future in sent]}
        finally:
            await producer.stop()

    @run
    async def stream(self, topic, partitions, count, interval_ms):
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True, request_timeout_ms=60_000)
        await producer.start()

        async def follow(place, future):
            try:
                await future
                event(acked=place, at=time.time())
            except KafkaError as error:
                event(failed=place, code=getattr(error, "errno", None), message=repr(error))

        followers = []
        for place in range(count):
            future = await producer.send(topic, str(place).encode(), partition=place % partitions)
            followers.append(asyncio.create_task(follow(place, future)))
            await asyncio.sleep(interval_ms / 1000)
        await asyncio.gather(*followers)
        await producer.stop()

    # --- consuming

    def _consumer(self, *topics, group=None, **settings):
        return AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self.bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=2000,
            **settings,
        )

    @run
    async def consume(self, topic, partition, start, count, timeout_ms, max_bytes=None):
        consumer = self._consumer(**({"max_partition_fetch_bytes": max_bytes} if max_bytes else {}))
        await consumer.start()
        try:
            place = TopicPartition(topic, partition)
            consumer.assign([place])
            match start["at"]:
                case "start":
                    await consumer.seek_to_beginning(place)
                case "end":
                    await consumer.seek_to_end(place)
                case "offset":
                    consumer.seek(place, start["offset"])
                case "timestamp":
                    found = await consumer.offsets_for_times({place: start["timestamp"]})
                    consumer.seek(place, found[place].offset)
            rows, deadline = [], time.monotonic() + timeout_ms / 1000
            while len(rows) < count and time.monotonic() < deadline:
                for batch in (await consumer.getmany(timeout_ms=100, max_records=count - len(rows))).values():
                    rows += [row(m.offset, m.timestamp, m.key, m.value, m.headers) for m in batch]
            return {"records": rows}
        finally:
            await consumer.stop()

    @run
    async def group(self, group, topic, session_ms, values=False):
        consumer = self._consumer(group=group, session_timeout_ms=session_ms, heartbeat_interval_ms=session_ms // 6)
        consumer.subscribe([topic], listener=Assignments())
        await consumer.start()
        while not self.leave_wanted():
            batches = (await consumer.getmany(timeout_ms=100)).values()
            records = [seen(m.partition, m.offset, m.value, values) for batch in batches for m in batch]
            if records:
                event(records=records)
                try:
                    await consumer.commit()
                except KafkaError as error:
                    event(commit_failed=getattr(error, "errno", None))
        await consumer.stop()

    @run
    async def group_read(self, group, topic, count, timeout_ms):
        consumer = self._consumer(topic, group=group)
        await consumer.start()
        read, deadline = [], time.monotonic() + timeout_ms / 1000
        while len(read) < count and time.monotonic() < deadline:
            for batch in (await consumer.getmany(timeout_ms=100, max_records=count - len(read))).values():
                read += [[m.partition, m.offset] for m in batch]
        await consumer.commit()
        await consumer.stop()
        return {"records": read}

    # --- administration

    async def _asked(self, question):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return await question(admin)
        finally:
            await admin.close()

    @run
    async def create_topic(self, topic, partitions, replication, configs):
        spec = NewTopic(topic, partitions, replication, topic_configs=configs)
        for _name, code, *message in (await self._asked(lambda admin: admin.create_topics([spec]))).topic_errors:
            check(code, *message)

    @run
    async def list_topics(self):
        return {"topics": await self._asked(lambda admin: admin.list_topics())}

    @run
    async def describe_topic(self, topic):
        found = (await self._asked(lambda admin: admin.describe_topics([topic])))[0]
        check(found["error_code"])
        return {
            "partitions": [
                {"index": part["partition"], "leader": part["leader"], "replicas": list(part["replicas"])}
                for part in sorted(found["partitions"], key=lambda part: part["partition"])
            ]
        }

    @run
    async def describe_configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        answer = (await self._asked(lambda admin: admin.describe_configs([resource])))[0].resources[0]
        check(answer[0], answer[1])
        return {"configs": {entry[0]: entry[1] for entry in answer[4]}}

    @run
    async def alter_configs(self, topic, configs):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
        answer = (await self._asked(lambda admin: admin.alter_configs([resource])))[0].resources[0]
        check(answer[0], answer[1])

    @run
    async def add_partitions(self, topic, total):
        answer = await self._asked(lambda admin: admin.create_partitions({topic: NewPartitions(total)}))
        for _name, code, message in answer.topic_errors:
            check(code, message)

    @run
    async def delete_topic(self, topic):
        for _name, code, *message in (await self._asked(lambda admin: admin.delete_topics([topic]))).topic_error_codes:
            check(code, *message)

    @run
    async def delete_records(self, topic, partition, before):
        place = TopicPartition(topic, partition)
        await self._asked(lambda admin: admin.delete_records({place: RecordsToDelete(before)}))

    @run
    async def list_groups(self):
        return {"groups": [name for name, *_ in await self._asked(lambda admin: admin.list_consumer_groups())]}

    @run
    async def describe_group(self, group):
        found = (await self._asked(lambda admin: admin.describe_consumer_groups([group])))[0].groups[0]
        check(found[0])
        return {"state": found[2], "members": len(found[5])}

    def delete_group(self, group):
        raise Lacks("its admin client has no call that deletes groups")


serve(Driver(sys.argv[1]))

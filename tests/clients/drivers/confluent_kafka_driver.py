"""Driver of confluent-kafka, Python's binding of a current librdkafka (see protocol.py)."""

import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition, OFFSET_BEGINNING, OFFSET_END
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from protocol import Record, Refused, event, row, seen, serve

ADMIN_LIMIT_S = 30


def refused(error):
    if isinstance(error, KafkaException):
        error = error.args[0]
    return Refused(error.code(), f"{error.name()}: {error.str()}")


class Driver:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def about(self):
        return {"version": f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"}

    # --- producing

    def _producer(self, **settings):
        return Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 2, **settings})

    def produce(self, topic, partition, records, compression="none", max_bytes=None):
        settings = {"compression.type": compression}
        if max_bytes:
            settings["message.max.bytes"] = max_bytes
        producer = self._producer(**settings)
        offsets, errors = [None] * len(records), []

        def delivered(place):
            def report(error, message):
                if error:
                    errors.append(error)
                else:
                    offsets[place] = message.offset()
            return report

        for place, record in enumerate(map(Record, records)):
            more = {"timestamp": record.timestamp} if record.timestamp else {}
            producer.produce(topic, record.value, record.key, partition, delivered(place), headers=record.headers, **more)
        producer.flush(30)
        if errors:
            raise refused(errors[0])
        return {"offsets": offsets}

    def stream(self, topic, partitions, count, interval_ms):
        producer = self._producer(**{"enable.idempotence": True, "linger.ms": 0})

        def report(place):
            def delivered(error, _message):
                if error:
                    event(failed=place, code=error.code(), message=error.str())
                else:
                    event(acked=place, at=time.time())
            return delivered

        for place in range(count):
            producer.produce(topic, str(place).encode(), None, place % partitions, report(place))
            producer.poll(interval_ms / 1000)
        producer.flush(120)

    # --- consuming

    def _consumer(self, group, **settings):
        return Consumer({
            "bootstrap.servers": self.bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 2000,
            **settings,
        })

    def consume(self, topic, partition, start, count, timeout_ms, max_bytes=None):
        settings = {"fetch.message.max.bytes": max_bytes} if max_bytes else {}
        consumer = self._consumer("unused", **settings)
        place = TopicPartition(topic, partition)
        if start["at"] == "timestamp":
            place.offset = start["timestamp"]
            place = consumer.offsets_for_times([place], 10)[0]
        else:
            place.offset = {"start": OFFSET_BEGINNING, "end": OFFSET_END}.get(start["at"], start.get("offset"))
        consumer.assign([place])
        rows, deadline = [], time.monotonic() + timeout_ms / 1000
        while len(rows) < count and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                raise refused(message.error())
            rows.append(row(message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers() or []))
        consumer.close()
        return {"records": rows}

    @staticmethod
    def _spoken(protocol):
        """Older versions do not know the setting."""
        return {} if protocol == "classic" else {"group.protocol": protocol}

    def group(self, group, topic, session_ms, protocol="classic", values=False):
        timing = {"session.timeout.ms": session_ms, "heartbeat.interval.ms": session_ms // 6}
        # In the consumer protocol the broker says how often to heartbeat.
        consumer = self._consumer(group, **(self._spoken(protocol) or timing))
        held = set()

        def assigned(_consumer, partitions):
            held.update(part.partition for part in partitions)
            event(assigned=sorted(held))

        def revoked(_consumer, partitions):
            held.difference_update(part.partition for part in partitions)
            event(assigned=sorted(held))

        consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
        while not self.leave_wanted():
            messages = [m for m in consumer.consume(100, 0.1) if not m.error()]
            if messages:
                event(records=[seen(m.partition(), m.offset(), m.value(), values) for m in messages])
                try:
                    consumer.commit(asynchronous=False)
                except KafkaException as error:
                    event(commit_failed=refused(error).code)
        consumer.close()

    def group_read(self, group, topic, count, timeout_ms, protocol="classic"):
        consumer = self._consumer(group, **self._spoken(protocol))
        consumer.subscribe([topic])
        read, deadline = [], time.monotonic() + timeout_ms / 1000
        while len(read) < count and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                read.append([message.partition(), message.offset()])
                last = message
        if read:
            consumer.commit(last, asynchronous=False)
        consumer.close()
        return {"records": read}

    # --- administration

    @staticmethod
    def _result(futures):
        try:
            return [future.result(ADMIN_LIMIT_S) for future in futures.values()]
        except KafkaException as error:
            raise refused(error) from error

    def create_topic(self, topic, partitions, replication, configs):
        self._result(self.admin.create_topics([NewTopic(topic, partitions, replication, config=configs)]))

    def list_topics(self):
        return {"topics": list(self.admin.list_topics(timeout=10).topics)}

    def describe_topic(self, topic):
        parts = self.admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
        return {"partitions": [{"index": p.id, "leader": p.leader, "replicas": p.replicas} for p in parts]}

    def describe_configs(self, topic):
        entries = self._result(self.admin.describe_configs([ConfigResource("topic", topic)]))[0]
        return {"configs": {name: entry.value for name, entry in entries.items()}}

    def alter_configs(self, topic, configs):
        entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in configs.items()]
        self._result(self.admin.incremental_alter_configs([ConfigResource("topic", topic, incremental_configs=entries)]))

    def add_partitions(self, topic, total):
        self._result(self.admin.create_partitions([NewPartitions(topic, total)]))

    def delete_topic(self, topic):
        self._result(self.admin.delete_topics([topic]))

    def delete_records(self, topic, partition, before):
        self._result(self.admin.delete_records([TopicPartition(topic, partition, before)]))

    def list_groups(self):
        listing = self.admin.list_consumer_groups().result(ADMIN_LIMIT_S)
        return {"groups": [group.group_id for group in listing.valid]}

    def describe_group(self, group):
        found = self._result(self.admin.describe_consumer_groups([group]))[0]
        return {"state": found.state.name, "members": len(found.members)}

    def delete_group(self, group):
        self._result(self.admin.delete_consumer_groups([group]))


serve(Driver(sys.argv[1]))

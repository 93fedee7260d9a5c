"""Driver of kafka-python (see protocol.py)."""

import sys
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError
from kafka.consumer.subscription_state import ConsumerRebalanceListener

from protocol import Lacks, Record, Refused, event, row, seen, serve


def refused(error):
    return Refused(getattr(error, "errno", None), f"{type(error).__name__}: {error}")


# From version 2.1 on.
IDEMPOTENT = "enable_idempotence" in KafkaProducer.DEFAULT_CONFIG


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
        self._admin = None

    def about(self):
        return {"version": kafka.__version__, "at_least_once": not IDEMPOTENT}

    # --- producing

    def produce(self, topic, partition, records, compression="none", max_bytes=None):
        settings = {"max_request_size": max_bytes} if max_bytes else {}
        if any(value is None for one in records for _, value in one["headers"]):
            raise Lacks("refuses null header values")
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if compression == "none" else compression,
            acks="all",
            linger_ms=2,
            **settings,
            **({"enable_idempotence": False} if IDEMPOTENT else {}),
        )
        try:
            sent = [
                producer.send(topic, r.value, key=r.key, headers=r.headers, partition=partition, timestamp_ms=r.timestamp)
                for r in map(Record, records)
            ]
            producer.flush(30)
            return {"offsets": [future.get(30).offset for future in sent]}
        except KafkaError as error:
            raise refused(error) from error
        finally:
            producer.close(5)

    def stream(self, topic, partitions, count, interval_ms):
        # Without idempotence one retry may not overtake another: one request at a time.
        settings = {"enable_idempotence": True} if IDEMPOTENT else {"retries": 100, "max_in_flight_requests_per_connection": 1}
        if "delivery_timeout_ms" in KafkaProducer.DEFAULT_CONFIG:
            settings["delivery_timeout_ms"] = 120_000
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", **settings)

        def follow(place, future):
            future.add_callback(lambda _meta: event(acked=place, at=time.time()))
            future.add_errback(lambda e: event(failed=place, code=getattr(e, "errno", None), message=repr(e)))

        for place in range(count):
            follow(place, producer.send(topic, str(place).encode(), partition=place % partitions))
            time.sleep(interval_ms / 1000)
        producer.flush(120)
        producer.close(5)

    # --- consuming

    def _consumer(self, group=None, **settings):
        return KafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=2000,
            **settings,
        )

    def consume(self, topic, partition, start, count, timeout_ms, max_bytes=None):
        consumer = self._consumer(**({"max_partition_fetch_bytes": max_bytes} if max_bytes else {}))
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        match start["at"]:
            case "start":
                consumer.seek_to_beginning(place)
            case "end":
                consumer.seek_to_end(place)
            case "offset":
                consumer.seek(place, start["offset"])
            case "timestamp":
                consumer.seek(place, consumer.offsets_for_times({place: start["timestamp"]})[place].offset)
        rows, deadline = [], time.monotonic() + timeout_ms / 1000
        while len(rows) < count and time.monotonic() < deadline:
            for batch in consumer.poll(100, max_records=count - len(rows)).values():
                rows += [row(m.offset, m.timestamp, m.key, m.value, m.headers) for m in batch]
        consumer.close()
        return {"records": rows}

    def group(self, group, topic, session_ms, values=False):
        consumer = self._consumer(group, session_timeout_ms=session_ms, heartbeat_interval_ms=session_ms // 6)
        consumer.subscribe([topic], listener=Assignments())
        while not self.leave_wanted():
            batches = consumer.poll(100).values()
            records = [seen(m.partition, m.offset, m.value, values) for batch in batches for m in batch]
            if records:
                event(records=records)
                try:
                    consumer.commit()
                except KafkaError as error:
                    event(commit_failed=getattr(error, "errno", None))
        consumer.close()

    def group_read(self, group, topic, count, timeout_ms):
        consumer = self._consumer(group)
        consumer.subscribe([topic])
        read, deadline = [], time.monotonic() + timeout_ms / 1000
        while len(read) < count and time.monotonic() < deadline:
            for batch in consumer.poll(100, max_records=count - len(read)).values():
                read += [[m.partition, m.offset] for m in batch]
        consumer.commit()
        consumer.close()
        return {"records": read}

    # --- administration

    @property
    def admin(self):
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        return self._admin

    def create_topic(self, topic, partitions, replication, configs):
        spec = {"num_partitions": partitions, "replication_factor": replication, "configs": configs}
        self._answered(self.admin.create_topics, {topic: spec})

    @staticmethod
    def _answered(call, *arguments, **settings):
        try:
            return call(*arguments, **settings)
        except KafkaError as error:
            raise refused(error) from error

    def list_topics(self):
        return {"topics": self.admin.list_topics()}

    def describe_topic(self, topic):
        parts = self._answered(self.admin.describe_topics, [topic])[0]["partitions"]
        rows = [(p["partition_index"], p["leader_id"], p["replica_nodes"]) for p in parts]
        return {"partitions": [dict(zip(("index", "leader", "replicas"), one)) for one in sorted(rows)]}

    def describe_configs(self, topic):
        answer = self._answered(
            self.admin.describe_configs, [ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all"
        )
        return {"configs": {name: entry["value"] for name, entry in answer["topic"][topic].items()}}

    def alter_configs(self, topic, configs):
        answer = self._answered(self.admin.alter_configs, [ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])
        result = answer["topic"][topic]
        if isinstance(result, KafkaError) or (isinstance(result, type) and result.errno):
            raise refused(result)

    def add_partitions(self, topic, total):
        self._answered(self.admin.create_partitions, {topic: total})

    def delete_topic(self, topic):
        self._answered(self.admin.delete_topics, [topic])

    def delete_records(self, topic, partition, before):
        self._answered(self.admin.delete_records, {TopicPartition(topic, partition): before})

    def list_groups(self):
        return {"groups": [one["group_id"] for one in self._answered(self.admin.list_groups)]}

    def describe_group(self, group):
        found = self._answered(self.admin.describe_groups, [group])[group]
        return {"state": found["group_state"], "members": len(found["members"])}

    def delete_group(self, group):
        answer = self._answered(self.admin.delete_groups, [group])
        result = answer[group] if isinstance(answer, dict) else answer[0][1]
        if getattr(result, "errno", 0):
            raise refused(result)


serve(Driver(sys.argv[1]))

// Driver of @confluentinc/kafka-javascript, the binding of librdkafka, through its promise API
// (see protocol.js).
'use strict';

const { KafkaJS, librdkafkaVersion } = require('@confluentinc/kafka-javascript');
const { version } = require('@confluentinc/kafka-javascript/package.json');
const { Lacks, event, decode, headersOf, rowOf, serve, sleep, codeOf } = require('./protocol');

class Driver {
  constructor(bootstrap) {
    this.bootstrap = bootstrap;
    this.kafka = new KafkaJS.Kafka({ 'bootstrap.servers': bootstrap, log_level: 2 });
  }

  about() {
    return {
      version: `${version} (librdkafka ${librdkafkaVersion})`,
      unreadable: {
        'header order': 'keeps headers by name, not in order', 'null header': 'reads a null header as an empty one',
      },
    };
  }

  // --- producing

  async produce({ topic, partition, records, compression = 'none', max_bytes: maxBytes }) {
    if (records.some((record) => record.headers.some(([, value]) => value === null))) {
      throw new Lacks('cannot write null headers');
    }
    if (records.some((record) => new Set(record.headers.map(([name]) => name)).size > 1 && record.headers.length > 2)) {
      throw new Lacks('keeps headers by name, not in order');
    }
    const contents = records.flatMap((record) => [record.key, record.value, ...record.headers.map(([, value]) => value)]);
    if (contents.includes('')) throw new Lacks('writes what is empty as null');
    const producer = this.kafka.producer({
      'compression.codec': compression, 'linger.ms': 2, ...(maxBytes ? { 'message.max.bytes': maxBytes } : {}),
    });
    await producer.connect();
    try {
      const messages = records.map((record) => ({
        key: decode(record.key), value: decode(record.value), headers: headersOf(record), partition,
        ...(record.timestamp ? { timestamp: String(record.timestamp) } : {}),
      }));
      await producer.send({ topic, messages });
      return { offsets: records.map(() => null) };
    } finally {
      await producer.disconnect();
    }
  }

  async stream({ topic, partitions, count, interval_ms: intervalMs }) {
    const producer = this.kafka.producer({ 'enable.idempotence': true, 'linger.ms': 0 });
    await producer.connect();
    const sent = [];
    for (let place = 0; place < count; place += 1) {
      sent.push(producer.send({ topic, messages: [{ value: String(place), partition: place % partitions }] })
        .then(() => event({ acked: place, at: Date.now() / 1000 }))
        .catch((error) => event({ failed: place, code: codeOf(error), message: error.message })));
      await sleep(intervalMs);
    }
    await Promise.all(sent);
    await producer.disconnect();
  }

  // --- consuming: its promise API reads only as a member of a group

  consumer(groupId, more = {}) {
    return this.kafka.consumer({
      'group.id': groupId, 'auto.offset.reset': 'earliest', 'topic.metadata.refresh.interval.ms': 2000, ...more,
    });
  }

  async consume({ topic, partition, start, count, timeout_ms: timeoutMs, max_bytes: maxBytes }) {
    let offset = start.offset;
    if (start.at === 'timestamp') {
      const admin = await this.admin();
      const found = await admin.fetchTopicOffsetsByTimestamp(topic, start.timestamp);
      offset = found.find((one) => one.partition === partition).offset;
    }
    const consumer = this.consumer(`read-${process.pid}-${Date.now()}-${Math.random()}`, {
      'enable.auto.commit': false,
      'auto.offset.reset': start.at === 'end' ? 'latest' : 'earliest',
      ...(maxBytes ? { 'fetch.message.max.bytes': maxBytes } : {}),
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic] });
    const records = [];
    let enough;
    const done = new Promise((resolve) => { enough = resolve; });
    await consumer.run({
      eachMessage: async ({ message }) => {
        // Until the seek below has been carried out, the position may be the start.
        if (offset !== undefined && Number(message.offset) < Number(offset)) return;
        if (records.length < count) records.push(rowOf(message));
        if (records.length === count) enough();
      },
    });
    if (offset !== undefined) consumer.seek({ topic, partition, offset: String(offset) });
    await Promise.race([done, sleep(timeoutMs)]);
    await consumer.disconnect();
    return { records };
  }

  async group({ group, topic, session_ms: sessionMs, protocol = 'classic' }) {
    // In the consumer protocol the broker says how often to heartbeat.
    const timing = protocol === 'classic' ? { 'session.timeout.ms': sessionMs, 'heartbeat.interval.ms': sessionMs / 6 } : {};
    const consumer = this.consumer(group, { 'group.protocol': protocol, 'auto.commit.interval.ms': 500, ...timing });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic] });
    await consumer.run({
      eachMessage: async ({ partition, message }) => event({ records: [[partition, Number(message.offset)]] }),
    });
    await this.leaveWanted();
    await consumer.disconnect();
  }

  async group_read({ group, topic, count, timeout_ms: timeoutMs, protocol = 'classic' }) {
    const consumer = this.consumer(group, { 'group.protocol': protocol, 'enable.auto.commit': false });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic] });
    const records = [];
    let enough;
    const done = new Promise((resolve) => { enough = resolve; });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        if (records.length >= count) return;
        records.push([partition, Number(message.offset)]);
        if (records.length === count) {
          await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }]);
          enough();
        }
      },
    });
    await Promise.race([done, sleep(timeoutMs)]);
    await consumer.disconnect();
    return { records };
  }

  // --- administration

  async admin() {
    if (!this.connected) {
      this.connected = this.kafka.admin();
      await this.connected.connect();
    }
    return this.connected;
  }

  async create_topic({ topic, partitions, replication, configs }) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const spec = { topic, numPartitions: partitions, replicationFactor: replication, configEntries };
    // It turns "exists already" into false.
    if (!(await (await this.admin()).createTopics({ topics: [spec] }))) {
      throw Object.assign(new Error('the topic exists already'), { code: 36 });
    }
  }

  async list_topics() {
    return { topics: await (await this.admin()).listTopics() };
  }

  async describe_topic({ topic }) {
    const { topics } = await (await this.admin()).fetchTopicMetadata({ topics: [topic] })
      .then((found) => (Array.isArray(found) ? { topics: found } : found));
    const partitions = topics[0].partitions
      .map((one) => ({ index: one.partitionId, leader: one.leader, replicas: one.replicas }))
      .sort((a, b) => a.index - b.index);
    return { partitions };
  }

  async delete_topic({ topic }) {
    await (await this.admin()).deleteTopics({ topics: [topic] });
  }

  async delete_records({ topic, partition, before }) {
    await (await this.admin()).deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
  }

  async list_groups() {
    const { groups } = await (await this.admin()).listGroups();
    return { groups: groups.map((one) => one.groupId) };
  }

  async describe_group({ group }) {
    const { groups } = await (await this.admin()).describeGroups([group]);
    const state = Object.entries(KafkaJS.ConsumerGroupStates).find(([, value]) => value === groups[0].state);
    return { state: state[0], members: groups[0].members.length };
  }

  async delete_group({ group }) {
    await (await this.admin()).deleteGroups([group]);
  }
}

serve(new Driver(process.argv[2]));

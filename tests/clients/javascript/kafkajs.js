// Driver of KafkaJS (see protocol.js).
'use strict';

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, Partitioners, logLevel } = require('kafkajs');
const { version } = require('kafkajs/package.json');
const SnappyCodec = require('kafkajs-snappy');
const LZ4 = require('kafkajs-lz4');
const { ZstdCodec } = require('zstd-codec');
const { Lacks, event, decode, headersOf, rowOf, serve, sleep, codeOf } = require('./protocol');

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;
CompressionCodecs[CompressionTypes.LZ4] = new LZ4().codec;
// The codec package that KafkaJS names for this one is native code for old versions of Node.js.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
});
const zstd = new Promise((resolve) => { ZstdCodec.run((library) => resolve(new library.Streaming())); });

const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
};

class Driver {
  constructor(bootstrap) {
    this.kafka = new Kafka({ clientId: 'kafkajs', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING });
  }

  about() {
    const order = 'keeps headers by name, not in order';
    return { version, unreadable: { 'header order': order, 'null header': 'reads a null header as an empty one' } };
  }

  // --- producing

  async produce({ topic, partition, records, compression = 'none' }) {
    if (records.some((record) => record.headers.some(([, value]) => value === null))) {
      throw new Lacks('cannot write null headers');
    }
    if (records.some((record) => new Set(record.headers.map(([name]) => name)).size > 1 && record.headers.length > 2)) {
      throw new Lacks('keeps headers by name, not in order');
    }
    const producer = this.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, retry: { retries: 3 } });
    await producer.connect();
    try {
      const messages = records.map((record) => ({
        key: decode(record.key), value: decode(record.value), headers: headersOf(record), partition,
        ...(record.timestamp ? { timestamp: String(record.timestamp) } : {}),
      }));
      const [result] = await producer.send({ topic, acks: -1, compression: CODECS[compression], messages });
      return { offsets: records.map((_, place) => Number(result.baseOffset) + place) };
    } finally {
      await producer.disconnect();
    }
  }

  async stream({ topic, partitions, count, interval_ms: intervalMs }) {
    const producer = this.kafka.producer({
      idempotent: true, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: Number.MAX_SAFE_INTEGER, initialRetryTime: 50, maxRetryTime: 1000 },
    });
    await producer.connect();
    // One send at a time in each partition: KafkaJS gives sends sequence numbers in any order.
    const lanes = Array.from({ length: partitions }, () => Promise.resolve());
    for (let place = 0; place < count; place += 1) {
      const partition = place % partitions;
      lanes[partition] = lanes[partition]
        .then(() => producer.send({ topic, acks: -1, messages: [{ value: String(place), partition }] }))
        .then(() => event({ acked: place, at: Date.now() / 1000 }))
        .catch((error) => event({ failed: place, code: codeOf(error), message: error.message }));
      await sleep(intervalMs);
    }
    await Promise.all(lanes);
    await producer.disconnect();
  }

  // --- consuming: KafkaJS reads only as a member of a group

  consumer(groupId, more = {}) {
    return this.kafka.consumer({ groupId, metadataMaxAge: 2000, ...more });
  }

  async consume({ topic, partition, start, count, timeout_ms: timeoutMs, max_bytes: maxBytes }) {
    const consumer = this.consumer(`read-${process.pid}-${Date.now()}-${Math.random()}`, maxBytes ? { maxBytesPerPartition: maxBytes } : {});
    let offset = start.offset;
    if (start.at === 'timestamp') {
      const admin = await this.admin();
      const found = await admin.fetchTopicOffsetsByTimestamp(topic, start.timestamp);
      offset = found.find((one) => one.partition === partition).offset;
    }
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: start.at === 'start' });
    const records = [];
    let enough;
    const done = new Promise((resolve) => { enough = resolve; });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ message }) => {
        if (records.length < count) records.push(rowOf(message));
        if (records.length === count) enough();
      },
    });
    if (offset !== undefined) consumer.seek({ topic, partition, offset: String(offset) });
    await Promise.race([done, sleep(timeoutMs)]);
    await consumer.disconnect();
    return { records };
  }

  async group({ group, topic, session_ms: sessionMs }) {
    const consumer = this.consumer(group, { sessionTimeout: sessionMs, heartbeatInterval: sessionMs / 6, rebalanceTimeout: 10000 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommitInterval: 500,
      eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, heartbeat }) => {
        event({ records: batch.messages.map((message) => [batch.partition, Number(message.offset)]) });
        resolveOffset(batch.lastOffset());
        await commitOffsetsIfNecessary();
        await heartbeat();
      },
    });
    await this.leaveWanted();
    await consumer.disconnect();
  }

  async group_read({ group, topic, count, timeout_ms: timeoutMs }) {
    const consumer = this.consumer(group);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const records = [];
    let enough;
    const done = new Promise((resolve) => { enough = resolve; });
    await consumer.run({
      autoCommit: false,
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
    const created = await (await this.admin()).createTopics({ topics: [spec], waitForLeaders: false });
    // KafkaJS turns "exists already" into false.
    if (!created) throw Object.assign(new Error('the topic exists already'), { code: 36 });
  }

  async list_topics() {
    return { topics: await (await this.admin()).listTopics() };
  }

  async describe_topic({ topic }) {
    const { topics } = await (await this.admin()).fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0].partitions
      .map((one) => ({ index: one.partitionId, leader: one.leader, replicas: one.replicas }))
      .sort((a, b) => a.index - b.index);
    return { partitions };
  }

  async describe_configs({ topic }) {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
    const answer = await (await this.admin()).describeConfigs({ resources, includeSynonyms: true });
    return { configs: Object.fromEntries(answer.resources[0].configEntries.map((one) => [one.configName, one.configValue])) };
  }

  async alter_configs({ topic, configs }) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    await (await this.admin()).alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] });
  }

  async add_partitions({ topic, total }) {
    await (await this.admin()).createPartitions({ topicPartitions: [{ topic, count: total }] });
  }

  async delete_topic({ topic }) {
    await (await this.admin()).deleteTopics({ topics: [topic] });
  }

  async delete_records({ topic, partition, before }) {
    const admin = await this.admin();
    // It finds leaders only of topics that it has asked about before.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
  }

  async list_groups() {
    const { groups } = await (await this.admin()).listGroups();
    return { groups: groups.map((one) => one.groupId) };
  }

  async describe_group({ group }) {
    const { groups } = await (await this.admin()).describeGroups([group]);
    return { state: groups[0].state, members: groups[0].members.length };
  }

  async delete_group({ group }) {
    await (await this.admin()).deleteGroups([group]);
  }
}

serve(new Driver(process.argv[2]));

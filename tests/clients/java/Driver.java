// Driver of the Java client: producer, consumer and admin client (see Protocol.java).

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Driver {
  private final String bootstrap;
  private final Protocol protocol = new Protocol();
  private Admin admin;

  private Driver(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  public static void main(String[] arguments) throws Exception {
    Driver driver = new Driver(arguments[0]);
    driver.protocol.serve(driver::answer);
  }

  private Map<String, Object> answer(String operation, JsonNode fields) throws Exception {
    switch (operation) {
      case "about": return Map.of("version", AppInfoParser.getVersion());
      case "produce": return produce(fields);
      case "stream": return stream(fields);
      case "consume": return consume(fields);
      case "group": return group(fields);
      case "group_read": return groupRead(fields);
      default: return administer(operation, fields);
    }
  }

  // --- producing

  private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("linger.ms", "2");
    settings.putAll(more);
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private Map<String, Object> produce(JsonNode fields) throws Exception {
    Map<String, Object> settings = new HashMap<>();
    settings.put("compression.type", fields.path("compression").asText("none"));
    settings.put("enable.idempotence", "false");
    settings.put("acks", "all");
    if (fields.has("max_bytes")) {
      settings.put("max.request.size", fields.get("max_bytes").asText());
    }
    List<Object> offsets = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (JsonNode one : fields.get("records")) {
        Long timestamp = one.has("timestamp") ? one.get("timestamp").asLong() : null;
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(
                fields.get("topic").asText(), fields.get("partition").asInt(), timestamp,
                Protocol.decode(one.get("key")), Protocol.decode(one.get("value")));
        for (JsonNode header : one.get("headers")) {
          record.headers().add(header.get(0).asText(), Protocol.decode(header.get(1)));
        }
        sent.add(producer.send(record));
      }
      for (Future<RecordMetadata> one : sent) {
        offsets.add(one.get(30, TimeUnit.SECONDS).offset());
      }
    }
    return Map.of("offsets", offsets);
  }

  private Map<String, Object> stream(JsonNode fields) throws Exception {
    int partitions = fields.get("partitions").asInt();
    Map<String, Object> settings = Map.of("enable.idempotence", "true", "linger.ms", "0");
    try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
      for (int place = 0; place < fields.get("count").asInt(); place++) {
        int number = place;
        producer.send(
            new ProducerRecord<>(fields.get("topic").asText(), place % partitions, null, String.valueOf(place).getBytes()),
            (metadata, error) -> {
              Map<String, Object> event = new LinkedHashMap<>();
              if (error == null) {
                event.put("acked", number);
                event.put("at", System.currentTimeMillis() / 1000.0);
              } else {
                event.put("failed", number);
                event.put("code", Protocol.code(error));
                event.put("message", error.toString());
              }
              Protocol.event(event);
            });
        Thread.sleep(fields.get("interval_ms").asLong());
      }
    }
    return Map.of();
  }

  // --- consuming

  private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("auto.offset.reset", "earliest");
    settings.put("enable.auto.commit", "false");
    settings.put("metadata.max.age.ms", "2000");
    settings.putAll(more);
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private Map<String, Object> consume(JsonNode fields) {
    Map<String, Object> settings = new HashMap<>();
    if (fields.has("max_bytes")) {
      settings.put("max.partition.fetch.bytes", fields.get("max_bytes").asText());
    }
    List<Object> rows = new ArrayList<>();
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
      TopicPartition place = new TopicPartition(fields.get("topic").asText(), fields.get("partition").asInt());
      consumer.assign(List.of(place));
      JsonNode start = fields.get("start");
      switch (start.get("at").asText()) {
        case "start" -> consumer.seekToBeginning(List.of(place));
        case "end" -> consumer.seekToEnd(List.of(place));
        case "offset" -> consumer.seek(place, start.get("offset").asLong());
        default -> consumer.seek(place, consumer.offsetsForTimes(Map.of(place, start.get("timestamp").asLong())).get(place).offset());
      }
      long deadline = System.currentTimeMillis() + fields.get("timeout_ms").asLong();
      while (rows.size() < fields.get("count").asInt() && System.currentTimeMillis() < deadline) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          if (rows.size() < fields.get("count").asInt()) {
            rows.add(row(record));
          }
        }
      }
    }
    return Map.of("records", rows);
  }

  private static Map<String, Object> row(ConsumerRecord<byte[], byte[]> record) {
    List<Object> headers = new ArrayList<>();
    for (Header header : record.headers()) {
      List<String> pair = new ArrayList<>();
      pair.add(header.key());
      pair.add(Protocol.encode(header.value()));
      headers.add(pair);
    }
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("offset", record.offset());
    row.put("timestamp", record.timestamp());
    row.put("key", Protocol.encode(record.key()));
    row.put("value", Protocol.encode(record.value()));
    row.put("headers", headers);
    return row;
  }

  private Map<String, Object> group(JsonNode fields) {
    int sessionMs = fields.get("session_ms").asInt();
    Map<String, Object> settings = new HashMap<>();
    settings.put("group.id", fields.get("group").asText());
    settings.put("group.protocol", fields.path("protocol").asText("classic"));
    if (settings.get("group.protocol").equals("classic")) {
      settings.put("session.timeout.ms", String.valueOf(sessionMs));
      settings.put("heartbeat.interval.ms", String.valueOf(sessionMs / 6));
    }
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
      consumer.subscribe(List.of(fields.get("topic").asText()), new ConsumerRebalanceListener() {
        public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
          Protocol.event(Map.of("revoked", revoked.stream().map(TopicPartition::partition).toList()));
        }

        public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
          Protocol.event(Map.of("assigned", assigned.stream().map(TopicPartition::partition).toList()));
        }
      });
      while (!protocol.leaveWanted()) {
        List<List<Long>> records = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          records.add(List.of((long) record.partition(), record.offset()));
        }
        if (!records.isEmpty()) {
          Protocol.event(Map.of("records", records));
          try {
            consumer.commitSync();
          } catch (CommitFailedException | org.apache.kafka.common.errors.RebalanceInProgressException moved) {
            Protocol.event(Map.of("commit_failed", moved.toString()));
          }
        }
      }
    }
    return Map.of();
  }

  private Map<String, Object> groupRead(JsonNode fields) {
    List<List<Long>> read = new ArrayList<>();
    int count = fields.get("count").asInt();
    Map<String, Object> settings = Map.of(
        "group.id", fields.get("group").asText(), "max.poll.records", "1",
        "group.protocol", fields.path("protocol").asText("classic"));
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
      consumer.subscribe(List.of(fields.get("topic").asText()));
      long deadline = System.currentTimeMillis() + fields.get("timeout_ms").asLong();
      while (read.size() < count && System.currentTimeMillis() < deadline) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          read.add(List.of((long) record.partition(), record.offset()));
        }
      }
      consumer.commitSync();
    }
    return Map.of("records", read);
  }

  // --- administration

  private static <T> T got(KafkaFuture<T> future) throws Exception {
    try {
      return future.get(30, TimeUnit.SECONDS);
    } catch (ExecutionException error) {
      throw (Exception) error.getCause();
    }
  }

  private Map<String, Object> administer(String operation, JsonNode fields) throws Exception {
    if (admin == null) {
      admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap));
    }
    String topic = fields.path("topic").asText();
    String group = fields.path("group").asText();
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    switch (operation) {
      case "create_topic" -> {
        Map<String, String> configs = new HashMap<>();
        fields.get("configs").fields().forEachRemaining(one -> configs.put(one.getKey(), one.getValue().asText()));
        NewTopic spec = new NewTopic(topic, fields.get("partitions").asInt(), (short) fields.get("replication").asInt());
        got(admin.createTopics(List.of(spec.configs(configs))).all());
      }
      case "list_topics" -> {
        return Map.of("topics", List.copyOf(got(admin.listTopics().names())));
      }
      case "describe_topic" -> {
        TopicDescription found = got(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
        return Map.of("partitions", found.partitions().stream().map(part -> Map.of(
            "index", part.partition(), "leader", part.leader().id(),
            "replicas", part.replicas().stream().map(node -> node.id()).toList())).toList());
      }
      case "describe_configs" -> {
        Map<String, String> configs = new HashMap<>();
        got(admin.describeConfigs(List.of(resource)).all()).get(resource).entries().forEach(one -> configs.put(one.name(), one.value()));
        return Map.of("configs", configs);
      }
      case "alter_configs" -> {
        List<AlterConfigOp> changes = new ArrayList<>();
        fields.get("configs").fields().forEachRemaining(one ->
            changes.add(new AlterConfigOp(new ConfigEntry(one.getKey(), one.getValue().asText()), AlterConfigOp.OpType.SET)));
        got(admin.incrementalAlterConfigs(Map.of(resource, changes)).all());
      }
      case "add_partitions" -> got(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(fields.get("total").asInt()))).all());
      case "delete_topic" -> got(admin.deleteTopics(List.of(topic)).all());
      case "delete_records" -> got(admin.deleteRecords(Map.of(
          new TopicPartition(topic, fields.get("partition").asInt()),
          RecordsToDelete.beforeOffset(fields.get("before").asLong()))).all());
      case "list_groups" -> {
        return Map.of("groups", got(admin.listGroups().all()).stream().map(GroupListing::groupId).toList());
      }
      case "describe_group" -> {
        ConsumerGroupDescription found = got(admin.describeConsumerGroups(List.of(group)).all()).get(group);
        return Map.of("state", found.groupState().name(), "members", found.members().size());
      }
      case "delete_group" -> got(admin.deleteConsumerGroups(List.of(group)).all());
      default -> throw new Protocol.Lacks("has no " + operation.replace('_', ' '));
    }
    return Map.of();
  }
}

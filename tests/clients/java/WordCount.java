// A word count with Kafka Streams, as its own documentation writes it (see Protocol.java). Settings are the
// defaults but for shorter intervals; processing is at least once.

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Materialized;

public final class WordCount {
  private static final Duration CLOSE_LIMIT = Duration.ofSeconds(30);

  public static void main(String[] arguments) throws Exception {
    Protocol protocol = new Protocol();
    protocol.serve((operation, fields) -> {
      switch (operation) {
        case "about": return Map.of("version", AppInfoParser.getVersion());
        case "count": return count(protocol, arguments[0], fields);
        default: throw new Protocol.Lacks("has no " + operation);
      }
    });
  }

  /** Counts until asked to leave; an exception in a stream thread ends it. */
  private static Map<String, Object> count(Protocol protocol, String bootstrap, JsonNode fields) throws Exception {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, fields.get("application").asText());
    settings.put(StreamsConfig.STATE_DIR_CONFIG, fields.get("state_dir").asText());
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "2");
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "500");
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    // Streams never leaves its group: the next instance waits for the session of the last one.
    settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), "6000");
    settings.put("repartition.purge.interval.ms", "500");

    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream(fields.get("input").asText())
        .flatMapValues(text -> Arrays.asList(text.split("\\W+")))
        .filter((key, word) -> !word.isEmpty())
        .groupBy((key, word) -> word)
        .count(Materialized.as("words"))
        .toStream()
        .mapValues(String::valueOf)
        .to(fields.get("output").asText());

    Throwable[] failure = new Throwable[1];
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setUncaughtExceptionHandler(error -> {
      failure[0] = error;
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    streams.setStateListener((now, before) -> Protocol.event(Map.of("state", now.name())));
    streams.start();
    boolean closed;
    try {
      while (!protocol.leaveWanted()) {
        if (failure[0] != null) {
          throw new IllegalStateException(failure[0]);
        }
        Thread.sleep(50);
      }
    } finally {
      closed = streams.close(CLOSE_LIMIT);
    }
    if (!closed || failure[0] != null) {
      throw new IllegalStateException("closed: " + closed, failure[0]);
    }
    return Map.of();
  }
}

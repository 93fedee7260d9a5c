// The driver protocol for the Java driver; drivers/protocol.py says what it is.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;

final class Protocol {
  interface Handler {
    Map<String, Object> answer(String operation, JsonNode fields) throws Exception;
  }

  static final class Lacks extends Exception {
    Lacks(String reason) {
      super(reason);
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = System.out;
  private final BlockingQueue<String> lines = new ArrayBlockingQueue<>(16);

  Protocol() {
    // What libraries print must not get between the answers.
    System.setOut(System.err);
    Thread reader = new Thread(this::read);
    reader.setDaemon(true);
    reader.start();
  }

  private void read() {
    try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        lines.put(line);
      }
      lines.put("");
    } catch (Exception end) {
      System.exit(1);
    }
  }

  boolean leaveWanted() {
    return lines.poll() != null;
  }

  static synchronized void write(Map<String, Object> answer) {
    try {
      OUT.println(JSON.writeValueAsString(answer));
      OUT.flush();
    } catch (Exception impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  static void event(Map<String, Object> fields) {
    write(Map.of("event", fields));
  }

  static String encode(byte[] data) {
    return data == null ? null : Base64.getEncoder().encodeToString(data);
  }

  static byte[] decode(JsonNode text) {
    return text == null || text.isNull() ? null : Base64.getDecoder().decode(text.asText());
  }

  static Integer code(Throwable error) {
    for (Throwable one = error; one != null; one = one.getCause()) {
      if (one instanceof ApiException) {
        return (int) Errors.forException(one).code();
      }
    }
    return null;
  }

  void serve(Handler handler) throws InterruptedException {
    while (true) {
      String line = lines.take();
      if (line.isEmpty()) {
        System.exit(0);
      }
      try {
        JsonNode request = JSON.readTree(line);
        write(Map.of("done", handler.answer(request.get("op").asText(), request)));
      } catch (Lacks reason) {
        write(Map.of("lacks", reason.getMessage()));
      } catch (Exception error) {
        Map<String, Object> failure = new LinkedHashMap<>();
        failure.put("code", code(error));
        failure.put("message", error.toString());
        write(Map.of("error", failure));
      }
    }
  }
}

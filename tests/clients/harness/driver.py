"""A driver process and the requests to it: the harness' side of the driver protocol."""

import json
import queue
import subprocess
import threading
import time


class Lacks(Exception):
    """The client has no such feature."""


class Failed(Exception):
    """The client reported an error."""

    def __init__(self, code, message):
        super().__init__(f"[{code}] {message}" if code is not None else message)
        self.code = code


class Silent(Exception):
    """The driver did not answer in time or ended."""


class Driver:
    """One process around one client. One request at a time."""

    def __init__(self, command, bootstrap, environment, log_path):
        self.events, self._answers = [], queue.Queue()
        self._changed = threading.Condition()
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*command, bootstrap], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env=environment, text=True, bufsize=1,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            try:
                answer = json.loads(line)
            except ValueError:
                answer = {"error": {"code": None, "message": f"not JSON on stdout: {line.strip()[:200]}"}}
            if "event" in answer:
                with self._changed:
                    self.events.append(answer["event"])
                    self._changed.notify_all()
            else:
                self._answers.put(answer)
        self._answers.put(None)
        with self._changed:
            self._changed.notify_all()

    def start(self, operation, **fields):
        """Sends a request whose answer `finish` waits for."""
        self.process.stdin.write(json.dumps({"op": operation, **fields}) + "\n")
        self.process.stdin.flush()

    def finish(self, limit_s=90):
        try:
            answer = self._answers.get(timeout=limit_s)
        except queue.Empty:
            raise Silent(f"no answer within {limit_s} s") from None
        if answer is None:
            raise Silent(f"the driver ended with {self.process.wait()}")
        if "lacks" in answer:
            raise Lacks(answer["lacks"])
        if "error" in answer:
            raise Failed(answer["error"]["code"], answer["error"]["message"])
        return answer["done"]

    def call(self, operation, limit_s=90, **fields):
        self.start(operation, **fields)
        return self.finish(limit_s)

    def leave(self, limit_s=40):
        """Ends the running group request in good order."""
        self.process.stdin.write('{"op": "leave"}\n')
        self.process.stdin.flush()
        return self.finish(limit_s)

    def snapshot(self):
        with self._changed:
            return list(self.events)

    def await_events(self, condition, limit_s, what):
        """Waits until `condition` holds of the events so far."""
        deadline = time.monotonic() + limit_s
        with self._changed:
            while not condition(self.events):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Silent(f"{what}: not within {limit_s} s")
                self._changed.wait(left)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.kill()

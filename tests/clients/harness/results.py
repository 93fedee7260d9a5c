"""Results: one cell for each client and check, kept as JSON, one file a client."""

import json
import os
import threading

PASS, FAIL, LACKS, GAP = "pass", "fail", "lacks", "gap"

# (client, cell) -> what Floe lacks. Such a cell must fail; the matrix names it.
GAPS = {}


class Results:
    def __init__(self, directory):
        self.directory, self._lock = directory, threading.Lock()
        self.clients = {}
        os.makedirs(directory, exist_ok=True)

    def begin(self, client, about):
        with self._lock:
            self.clients[client.name] = {"client": client.name, "title": client.title, "version": about["version"], "unreadable": about.get("unreadable", {}), "at_least_once": about.get("at_least_once", False), "cells": {}}

    def record(self, client, cell, outcome, detail="", seconds=0.0):
        with self._lock:
            entry = self.clients[client.name]
            entry["cells"][cell] = {"outcome": outcome, "detail": detail, "seconds": round(seconds, 1)}
            mark = {PASS: "ok   ", FAIL: "FAIL ", LACKS: "lacks", GAP: "gap  "}[outcome]
            print(f"{mark} {client.name}: {cell} ({seconds:.1f} s){': ' + detail if detail else ''}", flush=True)
            with open(os.path.join(self.directory, client.name + ".json"), "w") as file:
                json.dump(entry, file, indent=1, sort_keys=True)

    def count(self, outcome):
        return sum(cell["outcome"] == outcome for entry in self.clients.values() for cell in entry["cells"].values())

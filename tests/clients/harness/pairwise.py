"""What one client writes, every other reads byte for byte: the pairwise matrix."""

from concurrent.futures import ThreadPoolExecutor

from .driver import Failed, Lacks, Silent
from .records import AWKWARD, ISOLATED, grouped
from .scenarios import check


class Written:
    """What one writer wrote: the topic and offset of each awkward record."""

    def __init__(self):
        self.places = {}

    def count(self, topic):
        return sum(place[0] == topic for place in self.places.values())


def run(run):
    everyone = run.clients + ([run.native] if run.native_driver else [])
    drivers = {client.name: run.open(client) for client in everyone}
    with ThreadPoolExecutor(3) as pool:
        writing = pool.map(lambda one: _write(run, one, drivers[one.name]), everyone)
        written = {client.name: places for client, places in zip(everyone, writing)}
        list(pool.map(lambda one: _read_all(run, one, drivers[one.name], written), everyone))
    for driver in drivers.values():
        driver.close()


def _write(run, client, driver):
    """Writes every awkward record that the client can write; the others are named cells."""
    common = run.topics.create(f"pair-{client.name}", 1, {})
    written = Written()
    for feature, record in AWKWARD.items():
        topic = run.topics.create(f"pair-{client.name}", 1, {}) if feature in ISOLATED else common

        def write(feature=feature, record=record, topic=topic):
            driver.call("produce", topic=topic, partition=0, records=[record])
            written.places[feature] = (topic, written.count(topic))

        run.attempt(client, f"write {feature}", write)
    return written


def _read_all(run, reader, driver, written):
    unreadable = run.results.clients[reader.name]["unreadable"]
    skipped = {feature for feature in ISOLATED if feature in unreadable}
    rows = {}
    for one in written.values():
        for topic in {place[0] for feature, place in one.places.items() if feature not in skipped}:
            try:
                answer = driver.call(
                    "consume", topic=topic, partition=0, start={"at": "start"}, count=one.count(topic), timeout_ms=30_000
                )
                rows[topic] = answer["records"]
            except (Failed, Lacks, Silent) as failure:
                rows[topic] = failure
    for feature in AWKWARD:
        run.attempt(reader, f"read {feature}", lambda feature=feature: _compare(feature, unreadable, written, rows))


def _compare(feature, unreadable, written, rows):
    """Checks the record of one feature from every writer; says which writers' records differ."""
    if feature in unreadable:
        raise Lacks(unreadable[feature])
    differing = []
    for writer, one in written.items():
        if feature not in one.places:
            continue
        topic, place = one.places[feature]
        found = rows[topic]
        if not isinstance(found, list):
            differing.append(f"{writer}: {found}")
        elif len(found) != one.count(topic):
            differing.append(f"{writer}: {len(found)} of {one.count(topic)} records read")
        elif (difference := _difference(AWKWARD[feature], found[place], feature)) is not None:
            differing.append(f"{writer}: {difference}")
    check(not differing, "; ".join(differing))


def _difference(sent, got, feature):
    for part in ("key", "value"):
        if sent[part] != got[part]:
            return f"{part} {got[part]!r}, not {sent[part]!r}"
    if sent["headers"] != got["headers"]:
        if feature != "header order" and grouped(sent["headers"]) == grouped(got["headers"]):
            return None
        return f"headers {got['headers']}, not {sent['headers']}"
    return None

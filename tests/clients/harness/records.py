"""The records of the tests as requests of the driver protocol carry them, and the awkward ones."""

import base64


def encoded(data):
    return None if data is None else base64.b64encode(data).decode()


def plain(text, key=None):
    """A record of text."""
    as_bytes = lambda one: None if one is None else one.encode()
    return {"key": encoded(as_bytes(key)), "value": encoded(as_bytes(text)), "headers": []}


def _record(key, value, *headers):
    return {"key": encoded(key), "value": encoded(value), "headers": [[name, encoded(content)] for name, content in headers]}


# Name of the feature -> the record that shows it. Each writer writes those that it can.
AWKWARD = {
    "text": _record(b"key", b"value"),
    "null key": _record(None, b"value without a key"),
    "null value": _record(b"deleted", None),
    "empty value": _record(b"key", b""),
    "empty key": _record(b"", b"value of an empty key"),
    "header": _record(b"key", b"value", ("trace", b"abc")),
    "duplicate header": _record(b"key", b"value", ("tag", b"one"), ("tag", b"two"), ("tag", b"one")),
    "header order": _record(b"key", b"value", ("b", b"1"), ("a", b"2"), ("b", b"3")),
    "empty header": _record(b"key", b"value", ("empty", b"")),
    "null header": _record(b"key", b"value", ("null", None)),
    "unicode": _record("ключ".encode(), "значение 📦".encode(), ("имя", "ü".encode())),
    "binary": _record(bytes(range(256)), bytes(range(255, -1, -1)), ("raw", b"\x00\xff\x80\n")),
    "line breaks": _record(b"a\nb", b"\r\n\n"),
}


# Records that some clients cannot even skip; they get a topic of their own.
ISOLATED = {"null header"}


def grouped(headers):
    """Headers as a client shows them that keeps a list of values for each name."""
    names = {}
    for name, content in headers:
        names.setdefault(name, []).append(content)
    return sorted(names.items())

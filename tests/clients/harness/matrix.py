"""The tables of clients in docs/kafka-compatibility.md, made from the results of whole runs."""

import os

from .results import FAIL, GAP, GAPS, PASS

# Sections of the page by their first line: the current version of each client, and older ones.
CURRENT, OLDER, END = "<!-- generated: clients -->", "<!-- generated: older clients -->", "<!-- end -->"


def table(results):
    """Markdown: a row for each check, a column for each client, a note for each thing that is lacking."""
    clients = list(results.clients.values())
    cells = list(dict.fromkeys(cell for entry in clients for cell in entry["cells"]))
    notes = {}

    def shown(entry, cell):
        found = entry["cells"].get(cell)
        if found is None:
            return ""
        if found["outcome"] == PASS:
            return "yes"
        if found["outcome"] == FAIL:
            return "**fails**"
        if found["outcome"] == GAP:
            return f"no ({notes.setdefault('Floe: ' + GAPS[entry['client'], cell], len(notes) + 1)})"
        note = notes.setdefault(f"{entry['title']} {found['detail']}", len(notes) + 1)
        return f"no ({note})"

    lines = ["| | " + " | ".join(entry["title"] for entry in clients) + " |", "|---" * (len(clients) + 1) + "|"]
    lines.append("| version | " + " | ".join(entry["version"] for entry in clients) + " |")
    for cell in cells:
        lines.append(f"| {cell} | " + " | ".join(shown(entry, cell) for entry in clients) + " |")
    lines.append("")
    lines += [f"{number}. {text}." for text, number in notes.items()]
    return "\n".join(lines)


def publish(layout, results, section, write):
    """Writes the table into the page, or compares it with the page; the number of differences."""
    path = os.path.join(layout.root, "docs", "kafka-compatibility.md")
    with open(path) as file:
        page = file.read()
    before, begin, rest = page.partition(section)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{path} has no section between {section} and {END}")
        return 1
    new = f"{before}{section}\n{table(results)}\n{END}{after}"
    if new == page:
        return 0
    if write:
        with open(path, "w") as file:
            file.write(new)
        print(f"wrote the table of clients into {path}")
        return 0
    print(f"the table of clients in {path} is not what this run found; scripts/test-clients --write-matrix writes it")
    return 1

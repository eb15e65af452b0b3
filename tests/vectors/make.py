"""Write the vectors: `python -m tests.vectors.make`.

Made with the simulator's own implementation of the protocol, which shares no code with the agent.
The same files come out each time: keys are made from names, signatures are deterministic, and the
sealed positions, which need fresh randomness, are taken from the committed file while they open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from tests.vectors import account_and_trust, envelopes, from_centre, from_vehicle
from tests.vectors.cars import cars
from tests.vectors.cases import FOLDER, Case, described
from tests.vectors.keys import ENVIRONMENT, EVERYBODY

FORMAT = 1
"""Raised when a reader of an earlier form would misunderstand a file."""

KINDS: Mapping[str, tuple[str, Callable[[], Iterable[Case]]]] = {
    # file: (type of the messages in it, what makes its vectors)
    "envelope": ("ack", envelopes.envelopes),
    "request": ("request", from_centre.requests),
    "grant": ("grant", from_centre.grants),
    "evidence": ("evidence", from_centre.evidences),
    "approval": ("approval", from_centre.approvals),
    "call": ("call", from_centre.calls),
    "ack": ("ack", from_centre.acks),
    "position-ack": ("position-ack", from_centre.position_acks),
    "case-end": ("case-end", from_centre.case_ends),
    "account": ("account", account_and_trust.accounts),
    "trust": ("trust", account_and_trust.containers),
    "challenge": ("challenge", from_vehicle.challenges),
    "refusal": ("refusal", from_vehicle.refusals),
    "result": ("result", from_vehicle.results),
    "event": ("event", from_vehicle.events),
    "position": ("position", from_vehicle.positions),
    "availability": ("availability", from_vehicle.availabilities),
}


def documents() -> Iterator[tuple[str, dict[str, object]]]:
    """Yield each file's name and content."""
    keys = {holder.name: holder.described() for holder in EVERYBODY}
    yield "keys.json", {"format": FORMAT, "environment": ENVIRONMENT, "keys": keys}
    yield "cars.json", {"format": FORMAT, "cars": dict(cars())}
    for name, (message, make) in KINDS.items():
        vectors = [described(case) for case in make()]
        yield f"{name}.json", {"format": FORMAT, "message": message, "vectors": vectors}


def as_text(document: dict[str, object]) -> str:
    """Return a document as it is committed: one vector a line, so that a change is one line."""
    (last, items), *_ = [(key, document[key]) for key in reversed(document)]
    lines = [
        f"  {json.dumps(key)}: {json.dumps(document[key])}," for key in document if key != last
    ]
    if isinstance(items, dict):
        rows = [f"    {json.dumps(key)}: {json.dumps(item)}" for key, item in items.items()]
        opening, closing = "{", "}"
    else:
        assert isinstance(items, list)
        rows = [f"    {json.dumps(item)}" for item in items]
        opening, closing = "[", "]"
    body = ",\n".join(rows)
    return "\n".join(["{", *lines, f'  "{last}": {opening}', body, f"  {closing}", "}", ""])


def main() -> None:
    """Write every file and say how many vectors it holds."""
    total = 0
    for name, document in documents():
        (FOLDER / name).write_text(as_text(document), encoding="utf-8")
        vectors = document.get("vectors")
        if isinstance(vectors, list):
            total += len(vectors)
            print(f"{name}: {len(vectors)} vectors")
    print(f"{total} vectors")


if __name__ == "__main__":
    main()

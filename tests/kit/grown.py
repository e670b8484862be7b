"""Ledgers with very many versions, made by the program's own publishing, many versions to a commit.

All versions share one stored content, so that what takes time is the history. Names take turns in time:
the newest versions of a ledger are of many names.
"""

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ledger import Ledger
from ledger.history import History, VersionDraft
from ledger.ids import VersionId, new_uuid
from ledger.records import Manifest, Name, decode_manifest, encode, format_time

PER_COMMIT = 50_000
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def grow(path: Path, versions: int, *, names: int, largest: int) -> Ledger:
    """A new ledger of so many versions under so many names, one of which has ``largest`` of them.

    Of every version ``k``, counted in time: the tags ``all`` and ``share-<k % 100>``, where ``k % 100_000`` is 7, also
    ``needle``; one in ten is a model; the metadata hold ``step`` (k), ``accuracy`` and a nested ``params.depth``.
    """
    ledger = Ledger.init(path)
    model = ledger.save({"shared": "content"}, "model-of-all")
    history = History.open(path)
    claim = history.snapshot().latest(Name("model-of-all"))
    assert claim is not None
    manifest = decode_manifest(history.snapshot().manifest(claim), where=model.name)
    drafts = _drafts(manifest, versions - 1, names - 1, largest)
    while batch := list(itertools.islice(drafts, PER_COMMIT)):
        history.publish(batch, author=ledger.author, now=START)
    return Ledger.open(path)


def _drafts(model: Manifest, versions: int, names: int, largest: int) -> Iterator[VersionDraft]:
    """The versions of one name after those of another, each name's spread over all of the time."""
    left, others = versions - largest, names - 1
    for number in range(names):
        count = largest if number == 0 else left // others + (number <= left % others)
        for index in range(count):
            k = (index * names + number) * versions // (count * names)
            yield _draft(model, Name(f"project/name-{number:05d}"), k)


def _draft(model: Manifest, name: Name, k: int) -> VersionDraft:
    created = START + dt.timedelta(milliseconds=k * 10)
    id = VersionId(new_uuid(int(created.timestamp() * 1000)))
    tags = ["all", f"share-{k % 100}", *(["needle"] if k % 100_000 == 7 else [])]
    metadata = {"accuracy": k % 997 / 1000, "params": {"depth": k % 7, "lr": 0.1}, "shape": [150, 5], "step": k}
    manifest = msgspec.structs.replace(
        model,
        id=id,
        name=name,
        created_at=format_time(created),
        tags=tuple(sorted(tags)),
        type="ModelArtifact" if k % 10 == 3 else "DataArtifact",
        metadata={**model.metadata, **metadata},
    )
    trailers = (f"Content: {manifest.content.digest}",)
    return VersionDraft(name=name, id=id, requested=None, manifest=encode(manifest), trailers=trailers)

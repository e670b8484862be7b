"""Tables on terminals of any width."""

import fcntl
import os
import pty
import struct
import sys
import termios
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger
from ledger.cli.program import run
from ledger.cli.tables import fit
from tests.kit.terminals import read_terminal

COLUMNS = {
    "NAME": "name",
    "VERSION": "version",
    "ID": "id",
    "TYPE": "type",
    "SIZE": "size",
    "TAGS": "tags",
    "CREATED": "created_at",
    "BY": "created_by",
}
ROW = {
    "name": "my_dataset",
    "version": "1",
    "id": "01a21839-9c60-78ef",
    "type": "DataArtifact",
    "size": "912.9 KiB",
    "tags": "classification, computer vision, digits",
    "created_at": "2026-11-26T14:19:18Z",
    "created_by": "Ada Lovelace <ada@example.com>",
}
WHOLE = ("name", "version", "id", "type", "size")

words = st.text("abc-", min_size=1, max_size=40)
rows = st.lists(st.builds(lambda name, tags: {**ROW, "name": name, "tags": tags}, words, words), max_size=4)


def shown(width: int) -> dict[str, tuple[str, int]]:
    """What one row shows at a width: the text of each column and how wide it is."""
    table = fit(COLUMNS, [ROW], width)
    return {key: (text, size) for key, text, size in zip(table.keys, table.rows[0], table.widths, strict=True)}


@given(rows, st.integers(1, 300))
def test_what_is_copied_is_whole(rows: list[dict[str, str]], width: int) -> None:
    """Names and versions are shown at any width, and there is room for all of them, and of an id where it is shown."""
    table = fit(COLUMNS, rows, width)
    assert {"name", "version"} <= set(table.keys)
    for cells, row in zip(table.rows, rows, strict=True):
        for key, text, size in zip(table.keys, cells, table.widths, strict=True):
            assert key not in WHOLE or (row[key] == text and len(text) <= size)


@given(rows, st.integers(80, 300))
def test_rows_fit(rows: list[dict[str, str]], width: int) -> None:
    """From 80 columns on a row is no wider than the terminal, as long as its name leaves room for version and id."""
    table = fit(COLUMNS, rows, width)
    assert table.width <= width


def test_a_wide_terminal_shows_everything() -> None:
    """Nothing is shortened where there is room for it."""
    assert ROW == {key: text for key, (text, _) in shown(180).items()}


def test_seconds_and_addresses_go_first() -> None:
    """Before anything is cut or left out, times lose their seconds and people their addresses."""
    found = shown(148)
    assert ("2026-11-26T14:19Z", "Ada Lovelace") == (found["created_at"][0], found["created_by"][0])
    assert len(ROW["tags"]) == found["tags"][1]


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (130, set()),
        (115, {"created_by"}),
        (100, {"created_by", "type"}),
        (80, {"created_by", "type"}),
        (66, {"created_by", "type", "tags"}),
        (50, {"created_by", "type", "tags", "created_at"}),
        (40, {"created_by", "type", "tags", "created_at", "size"}),
        (20, {"created_by", "type", "tags", "created_at", "size", "id"}),
    ],
)
def test_columns_go_in_order(width: int, left_out: set[str]) -> None:
    """What is of least use is left out first."""
    assert left_out == set(ROW) - set(shown(width))


def test_the_only_name_of_a_thing_stays() -> None:
    """What is known by its id alone keeps it, however narrow the terminal is."""
    row = {"id": ROW["id"], "status": "completed", "created_at": ROW["created_at"]}
    assert ("id", "status") == fit({"RUN": "id", "STATUS": "status", "STARTED": "created_at"}, [row], 10).keys


def test_a_terminal_may_say_that_it_is_endless() -> None:
    """What is not needed of a width takes no time: some set COLUMNS to a huge number, so that nothing is cut."""
    row = dict.fromkeys(COLUMNS.values(), "1")
    assert fit(COLUMNS, [row], 10**3) == fit(COLUMNS, [row], 10**12)


def test_room_is_used() -> None:
    """What is left of the width goes to the texts that were cut."""
    assert 80 == fit(COLUMNS, [ROW], 80).width


def on_terminal(width: int, *words: str, encoding: str = "utf-8", kind: str = "xterm") -> list[str]:
    """The lines that the program writes to a terminal of this width, encoding and kind."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def act() -> None:
        os.environ["TERM"] = kind
        os.dup2(theirs, 1)
        with open(1, "w", encoding=encoding) as sys.stdout:
            assert 0 == run(words)

    process = ForkProcess(target=act)
    process.start()
    os.close(theirs)
    printed = read_terminal(ours)
    process.join()
    assert 0 == process.exitcode
    return printed.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()


@pytest.fixture
def full(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger whose rows are long: tags, a person with an address, and a subject with several names."""
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Augusta Ada King, Countess of Lovelace")
    ledger = Ledger.init(workdir / ".ledger")
    ledger.save([1], "my_dataset", tags=["classification", "computer vision", "digits"])
    ledger.save([2], "training::model_finetuner_step::output", "baseline", tags=["trained"])
    with ledger.transaction(subject="run model_finetuning_pipeline: model_finetuner_step") as transaction:
        transaction.save([3], "my_dataset")
    return ledger


@pytest.mark.parametrize("width", [80, 100, 120])
def test_versions_can_be_read_and_copied(full: Ledger, width: int) -> None:
    """Every version is one line of the terminal, with its name, version and the first digits of its id."""
    versions = [version for artifact in full.artifacts() for version in artifact.versions]
    lines = on_terminal(width, "artifact", "version", "list")
    expected = {(version.name, version.version, str(version.id)[:18]) for version in versions}
    assert expected == {tuple(line.split()[:3]) for line in lines[1:]}
    assert len(versions) + 1 == len(lines)
    assert max(map(len, lines)) <= width


def test_a_dumb_terminal_is_as_wide_as_it_says(full: Ledger) -> None:
    """One that takes no commands, such as a shell in an editor, may be narrower than others."""
    lines = on_terminal(64, "artifact", "version", "list", kind="dumb")
    assert on_terminal(64, "artifact", "version", "list") == lines
    assert max(map(len, lines)) <= 64


@pytest.mark.parametrize("width", [80, 100, 120])
def test_what_the_encoding_lacks_takes_no_more_room(full: Ledger, width: int) -> None:
    """On a terminal whose encoding has neither a tag's letters nor an ellipsis, no line is too long."""
    full.tag("my_dataset", ["数字" * 5])
    lines = on_terminal(width, "artifact", "version", "list", encoding="ascii")
    assert len(full.search()) + 1 == len(lines)
    assert max(map(len, lines)) <= width


def test_subjects_of_commits_are_whole(full: Ledger) -> None:
    """A subject that is longer than its column goes on in the next line."""
    lines = on_terminal(80, "log", "--limit", "1")
    said = " ".join(line.split("Z  ")[-1].strip() for line in lines[1:])
    assert "run model_finetuning_pipeline: model_finetuner_step: save my_dataset@2" == said
    assert max(map(len, lines)) <= 80


def test_headers_are_shown_as_they_are(full: Ledger) -> None:
    """A key in brackets, as some call the parts of their data, heads its column and is no markup."""
    full.log_metadata({"loss[/test]": 0.5}, "my_dataset")
    header, *_ = on_terminal(200, "artifact", "version", "list", "my_dataset", "--show", "loss[/test]")
    assert header.endswith("loss[/test]")

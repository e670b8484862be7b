"""`ledger cache`: what is kept of distant stores."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.blobs import ObjectCache, cache_folder
from ledger.cli.cache import size
from ledger.core.mapping import mapped_folder
from ledger.lookup import read_config
from tests.cli.conftest import Cli


@pytest.fixture
def kept(cli: Cli) -> ObjectCache:
    """The cache of this user, with 300 kB in three pages, and a ledger."""
    cli("init")
    cache = ObjectCache(cache_folder(os.environ), 1 << 30)
    for number in range(3):
        cache.remember(f"packs/ab/{number}", bytes(100_000))
    return cache


def test_show_says_where_and_how_much(cli: Cli, kept: ObjectCache, workdir: Path) -> None:
    """The folder, what it holds and may hold, for people and as JSON."""
    mapped = {"path": str(mapped_folder(workdir / ".ledger")), "size": 0, "files": 0}
    expected = {"path": str(kept.folder), "limit": 20 << 30, "size": 300_000, "files": 3, "mapped": mapped}
    assert expected == json.loads(cli("cache", "show", "--json").out)
    shown = cli("cache", "show").out
    assert ["path", "limit", "size", "files", "mapped"] == [line.split()[0] for line in shown.splitlines()]
    assert (True, True) == ("20.0 GiB" in shown, "0 B in 0 files" in shown)


def test_show_of_nothing_makes_nothing(cli: Cli) -> None:
    """Looking at a cache that is not there does not make one."""
    cli("init")
    assert 0 == json.loads(cli("cache", "show", "--json").out)["files"]
    assert not cache_folder(os.environ).exists()


def test_clear_deletes_what_is_kept(cli: Cli, kept: ObjectCache) -> None:
    """Everything goes, and it is said how much that was."""
    nothing = {"size": 0, "files": 0}
    assert {"size": 300_000, "files": 3, "mapped": nothing} == json.loads(cli("cache", "clear", "--json").out)
    told = "deleted 0 B in 0 files\ndeleted 0 B in 0 mapped files\n"
    assert (0, told) == (kept.usage().files, cli("cache", "clear").out)


def test_mapped_files_are_kept_and_cleared_too(cli: Cli, workdir: Path) -> None:
    """What was put together to be mapped is shown, kept within the limit, and cleared."""
    np = pytest.importorskip("numpy")
    cli("init")
    opened = Ledger.open(workdir / ".ledger")
    for number in range(2):
        opened.save(np.full(1000, number), "a").load(mmap=True)
    assert (2, 2 * 8128) == opened.mapped.usage()
    assert "15.9 KiB in 2 files" in cli("cache", "show").out
    cli("cache", "limit", "9000")
    assert {"size": 8128, "files": 1} == json.loads(cli("cache", "clear", "--json").out)["mapped"]
    assert (0, 0) == opened.mapped.usage()


def test_limit_is_written_and_kept(cli: Cli, kept: ObjectCache, workdir: Path) -> None:
    """The setting is in config.toml, everything else there stays, and what is over the limit goes at once."""
    before = (workdir / ".ledger" / "config.toml").read_text()
    assert {"limit": 204_800} == json.loads(cli("cache", "limit", "200KiB", "--json").out)
    after = (workdir / ".ledger" / "config.toml").read_text()
    assert f"cache_limit = 204800\n{before}" == after
    assert (204_800, 1) == (read_config(workdir / ".ledger").cache_limit, kept.usage().files)
    assert "nothing is kept\n" == cli("cache", "limit", "0").out
    assert f"cache_limit = 0\n{before}" == (workdir / ".ledger" / "config.toml").read_text()
    assert 0 == kept.usage().files
    assert Ledger.open(workdir / ".ledger").save(1, "still-works").version == "1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("500000", 500_000),
        ("500MB", 500_000_000),
        (" 500mb ", 500_000_000),
        ("20GiB", 20 << 30),
        ("20G", 20 << 30),
        ("1.5 KiB", 1536),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    """A number of bytes, or one with a unit."""
    assert expected == size(text)


_OLDER_CLICK = """
import click, sys
vars(click.exceptions).pop("NoArgsIsHelpError", None)
click.ParamType = type("ParamType", (), {})
from ledger.cli import main
main(["cache", "limit", "many"])
"""


def test_older_releases_of_click_will_do(tmp_path: Path) -> None:
    """What click brought later is not needed: neither types that say what they give, nor errors for help."""
    done = subprocess.run(
        [sys.executable, "-c", _OLDER_CLICK], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 2 == done.returncode
    assert "Error: Invalid value for 'SIZE': 'many' is no size; write it like 20GiB\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "many", "-1", "20 GiB more", "1e9", "9" * 400, "9999999P", "5\N{KELVIN SIGN}"])
def test_what_is_no_size_is_refused(cli: Cli, kept: ObjectCache, text: str) -> None:
    """Anything else is a usage error, and nothing is changed."""
    cli("cache", "limit", "--", text, code=2)
    assert 3 == kept.usage().files


@pytest.mark.parametrize("text", ["0.5", "0.5B", "0.0001 KB"])
def test_less_than_a_byte_is_refused(cli: Cli, kept: ObjectCache, text: str) -> None:
    """A size without its unit, as 0.5 for 0.5GiB, does not become 0, which would switch the caches off."""
    told = cli("cache", "limit", text, code=2).err
    assert f"{text!r} is less than a byte; write it like 0.5GiB, or 0 to keep nothing\n" in told
    assert 3 == kept.usage().files

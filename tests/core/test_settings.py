"""The settings file: what a person wrote there stays."""

import os
import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger
from ledger.core.noted_stores import NOTED_STORES_FILE, note_store
from ledger.disk import LockFile
from ledger.errors import ConfigError, LockTimeoutError
from ledger.lookup import CONFIG_FILE, read_config, write_cache_limit, write_remote
from tests.kit.hubs import hub_tip, new_hub
from tests.kit.ledgers import store_of

LINES = ["# a note", "", 'store = "store"', "cache_limit = 5", "cache_limit=6  # mine", "lock_timeout = 1.5"]
SECTION = ["", "[remotes.origin]", 'url = "hub.git"']


@given(
    lines=st.lists(st.sampled_from(LINES), unique_by=lambda line: line.partition("=")[0].strip() or line),
    sections=st.sampled_from([[], SECTION]),
)
def test_one_setting_changes_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], sections: list[str]
) -> None:
    """Whatever else stands there, in whatever order, stays as it is, and the limit is the new one."""
    folder = tmp_path_factory.mktemp("ledger")
    text = "\n".join([*lines, *sections])
    (folder / CONFIG_FILE).write_text(text)
    before = tomllib.loads(text)
    write_cache_limit(folder, 7)
    changed = (folder / CONFIG_FILE).read_text()
    assert {**before, "cache_limit": 7} == tomllib.loads(changed)
    kept = [line for line in text.splitlines() if not line.startswith("cache_limit")]
    assert kept == [line for line in changed.splitlines() if not line.startswith("cache_limit")]


def test_what_is_remarked_behind_the_limit_stays(tmp_path: Path) -> None:
    """Only the number on its line is another one."""
    (tmp_path / CONFIG_FILE).write_text("cache_limit = 5_000  # the disk is small\n")
    write_cache_limit(tmp_path, 7)
    assert "cache_limit = 7  # the disk is small\n" == (tmp_path / CONFIG_FILE).read_text()


def test_of_many_changes_at_once_none_is_lost(tmp_path: Path) -> None:
    """Whoever changes the settings, or what is noted of stores, begins with what another one has just written."""

    def change(number: int) -> None:
        write_remote(tmp_path, f"r{number}", "hub.git")
        note_store(tmp_path, f"file:///{number}", str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    assert {f"r{number}" for number in range(8)} == read_config(tmp_path).remotes.keys()
    assert all(f'"file:///{number}"' in (tmp_path / NOTED_STORES_FILE).read_text() for number in range(8))


def test_a_change_leaves_it_to_a_writer_to_clear_what_a_dead_one_left(ledger: Ledger) -> None:
    """So a lock on the branch keeps nobody waiting, whoever came first; what was half written of settings goes."""
    (ledger.path / "lock").write_text("a process that died")
    (left := ledger.git_dir / "refs" / "heads" / "main.lock").touch()
    (half := ledger.path / "tmp_0123456789abcdef").write_text("half")
    write_cache_limit(ledger.path, 7)
    assert not half.exists()
    with ledger.workspace.history.exclusively():
        assert not left.exists()


def test_a_store_may_lie_at_any_path(tmp_path: Path) -> None:
    """Settings that name a store by letters that TOML wants escaped can be read again."""
    odd = tmp_path / 'a "store" \\ \x7f\x1b\n'
    made = Ledger.init(tmp_path / ".ledger", store=odd)
    assert f"file://{odd}" == made.store.url


def test_the_mark_of_an_encoding_is_passed_over(tmp_path: Path) -> None:
    """Some editors put one before the first line, where nobody sees it; the settings are read and changed as usual."""
    (tmp_path / CONFIG_FILE).write_bytes("\ufeffcache_limit = 5\nlock_timeout = 1.5\n".encode())
    assert 5 == read_config(tmp_path).cache_limit
    write_cache_limit(tmp_path, 7)
    assert "cache_limit = 7\nlock_timeout = 1.5\n" == (tmp_path / CONFIG_FILE).read_text()


def test_a_ledger_without_settings_gets_some(tmp_path: Path) -> None:
    """Where there is no file, one is made."""
    write_cache_limit(tmp_path, 7)
    assert 7 == read_config(tmp_path).cache_limit


@pytest.mark.parametrize(
    "text", ['cache_limit = "much"', "cache_limt = 5", "[", r'store = "a\u0000b"', r'remotes.origin.url = "\u0000"']
)
def test_a_damaged_file_is_not_edited(tmp_path: Path, text: str) -> None:
    """Settings that cannot be read are an error, and stay as they are."""
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(ConfigError):
        write_cache_limit(tmp_path, 7)
    assert text == (tmp_path / CONFIG_FILE).read_text()


@pytest.mark.parametrize(
    "text", ["  cache_limit = 5", '"cache_limit" = 5', 'remotes = {origin = {url = "hub.git"}, r = {url = "hub.git"}}']
)
def test_another_form_of_toml_is_left_to_who_wrote_it(tmp_path: Path, text: str) -> None:
    """What a change of ours would make unreadable is an error, and the settings stay as they are."""
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(ConfigError, match="edit that file"):
        write_remote(tmp_path, "new", "hub.git") if "remotes" in text else write_cache_limit(tmp_path, 7)
    assert text == (tmp_path / CONFIG_FILE).read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lock_timeout = -1", "lock_timeout is -1, expected a number of seconds from 0"),
        ('cache_limit = "5GiB"', "cache_limit is '5GiB', expected a whole number of bytes from 0"),
        ("store = 5", "store is 5, expected a path or URL in quotes"),
        ("remotes = 5", "remotes is 5, expected a section [remotes.NAME] for each remote"),
        ('remotes.hub = "hub.git"', "remotes.hub is 'hub.git', expected a section [remotes.hub]"),
        ("[remotes.hub]\nurl = 5", "remotes.hub.url is 5, expected a path or URL in quotes"),
        ('[remotes.hub]\nulr = "hub.git"', "unknown setting 'ulr' of remotes.hub"),
        ('[remotes.hub]\nstore = "store"', "remotes.hub has no url"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_it_is(tmp_path: Path, text: str, told: str) -> None:
    """Its place in the file, its value, and what is expected, in words of this program."""
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path)
    assert f"{tmp_path / CONFIG_FILE}: {told}" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[remotes.hub]\nulr = "hub.git"', "did you mean 'url'?"),
        ("cache_limits = 5", "did you mean 'cache_limit'?"),
        ("[remotes.hub]\nx = 5", "the settings are url, store"),
        (
            '[remotes.hub]\nurl = "hub.git"\ncache_limit = 5',
            "that is a setting of the ledger: move the line above the first section",
        ),
    ],
)
def test_a_setting_that_is_none_is_told_with_those_there_are(tmp_path: Path, text: str, hint: str) -> None:
    """The nearest one, if it may have been meant, else all of its place; one that stands in the wrong place says so."""
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path)
    assert hint == caught.value.hint


def test_a_remote_named_by_hand_is_found_from_anywhere(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path begins at the ledger directory, as that of a store does, wherever the process works."""
    hub = new_hub(tmp_path)
    url = os.path.relpath(hub, ledger.path)
    with (ledger.path / CONFIG_FILE).open("a") as settings:
        settings.write(f"[remotes.origin]\nurl = {url!r}\n")
    ledger.save(1, "x")
    (elsewhere := tmp_path / "somewhere" / "else" / "again").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    opened = Ledger.open(ledger.path)
    assert ("x@1",) == opened.sync().pushed
    assert hub_tip(hub) == opened.revision
    assert (hub / "ledger-store").is_dir()


@pytest.mark.parametrize("url", ["/srv/hub.git", "file:///srv/hub.git", "https://host/hub.git", "git@host:hub.git", ""])
def test_what_is_no_relative_path_is_read_as_it_stands(tmp_path: Path, url: str) -> None:
    """A URL, a place on another host and an absolute path begin nowhere else."""
    (tmp_path / CONFIG_FILE).write_text(f"[remotes.hub]\nurl = {url!r}\n")
    assert url == read_config(tmp_path).remotes["hub"].url


def test_a_relative_path_stays_one_in_the_file(tmp_path: Path) -> None:
    """Another setting is changed around it, and another remote written behind it."""
    (tmp_path / CONFIG_FILE).write_text('[remotes.hub]\nurl = "../hub.git"\n')
    write_cache_limit(tmp_path, 7)
    write_remote(tmp_path, "other", "https://host/hub.git")
    assert 'url = "../hub.git"' in (tmp_path / CONFIG_FILE).read_text()
    assert str(tmp_path.parent / "hub.git") == read_config(tmp_path).remotes["hub"].url


@pytest.mark.parametrize("store", ["nowhere://bucket", "s3://"])
def test_a_store_whose_url_is_none_is_named_by_its_setting(ledger: Ledger, store: str) -> None:
    """Saving, loading and checking say which line of which file to mend; what needs no store goes on."""
    version = ledger.save(1, "x")
    settings = (ledger.path / CONFIG_FILE).read_text()
    (ledger.path / CONFIG_FILE).write_text(re.sub("(?m)^store = .*", f'store = "{store}"', settings))
    opened = Ledger.open(ledger.path)
    assert [version.id] == [each.id for each in opened.versions("x")]
    for wanted in (lambda: opened.save(2, "x"), lambda: opened.load("x"), opened.verify):
        with pytest.raises(ConfigError) as caught:
            wanted()
        assert str(caught.value).startswith(f"{ledger.path / CONFIG_FILE}: store: ")
        assert caught.value.hint


def test_a_store_that_another_process_moved_is_followed(ledger: Ledger, tmp_path: Path) -> None:
    """Who opened the ledger before reads where the settings say now that the bytes are."""
    saved = ledger.save(b"x" * 100, "x")
    opened = Ledger.open(ledger.path)
    assert saved.load() == opened.load("x")
    settings = (ledger.path / CONFIG_FILE).read_text()
    moved = store_of(ledger).rename(tmp_path / "moved")
    (ledger.path / CONFIG_FILE).write_text(re.sub("(?m)^store = .*", f'store = "{moved}"', settings))
    assert b"x" * 100 == opened.load("x")


def test_settings_that_cannot_be_read_are_told_each_time(ledger: Ledger) -> None:
    """Whoever opened the ledger before does not go on with what stood there, which may be a store that is left."""
    ledger.save(1, "x")
    settings = (ledger.path / CONFIG_FILE).read_text()
    (ledger.path / CONFIG_FILE).write_text('stoer = "moved"')
    for wanted in (lambda: ledger.load("x"), lambda: ledger.load("x"), lambda: ledger.save(2, "x")):
        with pytest.raises(ConfigError):
            wanted()
    (ledger.path / CONFIG_FILE).write_text(settings)
    assert 1 == ledger.load("x")


def test_a_save_waits_as_long_as_the_settings_say(ledger: Ledger) -> None:
    """For a lock that another one holds."""
    (ledger.path / CONFIG_FILE).write_text("lock_timeout = 0.05\n")
    with LockFile(ledger.path / "lock").hold(timeout=1), pytest.raises(LockTimeoutError):
        Ledger.open(ledger.path).save(1, "x")

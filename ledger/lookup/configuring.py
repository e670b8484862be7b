"""Changes of the local settings, under the ledger's lock; what a person wrote around them stays as it is."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ledger.disk import TEMPORARY_PREFIX, LockFile, locks_end_here, names_in, remove_if_there, write_file
from ledger.errors import ConfigError, RemoteExistsError, RemoteNotFoundError
from ledger.history import LOCK
from ledger.lookup.config import CONFIG_FILE, Config, RemoteConfig, read_config, settings_of, settings_text
from ledger.wording import without_secrets


def write_config(ledger_dir: Path, config: Config) -> None:
    """Write the settings of a new ledger; ``cache_limit`` is left out, so that it keeps its default."""
    lines = [
        "# Local settings of this ledger; never shared.",
        "# Where bytes are: a folder relative to this file, or an absolute path or URL.",
        f"store = {_quoted(config.store)}",
        "# Which store that is; another one, or an empty one in its place, is refused.",
        f"store_id = {_quoted(config.store_id)}",
        "# Seconds to wait for another writer.",
        f"lock_timeout = {config.lock_timeout}",
        "# full: what was saved survives a power cut; relaxed: faster, and survives the end of a program only.",
        f"durability = {_quoted(config.durability)}",
        "",
        *(_remote_section(name, remote) for name, remote in config.remotes.items()),
    ]
    write_file(ledger_dir / CONFIG_FILE, ["\n".join(lines).encode()])


@contextmanager
def changing_settings(ledger_dir: Path) -> Iterator[None]:
    """A block, under the ledger's lock, in which nobody else changes what is local to a ledger.

    Raises `ConfigError` for settings that cannot be read: these are not edited either.
    """
    with LockFile(ledger_dir / LOCK).hold(timeout=read_config(ledger_dir).lock_timeout) as lock:
        try:
            for name in names_in(ledger_dir):
                if name.startswith(TEMPORARY_PREFIX):
                    remove_if_there(ledger_dir / name)  # a command that was killed here left it
            yield
        finally:
            if lock.holder_died:
                lock.tell_half_done()  # what the dead holder left is for a writer to clear
                lock.let_go()


@locks_end_here()
def write_cache_limit(ledger_dir: Path, limit: int) -> None:
    """Write how many bytes may be kept in caches; everything else in the settings stays as it is."""
    with changing_settings(ledger_dir):
        changed = _with_cache_limit(_text(ledger_dir), limit)
        _put(ledger_dir, changed, msgspec.structs.replace(read_config(ledger_dir), cache_limit=limit))


def _with_cache_limit(text: str, limit: int) -> str:
    """The settings with this limit, in place of the old one or in a new first line."""
    line = f"cache_limit = {limit}"
    changed, count = re.subn(r"^cache_limit\s*=\s*[\w+-]+", line, text, count=1, flags=re.MULTILINE)
    return changed if count else f"{line}\n{text}"


@locks_end_here()
def append_remote(ledger_dir: Path, name: str, remote: RemoteConfig) -> None:
    """Write a remote at the end of the settings; raises `RemoteExistsError` for a name that is taken."""
    with changing_settings(ledger_dir):
        before = read_config(ledger_dir)
        if name in before.remotes:
            raise RemoteExistsError(
                f"remote {name!r} exists already in {ledger_dir / CONFIG_FILE}",
                hint=f"edit that file to change it; `ledger remote remove {name}` takes it out",
                name=name,
            )
        text = f"{_text(ledger_dir).rstrip()}\n\n{_remote_section(name, remote)}"
        _put(ledger_dir, text.lstrip(), msgspec.structs.replace(before, remotes={**before.remotes, name: remote}))


@locks_end_here()
def remove_remote(ledger_dir: Path, name: str) -> None:
    """Take a remote out of the settings, whose other lines stay; raises `RemoteNotFoundError`."""
    with changing_settings(ledger_dir):
        before = read_config(ledger_dir)
        if name not in before.remotes:
            plain = without_secrets(name)
            raise RemoteNotFoundError(f"no remote {plain!r} in {ledger_dir / CONFIG_FILE}", name=plain)
        others = {other: remote for other, remote in before.remotes.items() if other != name}
        changed = _without_remote(_text(ledger_dir), name)
        _put(ledger_dir, changed, msgspec.structs.replace(before, remotes=others))


def _put(ledger_dir: Path, text: str, wanted: Config) -> None:
    """Write the edited settings if they read as ``wanted``, which an edit can miss where a person wrote other TOML."""
    path = ledger_dir / CONFIG_FILE
    if not _says(ledger_dir, text, wanted):
        raise ConfigError(f"cannot tell which lines of {path} to change", hint="edit that file", path=str(path))
    write_file(path, [text.encode()])


def _without_remote(text: str, name: str) -> str:
    # Finds the form that `_remote_section` writes. Whoever wrote another form of TOML is asked to edit it (`_put`).
    header = rf"""\[\s*remotes\s*\.\s*(["']?){re.escape(name)}\1\s*\]"""
    return re.sub(rf"^{header}.*\n?(?:(?!\s*[\[#]).+\n?)*\n?", "", text, count=1, flags=re.MULTILINE)


def _says(ledger_dir: Path, text: str, config: Config) -> bool:
    """Whether a text is TOML that gives these settings."""
    try:
        return settings_of(ledger_dir, tomllib.loads(text)) == config
    except (ValueError, msgspec.ValidationError):
        return False


def _text(ledger_dir: Path) -> str:
    """What stands in the settings; empty where there is no file."""
    try:
        return settings_text(ledger_dir / CONFIG_FILE)
    except FileNotFoundError:
        return ""


def _remote_section(name: str, remote: RemoteConfig) -> str:
    lines = [f"[remotes.{name}]", f"url = {_quoted(remote.url)}"]
    return "\n".join([*lines, *([f"store = {_quoted(remote.store)}"] if remote.store else []), ""])


def _quoted(text: str) -> str:
    """A text as a TOML string: as JSON writes it, but with DEL escaped, as TOML wants it."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")

"""The local settings of a ledger: ``config.toml``.

Never shared and never read from a clone: a ledger that comes from elsewhere must not
choose where bytes are read from.
"""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec

from ledger.disk import SMALL, read_file, status_of
from ledger.enums import Durability
from ledger.errors import ArgumentError, ConfigError
from ledger.lookup.named_places import absolute_remote, absolute_store
from ledger.wording import shown

CONFIG_FILE = "config.toml"
DEFAULT_STORE = "store"

_EXPECTED = {
    "store": "a path or URL in quotes",
    "store_id": "a text in quotes",
    "lock_timeout": "a number of seconds from 0",
    "durability": "'full' or 'relaxed'",
    "cache_limit": "a whole number of bytes from 0",
    "remotes": "a section [remotes.NAME] for each remote",
    "url": "a path or URL in quotes",
}
"""What each setting takes, in the words of a message."""

_Place = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


class RemoteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remote: the URL that Git is given, and where the bytes of its versions are (empty: found by the URL)."""

    url: _Place
    store: _Place = ""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings: where bytes go, the id of that store, the lock's timeout in seconds, durability, and remotes by name.

    ``cache_limit`` is how many bytes of distant stores may be kept on this machine, and how many of files that
    were put together to be mapped; 0 keeps nothing.
    """

    store: _Place = DEFAULT_STORE
    store_id: str = ""
    lock_timeout: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    durability: Durability = Durability.FULL
    cache_limit: Annotated[int, msgspec.Meta(ge=0)] = 20 << 30
    remotes: dict[str, RemoteConfig] = {}


def read_config(ledger_dir: Path) -> Config:
    """The settings of a ledger; the defaults where there is no file. Raises `ConfigError`."""
    path = ledger_dir / CONFIG_FILE
    try:
        values = tomllib.loads(settings_text(path))
    except FileNotFoundError:
        return Config()
    except (ValueError, RecursionError) as error:
        raise _error(path, f"not TOML: {error}") from error
    try:
        return settings_of(ledger_dir, values)
    except msgspec.ValidationError as error:
        raise _unusable(path, values) from error


def settings_text(path: Path) -> str:
    """What stands in a file of settings, without the mark of its encoding that some editors put first."""
    # The codec that leaves it out by itself is a module, which would be read here.
    return read_file(path, most=SMALL).decode().removeprefix("\ufeff")


def settings_of(ledger_dir: Path, values: dict[str, object]) -> Config:
    """The settings that the values of a file mean; raises msgspec's ``ValidationError`` where they cannot be used."""
    config = msgspec.convert(values, Config, strict=True)
    remotes = {
        name: msgspec.structs.replace(remote, url=absolute_remote(ledger_dir, remote.url))
        for name, remote in config.remotes.items()
    }
    return msgspec.structs.replace(config, remotes=remotes)


def settings_state(ledger_dir: Path) -> tuple[int, ...]:
    """What changes whenever the settings do; empty where there is no file."""
    status = status_of(ledger_dir / CONFIG_FILE)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status is not None else ()


def store_url(ledger_dir: Path, config: Config) -> str:
    """The URL or absolute path of a ledger's own store."""
    return absolute_store(ledger_dir, config.store)


def store_setting(name: str, remote: RemoteConfig) -> str:
    """The setting that says where the store of a remote is."""
    return f"remotes.{name}.store" if remote.store else f"remotes.{name}"


@contextmanager
def setting_named(ledger_dir: Path, setting: str) -> Iterator[None]:
    """A block that opens the store of a setting: an error about its URL becomes one that names file and setting."""
    try:
        yield
    except ArgumentError as error:
        raise _error(ledger_dir / CONFIG_FILE, f"{setting}: {error}", hint=error.hint) from error


def _unusable(path: Path, values: dict[str, object]) -> ConfigError:
    """The error that names the first setting that is unknown, missing or of another kind than it should be."""
    places: list[tuple[str, object, type[msgspec.Struct]]] = [("", values, Config)]
    remotes = values.get("remotes")
    if isinstance(remotes, dict):
        places += [(f"remotes.{name}", remote, RemoteConfig) for name, remote in remotes.items()]
    for place, settings, form in places:
        if not isinstance(settings, dict):
            return _error(path, f"{place} is {shown(settings)}, expected a section [{place}]")
        for key, value in settings.items():
            if key not in form.__struct_fields__:
                return _unknown(path, key, place, form.__struct_fields__)
            if not _fits(value, form, key):
                name = f"{place}.{key}" if place else key
                return _error(path, f"{name} is {shown(value)}, expected {_EXPECTED[key]}")
        if form is RemoteConfig and "url" not in settings:
            return _error(path, f"{place} has no url", hint=f"write url = '...' below [{place}]")
    return _error(path, "these settings cannot be used")


def _fits(value: object, form: type[msgspec.Struct], key: str) -> bool:
    """Whether a setting takes this value; for ``remotes``, only that it is a table: each remote is checked apart."""
    if key == "remotes":
        return isinstance(value, dict)
    kind = next(field.type for field in msgspec.structs.fields(form) if field.name == key)
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        return False
    return True


def _unknown(path: Path, key: str, place: str, known: tuple[str, ...]) -> ConfigError:
    import difflib

    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(known)}"
    if place and key in Config.__struct_fields__:
        hint = "that is a setting of the ledger: move the line above the first section"
    return _error(path, f"unknown setting {key!r}{f' of {place}' if place else ''}", hint=hint)


def _error(path: Path, what: str, hint: str = "") -> ConfigError:
    return ConfigError(f"{path}: {what}", hint=hint, path=str(path))

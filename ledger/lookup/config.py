"""The local settings of a ledger: ``config.toml``.

Never shared and never read from a clone: a ledger that comes from elsewhere must not
choose where bytes are read from.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from ledger.disk import absolute, given_path, read_file
from ledger.enums import Durability
from ledger.errors import ConfigError

CONFIG_FILE = "config.toml"
DEFAULT_STORE = "store"

_Place = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


class RemoteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remote: the URL that Git is given, and where the bytes of its versions are (empty: found by the URL)."""

    url: _Place
    store: _Place = ""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings: where bytes go, which store that must be, the lock's timeout (seconds), durability, remotes by name.

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
        text = read_file(path).decode()
        values = tomllib.loads(text)
    except FileNotFoundError:
        return Config()
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}", path=str(path)) from error
    for key in values:
        if key not in Config.__struct_fields__:
            import difflib

            near = difflib.get_close_matches(key, Config.__struct_fields__, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(Config.__struct_fields__)}"
            raise ConfigError(f"{path}: unknown setting {key!r}", hint=hint, path=str(path))
    if values.get("durability", Durability.FULL) not in list(Durability):
        raise ConfigError(
            f"{path}: durability is {values['durability']!r}, expected {' or '.join(map(repr, map(str, Durability)))}",
            path=str(path),
        )
    try:
        return msgspec.convert(values, Config, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}", path=str(path)) from error


def store_url(ledger_dir: Path, config: Config) -> str:
    """The URL or absolute path of a ledger's own store."""
    return absolute_store(ledger_dir, config.store)


def given_store(store: str) -> str:
    """A store as a user names it: a URL, of whose slashes pathlib leaves one, or a path, made absolute."""
    if "://" in store or not store.strip():
        return store
    url = re.match(r"([a-z][a-z0-9+.-]+):/(.*)", store, re.DOTALL)
    if url is not None:
        return f"{url[1]}://{'/' if url[1] == 'file' else ''}{url[2]}"
    return str(absolute(given_path(store, "a store")))


def absolute_store(ledger_dir: Path, store: str) -> str:
    """A store as settings name it, by URL or path; a relative path begins at the ledger directory."""
    return store if "://" in store or Path(store).is_absolute() else str(ledger_dir / store)

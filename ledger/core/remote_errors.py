"""Errors that say why bytes may be with a remote although no store that was asked has them, one for each reason."""

import shlex
from pathlib import Path

from ledger.errors import StoreUnavailableError
from ledger.lookup import CONFIG_FILE, RemoteConfig
from ledger.wording import without_secrets


def place_unknown(ledger_dir: Path, name: str, remote: RemoteConfig) -> StoreUnavailableError:
    """Nobody has said where the store of a remote is."""
    return StoreUnavailableError(
        f"not all bytes are here, and nobody has said where those are that {name} "
        f"({without_secrets(remote.url)}) has published",
        hint=f'add `store = "URL"` below [remotes.{name}] in {ledger_dir / CONFIG_FILE}',
        remote=name,
    )


def place_found_since(name: str, remote: RemoteConfig) -> StoreUnavailableError:
    """The path of a remote could not be read when its store was looked for, or led to another one."""
    return StoreUnavailableError(
        f"the store of {name} ({without_secrets(remote.url)}) could not be looked for at first",
        hint="it can be now: try again",
        remote=name,
    )


def place_empty(ledger_dir: Path, name: str, remote: RemoteConfig) -> StoreUnavailableError:
    """The path of a remote leads to nothing, such as a mount point with no disk."""
    where = without_secrets(remote.url)
    return StoreUnavailableError(
        f"not all bytes are here, and nothing is at {where}, where {name} should be",
        hint=f"mount the right disk, or correct the URL of {name} in {ledger_dir / CONFIG_FILE}; "
        f"if it is gone for good, run `ledger remote remove {name}`",
        remote=name,
    )


def place_of_others(name: str, remote: RemoteConfig, other: RemoteConfig, store: str) -> StoreUnavailableError:
    """A remote is a ledger that reads bytes from the store of another remote, which is not read here."""
    option = f" --store {shlex.quote(without_secrets(other.store))}" if other.store else ""
    return StoreUnavailableError(
        f"not all bytes are here, and {name} ({without_secrets(remote.url)}) reads some of its own from "
        f"{without_secrets(store)}",
        hint=f"run `ledger remote add NAME {shlex.quote(without_secrets(other.url))}{option}` to read from there, too",
        remote=name,
    )

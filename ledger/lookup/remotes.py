"""Where a remote is: its history, and the store beside it.

A remote is a URL for Git and a store for bytes. Where the user gave a path, the store is looked for there: the store of
a ledger, or a folder inside a bare repository. A URL does not say where the store is, so the settings must
(specs/sharing.md, 1).
"""

from pathlib import Path

from ledger.disk import is_file, is_folder, names_in, storage_errors
from ledger.errors import ConfigError, StorageError
from ledger.history import REPOSITORY, Remote, check_remote, path_in, refuse_secrets, remote_url, repository_at
from ledger.lookup.config import CONFIG_FILE, Config, RemoteConfig, read_config, store_url
from ledger.lookup.configuring import append_remote
from ledger.lookup.discovery import LEDGER_DIRECTORY
from ledger.lookup.named_places import absolute_store, folder_of, given_remote, given_store, is_url

BARE_STORE = "ledger-store"
"""The folder of a bare repository that holds the bytes of the versions pushed to it."""

_FILE = "file://"


def settings_for(url: str, store: str | None) -> RemoteConfig:
    """The settings of a remote that a user names by a URL or a path; a path is made absolute.

    Raises `ArgumentError` for a URL with a password or a query.
    """
    refuse_secrets(url)
    return place_named(url, store)


def place_named(url: str, store: str | None = None) -> RemoteConfig:
    """As `settings_for`, for a URL that is not written into settings, and so may have a password or a query."""
    return RemoteConfig(url=given_remote(url), store=given_store(store or ""))


def write_remote(ledger_dir: Path, name: str, url: str, *, store: str | None = None) -> None:
    """Write a remote into a ledger's settings.

    Raises `RemoteExistsError` for a name that is taken, and `ArgumentError` for a name or URL that is invalid.
    """
    settings = settings_for(url, store)
    check_remote(name, settings.url)
    append_remote(ledger_dir, name, settings)


def remote_for_git(name: str, settings: RemoteConfig) -> Remote:
    """The remote as Git is given it: for a ledger directory, the history inside."""
    directory = _ledger_at(settings.url)
    return check_remote(name, str(directory / REPOSITORY) if directory is not None else settings.url)


def history_at(settings: RemoteConfig) -> Path | None:
    """The repository of a remote that is a path: a ledger's history, or a bare repository; else ``None``."""
    directory, path = _ledger_at(settings.url), _local_path(settings.url)
    if directory is not None:
        return directory / REPOSITORY
    return path if path is not None and is_file(path / "HEAD") and is_folder(path / "objects") else None


def is_history_of(settings: RemoteConfig, git_dir: Path) -> bool:
    """Whether a remote that is a path leads to this very repository, however it is written."""
    found = history_at(settings)
    with storage_errors(settings.url, "look at"):
        return found is not None and is_folder(git_dir) and found.samefile(git_dir)


def find_remote(config: Config, git_dir: Path, name: str = "origin") -> RemoteConfig | None:
    """The settings of a remote: the ledger's, else Git's own for the history; ``None`` where neither knows it."""
    if name in config.remotes:
        return config.remotes[name]
    url = remote_url(git_dir, name)
    return RemoteConfig(url=url) if url is not None else None


def store_of_remote(ledger_dir: Path, settings: RemoteConfig) -> str:
    """The URL or path of a remote's store; empty where neither the settings nor the path say."""
    if settings.store:
        return absolute_store(ledger_dir, settings.store)
    if (local := _local_path(settings.url)) is None:
        return ""
    if (url := _own_store_at(settings)) is not None:
        return "" if _is_distant(url) else url
    return str((repository_at(local) or local) / BARE_STORE)


def unfollowed_store(settings: RemoteConfig) -> str:
    """The distant store that a ledger at a remote's path has for its own, which `store_of_remote` does not follow."""
    url = "" if settings.store else _own_store_at(settings) or ""
    return url if _is_distant(url) else ""


def likely_store_of_remote(ledger_dir: Path, settings: RemoteConfig) -> str:
    """As `store_of_remote`, but if the remote's path cannot be read, the place of a bare repository's store.

    A dead mount, a closed folder or bad settings of a ledger there must not get in the way of what is stored here: only
    a look into that store raises the error.
    """
    try:
        return store_of_remote(ledger_dir, settings)
    except (ConfigError, StorageError):
        local = _local_path(settings.url)
        return str(local / BARE_STORE) if local is not None else ""


def remotes_of(settings: RemoteConfig) -> tuple[tuple[RemoteConfig, str], ...]:
    """The remotes of a remote that is a ledger itself, each with its store, as that ledger's settings say."""
    directory = _ledger_at(settings.url)
    if directory is None:
        return ()
    others = read_config(directory).remotes.values()
    return tuple((other, likely_store_of_remote(directory, other)) for other in others)


def is_absent(settings: RemoteConfig) -> bool:
    """Whether a remote is a path with nothing there but maybe an empty folder, such as an unused mount point."""
    path = _local_path(settings.url)
    return path is not None and not names_in(path) and repository_at(path) is None


def _own_store_at(settings: RemoteConfig) -> str | None:
    """The own store of a ledger at a remote's path, as its settings say; ``None`` where no ledger is."""
    directory = _ledger_at(settings.url)
    return store_url(directory, read_config(directory)) if directory is not None else None


def _is_distant(store: str) -> bool:
    """Whether a store is no folder: somebody else's settings may point anywhere, and only a folder is followed."""
    return folder_of(store) is None


def _local_path(url: str) -> Path | None:
    """The path that a remote's URL means on this machine, ``None`` if it means another place."""
    is_elsewhere = is_url(url, seen_from=Path()) and not url.startswith(_FILE)
    path = "" if is_elsewhere else path_in(url)
    return Path(path) if path else None


def _ledger_at(url: str) -> Path | None:
    """The ledger directory that a path means: itself, its history, or the folder around it."""
    path = _local_path(url)
    if path is None:
        return None
    candidates = (path, path.parent if path.name.endswith(".git") else path, path / LEDGER_DIRECTORY)
    return next((each for each in candidates if is_file(each / CONFIG_FILE) and is_folder(each / REPOSITORY)), None)

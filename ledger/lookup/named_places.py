"""Stores and remotes by the paths and URLs that users and settings name them by.

Decides what a text means, and makes paths absolute: those of users begin at the working directory, those of settings at
the ledger directory. The file system is asked only about a text with a colon that may be a path or a place elsewhere.
"""

import os
import re
from pathlib import Path

from ledger.disk import absolute, given_path
from ledger.errors import ArgumentError

_FOLDER = re.compile(r"(file|local)://(localhost)?")
_NO_TEXT = re.compile("[\ud800-\udfff]")
_RENAMED = "rename the folder, or use the path of a link to it"


def given_store(store: str) -> str:
    """A store as a user names it: a path, made absolute, or a URL, which may have lost a slash in a ``Path``.

    Raises `ArgumentError` for a path that is not UTF-8, whose bytes Python has as lone surrogates: the settings cannot
    hold it.
    """
    named = _named(store)
    if _NO_TEXT.search(named):
        raise ArgumentError(f"a store cannot be {named!r}: settings are UTF-8, and its path is not", hint=_RENAMED)
    return named


def given_remote(url: str) -> str:
    """A remote as a user names it: a path, made absolute, or a URL."""
    if not url or is_url(url, seen_from=Path()):
        return url
    return _tidied(str(absolute(given_path(url, "a remote"))))


def absolute_store(ledger_dir: Path, store: str) -> str:
    """A store as settings name it, by URL or path; a relative path begins at the ledger directory."""
    return store if "://" in store or Path(store).is_absolute() else str(ledger_dir / store)


def folder_of(store: str) -> str | None:
    """The path of a store in a folder of this machine, named by path or URL; ``None`` for one that is elsewhere."""
    url = _FOLDER.match(store)
    if url is None and "://" in store:
        return None
    return store[url.end() :] if url is not None else store


def absolute_remote(ledger_dir: Path, url: str) -> str:
    """A remote as settings name it, by URL or path; a relative path begins at the ledger directory."""
    if not url or os.path.isabs(url) or is_url(url, seen_from=ledger_dir):
        return url
    return _tidied(str(ledger_dir / url))


def is_url(text: str, *, seen_from: Path) -> bool:
    """Whether Git would take a text for a place on another host, or for a URL, and not for a path."""
    head = text.split("/", maxsplit=1)[0]
    return "://" in text or (":" in head and not os.path.exists(seen_from / text))


def _named(store: str) -> str:
    """A path, made absolute, or a URL with the slash that a ``Path`` took from it."""
    if "://" in store or not store.strip():
        return store
    url = re.match(r"([a-z][a-z0-9+.-]+):/(.*)", store, re.DOTALL)
    if url is not None:
        return f"{url[1]}://{'/' if url[1] == 'file' else ''}{url[2]}"
    return str(absolute(given_path(store, "a store")))


def _tidied(path: str) -> str:
    """A path without ``..``, unless that leads elsewhere, as behind a symbolic link."""
    tidy = os.path.normpath(path)
    return tidy if os.path.realpath(tidy) == os.path.realpath(path) else path

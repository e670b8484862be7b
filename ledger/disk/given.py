"""Paths as users and their surroundings give them.

They are checked here before the operating system is asked, because Python's own error for a bad path says neither
which argument is wrong nor what to do instead.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ledger.errors import ArgumentError, ArgumentTypeError, StorageError
from ledger.system_errors import storage_error
from ledger.wording import shown, shown_with_type, without_secrets

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def given_path(path: object, what: str) -> Path:
    """The path that a user means, ``~`` at its beginning being the home directory.

    Raises as `given_text`, and `ArgumentError` for an empty text, which would be taken for the working directory, and
    for a URL, which would be taken for a path from there.
    """
    text = given_text(path, what)
    if not text:
        raise ArgumentError(
            f"{what} cannot be '': no file has such a name", hint="give a path; '.' is the working directory"
        )
    if _URL.match(text):
        raise ArgumentError(
            f"{what} is on this machine, got the URL {without_secrets(text)!r}",
            hint="give a path; what is at a URL is brought here first, a ledger by `ledger clone URL`",
        )
    return Path(os.path.expanduser(text))


def given_text(path: object, what: str) -> str:
    """A path or URL as text; ``what`` names it in errors.

    Raises `ArgumentTypeError` for anything but a str or a path object of one, and `ArgumentError` for a text
    that no file system takes.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise ArgumentTypeError(f"{what} is a str or a Path, got {shown_with_type(path)}")
    if "\0" in text or not _has_bytes(text):
        raise ArgumentError(f"{what} cannot be {shown(text)}: no file has such a name", path=text)
    return text


def absolute(path: Path) -> Path:
    """The path made absolute from the working directory; raises `StorageError` where that has been removed."""
    return path if path.is_absolute() else working_directory() / path


def working_directory() -> Path:
    """The working directory of this process; raises `StorageError` where it has been removed."""
    try:
        return Path.cwd()
    except OSError as cause:
        error = storage_error(cause, "the working directory", "find")
        error.hint = "change to a folder that is there, or give absolute paths, also in LEDGER_DIR"
        raise error from cause


def users_folder(environment: Mapping[str, str], variable: str, otherwise: str) -> Path:
    """The user's folder that an XDG variable names, else ``otherwise`` in the home directory.

    A relative path is passed over, as XDG asks: it would be another folder wherever the user works. A user without a
    home, such as the bare number that a container runs as, gets a folder among the temporary files.
    """
    named = environment.get(variable, "")
    if os.path.isabs(named):
        return Path(named)
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        home = os.path.join(temporary_folder(), f"ledger-{os.geteuid()}")
    return Path(home, otherwise)


def temporary_folder() -> str:
    """Where temporary files go; raises `StorageError` where no place takes one, as on a machine whose disk is full."""
    import tempfile

    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise StorageError(
            f"cannot write a temporary file: {error.strerror}",
            hint="free some space there, or name a folder on another disk in TMPDIR",
        ) from error


def _has_bytes(text: str) -> bool:
    """Whether the system has bytes for a text: it has none for half of a surrogate pair."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True

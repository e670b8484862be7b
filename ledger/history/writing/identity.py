"""Who is writing: the user's Git identity, as Git itself would find it.

Read from the files Git reads, without running Git. A name is a claim, not a proof. A project may be anybody's, its
configuration with it: only regular files are read for that, no large one, and no pattern in it is tried.
"""

import io
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.disk import SMALL, read_file

if TYPE_CHECKING:
    from dulwich.config import ConditionMatcher

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>]+")

_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

_NEVER: Mapping[str, Callable[[str], bool]] = {"": lambda _: False}
"""Judges every condition in a project's file as not met: to try its pattern may take for ever, and a project needs no
condition on where it lies."""

# What a malformed configuration file makes dulwich raise.
_MALFORMED = (ValueError, KeyError, UnicodeDecodeError, IndexError)


def git_identity(start: Path, environment: Mapping[str, str]) -> str | None:
    """``Name <address>`` of the user who works in a folder, or ``None`` where Git has no identity.

    The environment's author wins over the project's configuration, and that over the user's.
    """
    name = cleaned(environment.get("GIT_AUTHOR_NAME", ""))
    address = cleaned(environment.get("GIT_AUTHOR_EMAIL", ""))
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    git_dir = _git_dir(start)
    project = _project_configurations(git_dir)
    for path in (*project, *_own_configurations(home, environment)):
        if name and address:
            break
        configuration = _read(path, _NEVER if path in project else _conditions(path, home, git_dir))
        name = name or cleaned(configuration.get("name", ""))
        address = address or cleaned(configuration.get("email", ""))
    if not name or not address:
        return None
    return f"{name} <{address}>"


def host_identity(user: str, host: str) -> str:
    """``user@host`` as name and as address, for a user for whom Git has no identity."""
    address = cleaned(f"{user}@{host}")
    return f"{address} <{address}>"


def cleaned(part: str) -> str:
    """A name or an address in valid Unicode, without the characters that would end it in a commit of Git's."""
    # Bytes of another encoding come from the system as surrogates, which no record can hold.
    return _UNSAFE.sub("", part.encode(errors="surrogateescape").decode(errors="replace")).strip()


def _git_dir(start: Path) -> Path | None:
    """The Git directory of the work tree around a folder; a linked one, or a submodule, has a file that leads there."""
    for folder in (start, *start.parents):
        # A folder that cannot be looked into names nobody, like a file that cannot be read.
        found = folder / ".git"
        if os.path.isdir(found):
            return found
        if os.path.isfile(found):
            mark, _, place = _first_line(found).partition("gitdir: ")
            return folder / place if place and not mark else None
    return None


def _project_configurations(git_dir: Path | None) -> list[Path]:
    """The project's configuration files that may name the user."""
    if git_dir is None:
        return []
    # Linked work trees share a configuration, which lies where this file says.
    common = git_dir / "commondir"
    return [git_dir / (_first_line(common) if os.path.isfile(common) else "") / "config"]


def _own_configurations(home: Path, environment: Mapping[str, str]) -> list[Path]:
    """The user's configuration files and the machine's, nearest first."""
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
    chosen = environment.get("GIT_CONFIG_GLOBAL")
    own = [Path(chosen)] if chosen is not None else [home / ".gitconfig", user]
    return [*own, Path("/etc/gitconfig")]


def _first_line(path: Path) -> str:
    try:
        return read_file(path, most=SMALL).decode(errors="surrogateescape").partition("\n")[0]
    except OSError:
        return ""


def _read(path: Path, conditions: Mapping[str, "ConditionMatcher"]) -> dict[str, str]:
    """The name and email that a file of Git's says, and the files that it includes under these conditions."""
    from dulwich.config import ConfigFile

    try:
        configuration = ConfigFile.from_path(str(path), file_opener=_opened, condition_matchers=conditions)
        section = dict(configuration.items((b"user",)))
    except (OSError, *_MALFORMED):
        # Not there, not ours to read, or not for us to judge: the next file may know.
        return {}
    return {key: section[key.encode()].decode(errors="replace") for key in ("name", "email") if key.encode() in section}


def _opened(path: str | os.PathLike[str]) -> io.BytesIO:
    """A file of Git's settings, read; raises ``OSError`` for what is no such file."""
    return io.BytesIO(read_file(path, most=SMALL))


def _conditions(path: Path, home: Path, git_dir: Path | None) -> dict[str, "ConditionMatcher"]:
    """How the conditions of ``includeIf`` in one of the user's files are judged for a repository."""

    def judge(flags: re.RegexFlag, pattern: str) -> bool:
        expression = re.compile(_expression(pattern, home=home, beside=path.parent), flags)
        places = (str(git_dir), os.path.realpath(git_dir)) if git_dir is not None else ()
        return any(map(expression.fullmatch, places))

    return {"gitdir:": partial(judge, re.NOFLAG), "gitdir/i:": partial(judge, re.IGNORECASE)}


def _expression(pattern: str, *, home: Path, beside: Path) -> str:
    """The regular expression for a pattern of folders, as gitconfig(5) tells of ``includeIf "gitdir:…"``."""
    if pattern.startswith("~/"):
        pattern = f"{home}{pattern[1:]}"
    elif pattern.startswith("./"):
        pattern = f"{os.path.realpath(beside)}{pattern[1:]}"
    elif not pattern.startswith("/"):
        pattern = f"**/{pattern}"
    pattern += "**" if pattern.endswith("/") else ""
    return "".join(_WILD.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))

"""Who is writing: the user's Git identity, as Git itself would find it.

Read from the files Git reads, without running Git. A name is a claim, not a proof.
"""

import os
from collections.abc import Mapping
from pathlib import Path

# What a malformed configuration file makes dulwich raise.
_MALFORMED = (ValueError, KeyError, UnicodeDecodeError, IndexError)


def git_identity(start: Path, environment: Mapping[str, str]) -> str | None:
    """``Name <address>`` of the user who works in a folder, or ``None`` where Git has no identity.

    The environment's author wins over the project's configuration, and that over the user's.
    """
    name = environment.get("GIT_AUTHOR_NAME")
    address = environment.get("GIT_AUTHOR_EMAIL")
    for path in _configurations(start, environment):
        if name and address:
            break
        configuration = _read(path)
        name = name or configuration.get("name")
        address = address or configuration.get("email")
    if not name or not address:
        return None
    # Bytes of another encoding reach an environment as surrogates, which no record can hold.
    return f"{name} <{address}>".encode(errors="surrogateescape").decode(errors="replace")


def _configurations(start: Path, environment: Mapping[str, str]) -> list[Path]:
    """The configuration files that may name the user, nearest first."""
    # A folder that cannot be looked into names nobody, like a file that cannot be read.
    project = next(
        (folder / ".git" / "config" for folder in (start, *start.parents) if os.path.isdir(folder / ".git")), None
    )
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
    chosen = environment.get("GIT_CONFIG_GLOBAL")
    own = [Path(chosen)] if chosen is not None else [home / ".gitconfig", user]
    return [path for path in (project, *own, Path("/etc/gitconfig")) if path is not None]


def _read(path: Path) -> dict[str, str]:
    from dulwich.config import ConfigFile

    try:
        configuration = ConfigFile.from_path(str(path))
        section = dict(configuration.items((b"user",)))
    except (OSError, *_MALFORMED):
        # Not there, not ours to read, or not for us to judge: the next file may know.
        return {}
    return {key: section[key.encode()].decode(errors="replace") for key in ("name", "email") if key.encode() in section}

"""The configuration that the repository of a history has: written, read, and judged.

A ledger may come from anybody, its history's configuration with it, and Git does what that says: run programs, read
other files, keep objects or refs elsewhere. So only what is known to be harmless may stand there.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ledger.disk import SMALL, mode_of, read_file, write_file
from ledger.errors import ConfigError

# No automatic gc: Git's own prunes by age, ours never deletes what is reachable.
_CONFIG = """\
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	logAllRefUpdates = always
[gc]
	auto = 0
	pruneExpire = never
[maintenance]
	auto = false
[receive]
	autogc = false
	denyNonFastForwards = true
	denyDeletes = true
[transfer]
	fsckObjects = true
"""

HONEST_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "advice.graftFileDeprecated=false",  # Git advises against a graft file at length, ours too
)
HONEST_VARIABLES = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull}
"""With both, no hook, derived file, replacement or graft that a history brings along has a say in what Git does."""

REQUIRED_SETTINGS = {"core.repositoryformatversion": ("0", "1"), "core.bare": ("true",)}
"""What the configuration of every history says; the rest is for Git's housekeeping and for whoever pushes here.

Repositories with extensions have format 1; `other_kind` knows which extensions a history may have.
"""

# Compiled by `re` when they are first used: most programs read no configuration of Git's.
_SECTION = r'[ \t]*\[([A-Za-z0-9.-]+)(?: "((?:[^"\\\0]|\\.)*)")?\][ \t\r]*(?:[#;].*)?'
_SETTING = r'[ \t\r]*([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=[ \t]*((?:[^"\\\0]|"(?:[^"\\]|\\.)*"|\\[\\"ntb])*))?'
_WORDS = r"(?i)true|false|yes|no|on|off|always|never|now|[0-9]+"
_OWN_KEYS = (
    "core.repositoryformatversion",
    "core.filemode",
    "core.bare",
    "core.logallrefupdates",
    "gc.auto",
    "gc.pruneexpire",
    "maintenance.auto",
    "receive.autogc",
    "receive.denynonfastforwards",
    "receive.denydeletes",
    "transfer.fsckobjects",
)
"""The keys of `_CONFIG`."""

OTHER_KIND = "which makes it another kind of repository than a history is"
# They are about worktrees beside the history, and about housekeeping that removes nothing.
_KNOWN_EXTENSIONS = "noop|preciousobjects|relativeworktrees"
_OTHER_KIND = rf"extensions\.(?!({_KNOWN_EXTENSIONS})$).+|remote\..+\.(promisor|partialclonefilter)"
_HARMLESS = "|".join(
    (
        *map(re.escape, _OWN_KEYS),
        r"core\.(compression|fsync|ignorecase|loosecompression|precomposeunicode|sharedrepository|symlinks)",
        r"gc\.(autodetach|autopacklimit|packrefs|reflogexpire|reflogexpireunreachable|writecommitgraph)",
        r"pack\.(compression|depth|threads|window|windowmemory)",
        r"(fetch|receive)\.fsckobjects|(receive|transfer)\.unpacklimit|receive\.denycurrentbranch",
        r"maintenance\.strategy|log\.excludedecoration",
        r"user\.(name|email)",
        # Plain names only: the settings of a remote that is named like a URL would count whenever that URL is used.
        r"remote\.[A-Za-z0-9_-]+\.(fetch|followremotehead|mirror|prune|prunetags|pushurl|tagopt|url)",
        r"branch\..+\.(description|merge|rebase|remote)",
        rf"extensions\.({_KNOWN_EXTENSIONS})",
    )
)
"""What we write into a configuration, what Git's own commands do, and what makes a push durable (specs/sharing.md, 2).

None of it names a program or another file.
"""


def write_settings(git_dir: Path) -> None:
    """Write the configuration that every history begins with."""
    write_file(git_dir / "config", [_CONFIG.encode()])


def check_settings(git_dir: Path) -> None:
    """Refuse a repository that could have Git run a program; raises `ConfigError` with file and setting."""
    path = git_dir / "config"
    if mode_of(git_dir / "commondir"):
        raise ConfigError(
            f"{git_dir} takes its configuration from elsewhere, through {git_dir / 'commondir'}",
            hint="a history stands on its own: remove that file",
            path=str(git_dir / "commondir"),
        )
    try:
        found = read_settings(read_file(path, most=SMALL))
    except FileNotFoundError:
        return  # Git takes its defaults
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", path=str(path)) from error
    if (key := other_kind(found)) is not None:
        raise ConfigError(
            f"{path} sets {key!r}, {OTHER_KIND}",
            hint="run `ledger repair --from` another clone: it brings what is missing and writes that file anew",
            path=str(path),
            key=key,
        )
    for key in found:
        if not re.fullmatch(_HARMLESS, key):
            raise ConfigError(
                f"{path} sets {key!r}, and what is set there could have Git run a program",
                hint="remove it; what Git needs for a remote belongs into your own configuration: git config --global",
                path=str(path),
                key=key,
            )


def read_settings(data: bytes) -> dict[str, str]:
    """The settings of a repository's configuration, by section and key; ``ValueError`` for what Git would not take."""
    found: dict[str, str] = {}
    section = ""
    for number, line in enumerate(data.decode().removesuffix("\n").split("\n"), 1):
        heading, setting = re.fullmatch(_SECTION, line), re.fullmatch(_SETTING, line)
        if heading is not None:
            section = ".".join(filter(None, (heading[1].lower(), heading[2])))
        elif setting is not None and section:
            found[f"{section}.{setting[1].lower()}"] = (setting[2] or "").strip()
        elif line.strip(" \t\r") and line.lstrip(" \t\r")[0] not in "#;":
            raise ValueError(f"line {number} is {line[:60]!r}, which is no setting")
    for key in _OWN_KEYS:
        if not re.fullmatch(_WORDS, found.get(key, "true")):
            raise ValueError(f"{key} is {found[key][:60]!r}, which is no word that Git takes")
    return found


def other_kind(found: Mapping[str, str]) -> str | None:
    """A setting by which objects or refs are kept otherwise than in a history, or elsewhere; ``None`` without one."""
    return next((key for key in found if re.fullmatch(_OTHER_KIND, key)), None)

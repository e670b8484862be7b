"""The bare Git repository that a history is: made, found and judged safe to open.

Written by hand, so that nothing of the environment (``GIT_DIR``, templates, a user's
configuration) decides what a history is; plain Git reads it like any other.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from ledger.disk import is_folder, make_directory, mode_of, read_file, storage_errors, write_file
from ledger.errors import ConfigError, FormatError, IntegrityError, LedgerExistsError, UnsupportedFormatError
from ledger.history.refs import BRANCH, refuse_other_refs
from ledger.records import FORMAT
from ledger.wording import shown

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

UNSYNCED = "unsynced"
"""The file beside a history which says that there are saves that nobody has made durable."""

SHALLOW = "shallow"
"""The file whose presence tells Git that a history is cut off, whether it is or not."""

OTHER_KIND = "which makes it another kind of repository than a history is"
# These concern worktrees beside the history, and a housekeeping that removes nothing.
_KNOWN_EXTENSIONS = "noop|preciousobjects|relativeworktrees"
_OTHER_KIND = rf"extensions\.(?!({_KNOWN_EXTENSIONS})$).+|remote\..+\.(promisor|partialclonefilter)"
_HARMLESS = "|".join(
    (
        *map(re.escape, _OWN_KEYS),
        r"core\.(compression|ignorecase|loosecompression|precomposeunicode|sharedrepository|symlinks)",
        r"gc\.(autodetach|autopacklimit|packrefs|reflogexpire|reflogexpireunreachable|writecommitgraph)",
        r"pack\.(compression|depth|threads|window|windowmemory)",
        r"(fetch|receive)\.fsckobjects|(receive|transfer)\.unpacklimit|receive\.denycurrentbranch",
        r"maintenance\.strategy|log\.excludedecoration",
        r"user\.(name|email)",
        # A remote that is named like a URL would have its say whenever that URL is asked.
        r"remote\.[A-Za-z0-9_-]+\.(fetch|followremotehead|mirror|prune|prunetags|pushurl|tagopt|url)",
        r"branch\..+\.(description|merge|rebase|remote)",
        rf"extensions\.({_KNOWN_EXTENSIONS})",
    )
)
"""What we write into a configuration and what Git's own commands do: none of it names a program or another file."""


def create_repository(git_dir: Path) -> None:
    """Make an empty bare repository; raises `LedgerExistsError` if something is there."""
    if mode_of(git_dir):
        raise LedgerExistsError(
            f"{git_dir} exists already", hint="open the ledger instead of making it", path=str(git_dir)
        )
    for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
        make_directory(git_dir / folder)
    write_settings(git_dir)
    write_file(git_dir / "description", [b"history of a ledger\n"])
    # HEAD last: without it this is no repository.
    write_head(git_dir)


def write_settings(git_dir: Path) -> None:
    """Write the configuration that every history begins with."""
    write_file(git_dir / "config", [_CONFIG.encode()])


def write_head(git_dir: Path) -> None:
    """Write the one ``HEAD`` that a history has."""
    write_file(git_dir / "HEAD", [f"ref: {BRANCH}\n".encode()])


def check_repository(git_dir: Path) -> None:
    """Refuse a directory that is no repository, one that reads objects from elsewhere, or keeps its refs otherwise.

    Nothing here reads ``HEAD``: one that is lost hides no version, and a repair writes it anew.
    """
    if not is_folder(git_dir / "refs") or not is_folder(git_dir / "objects"):
        raise IntegrityError(f"{git_dir} is not a Git repository: it has no refs or no objects", where=str(git_dir))
    refuse_other_refs(git_dir)
    alternates = git_dir / "objects" / "info" / "alternates"
    if mode_of(alternates):
        raise FormatError(
            f"{git_dir} borrows objects through {alternates}",
            hint="run `git repack -a -d` there and remove the file, so that the ledger stands on its own",
            where=str(git_dir),
        )


def check_settings(git_dir: Path) -> None:
    """Refuse a repository that could have Git run a program; raises `ConfigError` with file and setting.

    A ledger may come from anybody, its history's configuration with it, and Git does what that says.
    """
    path = git_dir / "config"
    if mode_of(git_dir / "commondir"):
        raise ConfigError(
            f"{git_dir} takes its configuration from elsewhere, through {git_dir / 'commondir'}",
            hint="a history stands on its own: remove that file",
            path=str(git_dir / "commondir"),
        )
    try:
        found = read_settings(read_file(path))
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


def check_depth(git_dir: Path) -> None:
    """Refuse a repository that is cut off for Git: what it says of a commit's descent would be wrong."""
    if mode_of(git_dir / SHALLOW):
        raise IntegrityError(
            f"the history {git_dir} is cut off for Git, as `git fetch --depth` leaves it: {git_dir / SHALLOW} is there",
            hint="run `ledger git fetch --unshallow URL main` with a whole clone's URL, or `ledger repair --from` it",
            where=str(git_dir / SHALLOW),
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


def find_repository(ledger_dir: Path) -> Path:
    """The history of a ledger: the one directory in it whose name ends in ``.git``."""
    with storage_errors(ledger_dir, "read"):
        found = sorted(entry for entry in ledger_dir.iterdir() if entry.name.endswith(".git") and entry.is_dir())
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found) or "none"
        raise IntegrityError(
            f"{ledger_dir} should hold one history (*.git), found {names}",
            hint="move all but the ledger's own away"
            if found
            else "put history.git back from a backup, or move the folder away and clone the ledger anew",
            where=str(ledger_dir),
        )
    return found[0]


def check_format(found: object, features: object, where: str) -> None:
    """Refuse a ledger of a format or with features that this program does not know."""
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise FormatError(f"{where}: format is {found!r}, expected a positive integer", where=where)
    if not isinstance(features, list):
        raise FormatError(f"{where}: features are {features!r}, expected a list", where=where)
    if found > FORMAT or features:
        wanted = f"format {found}" if found > FORMAT else f"the features {shown(', '.join(map(str, features)))}"
        raise UnsupportedFormatError(
            f"{where}: the ledger needs {wanted}, this program reads format {FORMAT} without features",
            hint=f"upgrade ledger to a release that reads {wanted}",
            found=found,
            supported=FORMAT,
            where=where,
        )

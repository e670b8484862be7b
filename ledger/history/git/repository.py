"""The bare Git repository that a history is: made, found and judged safe to open.

Written by hand, so that nothing of the environment (``GIT_DIR``, templates, a user's
configuration) decides what a history is; plain Git reads it like any other. What its own configuration may say,
`settings` knows.
"""

import itertools
import os
import re
from pathlib import Path

from ledger.disk import is_folder, links_below, make_directory, mode_of, names_in, storage_errors, write_file
from ledger.errors import FormatError, IntegrityError, LedgerExistsError, UnsupportedFormatError
from ledger.history.git.refs import BRANCH, refuse_other_refs
from ledger.history.git.settings import write_settings
from ledger.records import FORMAT
from ledger.wording import shown

REPOSITORY = "history.git"
"""The name of the repository of a new history, in the directory of its ledger."""

LOCK = "lock"
"""The file beside it whose lock a writer holds."""

UNSYNCED = "unsynced"
"""The file beside a history which says that there are saves that nobody has made durable."""

PACKS = "objects/pack"
"""The folder of a repository in which its packs lie."""

SHALLOW = "shallow"
"""The file whose presence tells Git that a history is cut off, whether it is or not."""

GRAFTS = "info/grafts"
"""The file by which Git gives commits other parents than they have."""

HEAD = f"ref: {BRANCH}\n".encode()
"""What the file of that name holds in every history."""

_WAYS_OUT = {
    "objects": "run `ledger repair --from SOURCE`, which fetches what it held from another clone",
    "refs": "run `ledger verify`, which tells what it held that is gone",
}
"""The folders without which a directory is no repository, and what brings back the content of one that was lost."""

_UNWRITTEN = ("hooks", "ledger-fold")
"""What nobody writes to through a link: no hook is written at all, and of a fold under way the link goes."""

_OBJECTS = r"objects(/pack|/[0-9a-f]{2})?"  # compiled by `re` when they are first used
_OF_OBJECTS = r"(pack|tmp_|multi-pack-index).*|info|[0-9a-f]{2}|[0-9a-f]{38}"


def create_repository(git_dir: Path) -> None:
    """Make an empty bare repository; raises `LedgerExistsError` if something is there."""
    if mode_of(git_dir):
        raise LedgerExistsError(
            f"{git_dir} exists already", hint="open the ledger instead of making it", path=str(git_dir)
        )
    for folder in (PACKS, "objects/info", "refs/heads", "refs/tags"):
        make_directory(git_dir / folder)
    write_settings(git_dir)
    write_file(git_dir / "description", [b"history of a ledger\n"])
    # HEAD last: without it this is no repository.
    write_head(git_dir)


def write_head(git_dir: Path) -> None:
    """Write the one ``HEAD`` that a history has."""
    write_file(git_dir / "HEAD", [HEAD])


def check_repository(git_dir: Path) -> None:
    """Refuse a directory that is no repository, one that reads objects from elsewhere, and one whose refs are no files.

    Nothing here reads ``HEAD``: one that is lost hides no version, and a repair writes it anew.
    """
    for name, way_out in _WAYS_OUT.items():
        if not is_folder(git_dir / name):
            raise IntegrityError(
                f"{git_dir} is not a Git repository: it has no folder {name}",
                hint=f"put it back from a backup, or by mounting its disk; or make it anew, empty, and {way_out}",
                where=str(git_dir / name),
            )
    refuse_other_refs(git_dir)
    alternates = git_dir / "objects" / "info" / "alternates"
    if mode_of(alternates):
        raise FormatError(
            f"{git_dir} borrows objects through {alternates}",
            hint="run `git repack -a -d` there and remove the file, so that the ledger stands on its own",
            where=str(git_dir),
        )
    _refuse_links(git_dir)


def check_depth(git_dir: Path) -> None:
    """Refuse a repository that is cut off for Git: what it says of a commit's descent would be wrong."""
    if mode_of(git_dir / SHALLOW):
        raise IntegrityError(
            f"the history {git_dir} is cut off for Git, as `git fetch --depth` leaves it: {git_dir / SHALLOW} is there",
            hint="run `ledger git fetch --unshallow URL main` with a whole clone's URL, or `ledger repair --from` it",
            where=str(git_dir / SHALLOW),
        )


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


def _refuse_links(git_dir: Path) -> None:
    """Refuse a history out of which a link leads to files that it, or Git, would write to: they are the user's own.

    A ledger may come from anybody. Objects may lie behind a link, in a folder of nothing else.
    """
    others = links_below(git_dir, lambda folder: folder not in (*_UNWRITTEN, "objects"))
    objects = (f"objects/{name}" for name in links_below(git_dir / "objects", lambda _: False))
    link = next((path for path in itertools.chain(others, objects) if _leads_astray(git_dir, path)), None)
    if link is not None:
        raise FormatError(
            f"{git_dir / link} is a link out of the history, which would write to what is there",
            hint="look where it leads: remove the link, or move what the history needs from there into its place",
            where=str(git_dir / link),
        )


def _leads_astray(git_dir: Path, link: str) -> bool:
    """Whether a link leads out of a history, to something that is there and is no folder of objects."""
    place = git_dir / link
    if link in _UNWRITTEN or not os.path.exists(place):
        return False
    names = names_in(place) if re.fullmatch(_OBJECTS, link) else []
    is_of_objects = bool(names) and all(re.fullmatch(_OF_OBJECTS, name) for name in names)
    return not (is_of_objects or Path(os.path.realpath(place)).is_relative_to(os.path.realpath(git_dir)))

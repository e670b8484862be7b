"""The bare Git repository that a history is: made, found and judged safe to open.

Written by hand, so that nothing of the environment (``GIT_DIR``, templates, a user's
configuration) decides what a history is; plain Git reads it like any other. What its own configuration may say,
`git_settings` knows.
"""

from pathlib import Path

from ledger.disk import is_folder, make_directory, mode_of, storage_errors, write_file
from ledger.errors import FormatError, IntegrityError, LedgerExistsError, UnsupportedFormatError
from ledger.history.git_settings import write_settings
from ledger.history.refs import BRANCH, refuse_other_refs
from ledger.records import FORMAT
from ledger.wording import shown

REPOSITORY = "history.git"
"""How the repository of a new history is called, in the directory of its ledger."""

LOCK = "lock"
"""The file beside it whose lock a writer holds."""

UNSYNCED = "unsynced"
"""The file beside a history which says that there are saves that nobody has made durable."""

SHALLOW = "shallow"
"""The file whose presence tells Git that a history is cut off, whether it is or not."""

HEAD = f"ref: {BRANCH}\n".encode()
"""What the file of that name holds in every history."""

_WAYS_OUT = {
    "objects": "run `ledger repair --from SOURCE`, which fetches what it held from another clone",
    "refs": "run `ledger verify`, which tells what it held that is gone",
}
"""The folders without which a directory is no repository, and what brings back the content of one that was lost."""


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


def write_head(git_dir: Path) -> None:
    """Write the one ``HEAD`` that a history has."""
    write_file(git_dir / "HEAD", [HEAD])


def check_repository(git_dir: Path) -> None:
    """Refuse a directory that is no repository, one that reads objects from elsewhere, or keeps its refs otherwise.

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

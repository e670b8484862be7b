"""The tree of errors is a promise: what a caller catches, matches and sends through a pickle."""

import errno
import inspect
import pickle
import traceback
from pathlib import Path

import pytest

from ledger import errors
from ledger.errors import ArgumentError, DiskFullError, IntegrityError, LedgerError, ReadOnlyError, StorageError
from ledger.system_errors import raise_if_inconclusive, storage_error

ROOT = Path(__file__).parents[1]
CLASSES = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, LedgerError)]
TREE = (Path(__file__).parent / "golden" / "errors.txt").read_text().splitlines()


def line_of(kind: type[LedgerError]) -> str:
    """``class kind exit-code builtins-and-parents``, as the golden file holds it."""
    parents = [base.__name__ for base in kind.__mro__[1:] if base not in (object, BaseException, Exception)]
    return " ".join([kind.__name__, kind.kind, str(kind.exit_code), *parents])


def test_the_tree_is_the_one_that_was_promised() -> None:
    """Names, codes, exit codes and bases stay; new classes are added to the golden file, none is changed or removed."""
    assert sorted(set(TREE)) == sorted({line_of(kind) for kind in CLASSES})


def test_every_kind_belongs_to_one_class() -> None:
    """A tool that matches ``kind`` knows the class."""
    kinds = [kind.kind for kind in set(CLASSES)]
    assert sorted(set(kinds)) == sorted(kinds)


def test_the_error_page_lists_every_class() -> None:
    """specs/errors.md has a row for each class with its kind, exit code and first sentence."""
    page = (ROOT / "specs" / "errors.md").read_text(encoding="utf-8")
    rows = {f"| `{kind.__name__}` | `{kind.kind}` | {kind.exit_code} |" for kind in CLASSES}
    assert set() == {row for row in rows if row not in page}
    sentences = {str(kind.__doc__).splitlines()[0].replace("``", "`") for kind in CLASSES}
    assert set() == {sentence for sentence in sentences if sentence not in page}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[LedgerError]) -> None:
    """Class, message, hint and facts arrive whole, whatever slots the builtin base has."""
    facts = {"name": "iris", "path": "/x", "errno": 28, "filename": "/y", "found": 3}
    error = kind("artifact 'iris' has no version 3", hint="see the list", **facts)
    copy = pickle.loads(pickle.dumps(error))
    assert (kind, str(error), "see the list", facts) == (type(copy), str(copy), copy.hint, copy.facts)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_prints_its_plain_message(kind: type[LedgerError]) -> None:
    """No repr, no errno prefix: also where the builtin base is KeyError, OSError or ImportError."""
    assert "artifact 'iris': 1 is not 2" == str(kind("artifact 'iris': 1 is not 2"))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_facts_are_attributes(kind: type[LedgerError]) -> None:
    """What was given by keyword can be asked for by name, and without any there is none."""
    error = kind("it failed", name="iris", filename="/x")
    assert ("iris", "/x") == (error.facts["name"], getattr(error, "filename", None))
    assert {} == kind("it failed").facts


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_says_what_to_do_next(kind: type[LedgerError]) -> None:
    """An error that is raised without a hint of its own has the usual one of its class, and keeps it in a pickle."""
    error = kind("it failed")
    assert kind.usual_hint == error.hint == pickle.loads(pickle.dumps(error)).hint
    assert error.hint.strip()


def test_a_traceback_shows_the_hint() -> None:
    """Below the message and once, also if another takes its place or the error comes from another process."""
    error = LedgerError("no iris", hint="see the list")
    error.add_note("while all was well")
    error.hint = "save it first"
    for each in (error, pickle.loads(pickle.dumps(error))):
        expected = ["ledger.errors.LedgerError: no iris", "Hint: save it first", "while all was well"]
        assert expected == "".join(traceback.format_exception_only(each)).splitlines()


@pytest.mark.parametrize(
    ("number", "doing", "expected"),
    [
        (errno.ENOSPC, "write", DiskFullError),
        (errno.EDQUOT, "write", DiskFullError),
        (errno.EFBIG, "write", DiskFullError),
        (errno.EROFS, "write", ReadOnlyError),
        (errno.EACCES, "write", ReadOnlyError),
        (errno.EPERM, "lock", ReadOnlyError),
        (errno.EACCES, "read", StorageError),
        (errno.EACCES, "list", StorageError),
        (errno.EIO, "read", StorageError),
        (errno.EMFILE, "write", StorageError),
    ],
)
def test_system_errors_get_the_class_that_a_caller_acts_on(
    number: int, doing: str, expected: type[StorageError]
) -> None:
    """Full, not allowed, or failing otherwise; the message names what was done to which path, and why not."""
    cause = OSError(number, errno.errorcode[number])
    found = storage_error(cause, Path("/disk/file"), doing)
    assert expected is type(found)
    assert f"cannot {doing} /disk/file: {errno.errorcode[number]}" == str(found)
    assert (number, "/disk/file") == (found.errno, found.filename)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "check the permissions of the path"),
        (errno.EBUSY, "a disk is mounted there: choose a folder below it"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
        (errno.EEXIST, "something is in the way there: name another path"),
        (errno.EISDIR, "that is a folder: name a file"),
        (errno.ENOTDIR, "a part of that path is a file: name a path below folders"),
        (errno.EIO, "check that the disk or the service is reachable and sound, then try again"),
    ],
)
def test_the_hint_fits_what_the_system_says(number: int, advice: str) -> None:
    """Where the path is at fault nobody is sent to look at the disk."""
    assert advice == storage_error(OSError(number, errno.errorcode[number]), "/x", "read").hint


def test_a_system_error_of_ours_is_still_an_oserror() -> None:
    """Code that catches OSError and looks at errno goes on working."""
    with pytest.raises(OSError, match="cannot write") as caught:
        raise storage_error(OSError(errno.ENOSPC, "No space left on device"), "/x", "write")
    assert errno.ENOSPC == caught.value.errno


def test_an_integrity_error_is_not_a_storage_error() -> None:
    """Damage is not a failing disk: a caller that retries the one must not retry the other."""
    assert not issubclass(IntegrityError, StorageError)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("two\nlines", r"two\nlines"),
        ("\x1b[31m red \u202e", r"\x1b[31m red \u202e"),
        ("plain é 数", "plain é 数"),
    ],
)
def test_a_message_is_one_printable_line(given: str, told: str) -> None:
    """What was given may hold line ends and controls; a message shows them escaped, and its facts as they are."""
    error = LedgerError(f"no {given}", hint=f"not {given}", name=given)
    assert (f"no {told}", f"not {told}", given) == (str(error), error.hint, error.facts["name"])
    assert (str(error), error.hint) == (str(pickle.loads(pickle.dumps(error))), pickle.loads(pickle.dumps(error)).hint)
    error.hint = f"or {given}"
    assert (f"or {told}", [f"Hint: or {told}"]) == (error.hint, error.__notes__)


def test_a_shortage_while_an_open_file_is_read_names_what_was_read() -> None:
    """The system names no path then; who reads does."""
    with pytest.raises(StorageError, match="cannot read /x/pack: Cannot allocate memory"):
        raise_if_inconclusive(OSError(errno.ENOMEM, "Cannot allocate memory"), path="/x/pack")


def test_a_shortage_that_is_told_keeps_its_cause() -> None:
    """An error that has a name already comes out as it is, and not as its own cause, which nobody could follow."""
    shortage = OSError(errno.EMFILE, "Too many open files")
    told = storage_error(shortage, "/x", "read")
    told.__cause__ = shortage
    with pytest.raises(StorageError) as caught:
        raise_if_inconclusive(told)
    assert (told, shortage) == (caught.value, caught.value.__cause__)


def test_what_was_given_does_not_swell_an_error() -> None:
    """Of a message or a hint that no two paths fill, the beginning and the end are told; its facts are whole."""
    given = "/p" * 50_000
    error = ArgumentError(f"cannot open {given}: it is no ledger", hint=f"look at {given}", path=given)
    for told, end in ((str(error), ": it is no ledger"), (error.hint, "/p")):
        assert len(told) < 2_000
        assert told.endswith(end)
        assert " ... " in told
    assert given == error.facts["path"]
    assert str(error) == str(pickle.loads(pickle.dumps(error)))
    fits = "/p" * 2_048
    assert f"{fits} is not {fits}" == str(ArgumentError(f"{fits} is not {fits}"))

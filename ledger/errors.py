"""Every error of the public contract, as one tree.

Owns the classes a caller may catch, their stable ``kind`` codes and the exit
codes of the command line (`specs/errors.md` lists all of them). A class exists
because a caller would do something different on catching it; each derives from
the builtin that such a caller would name as well. The message is one line,
lower case, and names the object and both values; what to do next is the
separate ``hint``, which a traceback shows below it; the facts are attributes.
"""

from typing import ClassVar, Self

from ledger.wording import bounded, one_line


class LedgerError(Exception):
    """Any failure of a ledger; ``kind`` is its stable code, ``hint`` says what to do next.

    An error that is raised without a hint has the usual one of its class.
    """

    kind: ClassVar[str] = "ledger"
    exit_code: ClassVar[int] = 1
    usual_hint: ClassVar[str] = "specs/errors.md says what each kind of error means"

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(bounded(one_line(message)))
        self.__setstate__({"hint": hint or self.usual_hint, **facts})

    @property
    def hint(self) -> str:
        """What to do next. It is the first of the exception's notes, which tracebacks show below the message."""
        return str(self.__dict__["hint"])

    @hint.setter
    def hint(self, hint: str) -> None:
        hint, before = bounded(one_line(hint)), _note(self.__dict__.get("hint"))
        others = [note for note in self.__dict__.get("__notes__", ()) if note != before]
        self.__dict__ |= {"hint": hint, "__notes__": [_note(hint), *others]}

    def add_facts(self, **facts: object) -> None:
        """Add named values behind the message, or put others in their place."""
        self.__setstate__(facts)

    def __setstate__(self, facts: dict[str, object] | None) -> None:
        # In __dict__, so that exceptions are pickled with them; and set as attributes, since OSError and ImportError
        # have slots for errno, filename and name.
        for name, value in (facts or {}).items():
            self.__dict__[name] = value
            setattr(self, name, value)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...], dict[str, object]]:
        # The default of AttributeError would add slots of its own as if they were facts.
        return type(self), self.args, self.__dict__

    def __str__(self) -> str:
        # The default of KeyError would be the repr of its argument.
        return str(self.args[0]) if self.args else ""

    @property
    def facts(self) -> dict[str, object]:
        """The named values behind the message, without the hint."""
        return {name: value for name, value in self.__dict__.items() if name not in ("hint", "__notes__")}


def _note(hint: object) -> str:
    return f"Hint: {hint}"


# -- bad input ---------------------------------------------------------------


class InvalidNameError(LedgerError, ValueError):
    """A name that breaks the grammar of names."""

    kind = "invalid-name"
    exit_code = 2
    usual_hint = "names are 1 to 200 ASCII letters, digits, '_', '.', ':' and '-', in parts joined by '/'"


class NameCollisionError(InvalidNameError):
    """A name that differs only in case from one that exists."""

    kind = "name-collision"


class InvalidVersionError(LedgerError, ValueError):
    """A version string that breaks the grammar of versions."""

    kind = "invalid-version"
    exit_code = 2
    usual_hint = (
        "a version is a number such as 3 or a word such as raw_2023; without one a save takes the next number, "
        "and a look-up the latest"
    )


class InvalidTagError(LedgerError, ValueError):
    """A tag that is empty, too long or not printable."""

    kind = "invalid-tag"
    exit_code = 2
    usual_hint = "a tag has 1 to 100 printable characters, such as 'approved'"


class MetadataError(LedgerError, ValueError):
    """A metadata key or value that the one rule for metadata does not allow."""

    kind = "metadata"
    exit_code = 2
    usual_hint = (
        "metadata is a dict with str keys; its values are str, int, float, bool, None, lists and dicts of these"
    )


class ArgumentError(LedgerError, ValueError):
    """An argument whose value makes no sense here."""

    kind = "argument"
    exit_code = 2
    usual_hint = "correct the argument and call again; nothing was changed"


class ArgumentTypeError(LedgerError, TypeError):
    """An argument of the wrong type, such as a bare string where tags are expected."""

    kind = "argument-type"
    exit_code = 2
    usual_hint = "give a value of the expected type; nothing was changed"


class ConfigError(LedgerError, ValueError):
    """A configuration that cannot be used as it is: ``config.toml``, that of a history, or the file of a run."""

    kind = "config"
    exit_code = 2
    usual_hint = "correct that line of the file and try again"


# -- not there, or there already ---------------------------------------------


class LedgerNotFoundError(LedgerError, FileNotFoundError):
    """No ledger where one was sought."""

    kind = "ledger-not-found"
    exit_code = 3
    usual_hint = "run `ledger init` or save an artifact to make one, or set LEDGER_DIR to an existing one"


class ArtifactNotFoundError(LedgerError, KeyError):
    """No artifact of that name, id or id prefix."""

    kind = "artifact-not-found"
    exit_code = 3
    usual_hint = "run `ledger artifact list` to see what there is"


class VersionNotFoundError(ArtifactNotFoundError):
    """The artifact exists; the version does not."""

    kind = "version-not-found"
    usual_hint = "run `ledger artifact version list` to see what there is"


class AmbiguousIdError(LedgerError, KeyError):
    """An id, or the beginning of one, that several versions, runs or commits have."""

    kind = "ambiguous-id"
    exit_code = 3
    usual_hint = "give more digits"


class RevisionNotFoundError(LedgerError, KeyError):
    """A revision or time at which the ledger's history has no commit."""

    kind = "revision-not-found"
    exit_code = 3
    usual_hint = "run `ledger git log` to see the commits there are"


class RemoteNotFoundError(ConfigError, KeyError):
    """A remote that the settings do not know."""

    kind = "remote-not-found"
    exit_code = 3
    usual_hint = "run `ledger remote list` to see what there is, `ledger remote add NAME URL` to add one"


class OutsideStoreError(LedgerError, FileNotFoundError):
    """Data to register that is missing, or does not lie inside the artifact store."""

    kind = "outside-store"
    exit_code = 3
    usual_hint = "save_artifact(Path(...)) copies the data"


class SourceNotFoundError(LedgerError, FileNotFoundError):
    """A file or folder that does not exist: to save, to restore into, or the configuration of a run."""

    kind = "source-not-found"
    exit_code = 3
    usual_hint = "check the path; nothing was saved"


class PathNotFoundError(LedgerError, FileNotFoundError):
    """A path in a version, or of the file system ``ledger://``, at which there is nothing to read."""

    kind = "path-not-found"
    exit_code = 3
    usual_hint = "a path is ledger://NAME@VERSION/PATH; `ledger artifact version show NAME@VERSION` lists its files"


class LedgerExistsError(LedgerError, FileExistsError):
    """A ledger, or something else, where a new ledger was to be made."""

    kind = "ledger-exists"
    exit_code = 4
    usual_hint = "open it with Ledger.open, or choose another directory"


class VersionExistsError(LedgerError, ValueError):
    """A version that exists already and so cannot be saved again."""

    kind = "version-exists"
    exit_code = 4
    usual_hint = "leave the version out to get the next number; a version is never replaced"


class RemoteExistsError(ArgumentError):
    """A remote whose name the settings know already."""

    kind = "remote-exists"
    exit_code = 4
    usual_hint = "choose another name, or edit config.toml; nothing was changed"


class TargetExistsError(LedgerError, FileExistsError):
    """A file that would be overwritten."""

    kind = "target-exists"
    exit_code = 4
    usual_hint = "choose another path, or pass overwrite=True"


# -- damaged, foreign or untrusted -------------------------------------------


class IntegrityError(LedgerError, OSError):
    """Bytes or history objects that are missing or are not what was saved.

    If it has the ``label`` of a version, such as ``iris@3``, it has that version's ``name`` and ``version`` too.
    """

    kind = "integrity"
    exit_code = 5
    usual_hint = (
        "run `ledger verify` to see what is touched; `ledger repair --from SOURCE` fetches good copies "
        "from another clone or store"
    )

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        name, mark, version = str(facts.get("label", "")).partition("@")
        named = {"name": name, "version": version} if mark else {}
        super().__init__(message, hint=hint, **{**named, **facts})


class FormatError(LedgerError, ValueError):
    """A record, table or pack that breaks the format."""

    kind = "format"
    exit_code = 5
    usual_hint = "run `ledger verify` to see what is touched; another clone may hold the record as it was written"


class UnsupportedFormatError(FormatError):
    """A ledger or record of a format that this version of the program does not read."""

    kind = "unsupported-format"
    usual_hint = "upgrade ledger to a release that reads this format"


class HistoryRewrittenError(IntegrityError):
    """A remote whose branch no longer holds what it held: it was moved back, replaced or deleted."""

    kind = "history-rewritten"


class StoreMismatchError(LedgerError, ValueError):
    """An artifact store that is not the one this ledger was made with."""

    kind = "store-mismatch"
    exit_code = 5
    usual_hint = "mount the right store, or correct `store` in config.toml"


class StoreLostError(StoreMismatchError, IntegrityError):
    """Bytes of a version that cannot be read, because the ledger's store is missing or another one is in its place."""

    kind = "store-lost"


class UntrustedArtifactError(LedgerError, PermissionError):
    """A value that only code can rebuild, saved by somebody this user has not trusted."""

    kind = "untrusted"
    exit_code = 6
    usual_hint = "if you trust who saved it, run `ledger trust NAME@VERSION` or pass trust=True"


# -- values and materializers ------------------------------------------------


class MaterializerError(LedgerError, ValueError):
    """A value that could not be turned into files, or files that could not become a value."""

    kind = "materializer"
    exit_code = 7
    usual_hint = "`ledger get NAME@VERSION -o PATH` gives the files; a value can be saved by a materializer of your own"


class MaterializerTypeError(MaterializerError, TypeError):
    """A value or type that the materializer is not made for."""

    kind = "materializer-type"


class MaterializerInterfaceError(MaterializerError, TypeError):
    """A materializer class that is not declared as the contract asks."""

    kind = "materializer-interface"


class UnknownMaterializerError(MaterializerError, KeyError):
    """A registry key that no installed materializer has; the files stay available."""

    kind = "unknown-materializer"


class UnknownTypeError(MaterializerError, TypeError):
    """A value whose class is not defined in this process; a record never imports it."""

    kind = "unknown-type"


class MissingDependencyError(LedgerError, ImportError):
    """A library that this materializer or store needs and that is not installed."""

    kind = "missing-dependency"
    exit_code = 7
    usual_hint = "install the library and try again"


class UnsupportedFileError(LedgerError, ValueError):
    """A file that cannot be saved: a device, a socket, a link that leaves its folder."""

    kind = "unsupported-file"
    exit_code = 2
    usual_hint = "remove or rename what is listed, or save the rest by itself"


# -- steps and pipelines -----------------------------------------------------


class StepInterfaceError(LedgerError, TypeError, ValueError):
    """A step or pipeline that is declared, called or left in a way its signature does not allow."""

    kind = "step-interface"
    exit_code = 2
    usual_hint = "make the declaration of the step and its call agree"


class StepOutputsError(StepInterfaceError, RuntimeError):
    """A step whose outputs cannot be told apart or counted: two have one name, or their number is left open."""

    kind = "step-outputs"
    usual_hint = "annotate each value that the step returns, under a name of its own"


class NameTemplateError(StepInterfaceError, KeyError):
    """A template in an output's name with a placeholder that has no value."""

    kind = "name-template"
    usual_hint = "use {date} or {time}, or give substitutions"


class StepContextError(LedgerError, RuntimeError):
    """A step context that is asked for outside a step, or for an output that it does not have."""

    kind = "step-context"
    exit_code = 2
    usual_hint = "name one of the outputs that the step declares"


class LazyArtifactError(LedgerError, TypeError, AttributeError):
    """A placeholder of a pipeline body used as if it were the value that it will stand for."""

    kind = "lazy-artifact"
    exit_code = 2
    usual_hint = "pass it to a step, which is given the value"


class RunNotFoundError(LedgerError, KeyError):
    """No run, step or output of that name or id."""

    kind = "run-not-found"
    exit_code = 3
    usual_hint = "run `ledger run list` to see the runs there are"


# -- disk, locks and permissions ---------------------------------------------


class StorageError(LedgerError, OSError):
    """An operating system error while reading or writing, with its path."""

    kind = "storage"
    exit_code = 8
    usual_hint = "check that the disk or the service is reachable and sound, then try again"


class DiskFullError(StorageError):
    """No space, inodes or quota left for a write."""

    kind = "disk-full"


class ReadOnlyError(StorageError, PermissionError):
    """A write to something that can only be read: a disk, a folder, a ledger at a past revision."""

    kind = "read-only"


class StoreAccessError(StorageError, PermissionError):
    """A store that does not let this user in: credentials that are missing, expired, or allow too little."""

    kind = "store-access"
    exit_code = 10
    usual_hint = "check the credentials for the store (specs/stores.md, 2) and what they allow"


class StoreUnavailableError(StorageError, ConnectionError):
    """A store that does not answer, or refuses requests for a while, after a number of attempts."""

    kind = "store-unavailable"
    exit_code = 10
    usual_hint = "check the network and try again; nothing was published"


class LockTimeoutError(LedgerError, TimeoutError):
    """Another process holds the ledger's lock or works in its store, or others keep moving the history."""

    kind = "lock-timeout"
    exit_code = 9
    usual_hint = "try again, or end the process that holds the lock; nothing was published"


# -- remotes -----------------------------------------------------------------


class RemoteError(LedgerError, ConnectionError):
    """A remote that cannot be reached, or that refused what was sent; with its own words."""

    kind = "remote"
    exit_code = 10
    usual_hint = "check the address and your access with plain Git, then try again; nothing was lost here"


# Another name of the same error, for programs that catch it by that.
EntityExistsError = VersionExistsError

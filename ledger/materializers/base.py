"""The contract of a materializer: a class that turns values of some types into files and back.

Defining a subclass checks its declaration and registers it. A materializer sees the
files of one value (`Files`) and knows no store. It reads and writes; which one is in
charge, whether the reader trusts it, and what its errors look like to the caller are
decided around it (`registry`, `values`). Nothing a file says may make it import,
evaluate or unpickle anything unless ``TRUST`` is ``CODE``.
"""

import os
from typing import IO, Any, ClassVar

from ledger.enums import ArtifactType, TrustClass, VisualizationType
from ledger.errors import MaterializerError, MaterializerInterfaceError
from ledger.materializers.files import Files
from ledger.materializers.registry import default_key, qualified_name, register

_TRUST_ORDER = (TrustClass.DATA, TrustClass.RESTRICTED, TrustClass.CODE)

_SPELLINGS = {
    **dict.fromkeys(("rt", "tr"), "r"),
    **dict.fromkeys(("wt", "tw", "x", "xt", "tx"), "w"),
    "br": "rb",
    **dict.fromkeys(("bw", "xb", "bx"), "wb"),
}
"""Python's other spellings of the modes that `Files.open` knows; ``x`` is as good as ``w``: saved files are new."""


def highest_trust(*classes: TrustClass) -> TrustClass:
    """The one of some trust classes that asks most of the reader."""
    return max(classes, key=_TRUST_ORDER.index)


class BaseMaterializer:
    """Turns values of its associated types into files and back; subclass it to add a format.

    ``ASSOCIATED_TYPES`` are classes; ``ASSOCIATED_TYPE_NAMES`` names classes of libraries
    that are not to be imported for it. ``REGISTRY_KEY`` is what records call it, by default
    ``module.qualname/1``: change its number when files of the old form cannot be read any
    more. ``NEEDS_TYPE`` says that `load` cannot do without the value's class, ``EXTRA`` which
    extra of this package brings the libraries. With ``SKIP_REGISTRATION`` a class claims no
    types: it is an unfinished base, or used only where it is asked for.

    The methods get their argument by position, and of any type, so that a subclass may name and
    annotate it as its own: ``def load(self, data_type: type[Route]) -> Route``.
    """

    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = ()
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ()
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.BASE
    REGISTRY_KEY: ClassVar[str] = ""
    TRUST: ClassVar[TrustClass] = TrustClass.DATA
    NEEDS_TYPE: ClassVar[bool] = False
    EXTRA: ClassVar[str] = ""
    SKIP_REGISTRATION: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.REGISTRY_KEY = cls.__dict__.get("REGISTRY_KEY") or default_key(cls)
        # The mark of an unfinished base is not inherited: what derives from it is finished.
        cls.SKIP_REGISTRATION = bool(cls.__dict__.get("SKIP_REGISTRATION", False))
        _check_declaration(cls)
        register(cls, claims_types=not cls.SKIP_REGISTRATION)

    def __init__(self, files: Files) -> None:
        self.files = files
        self.key = self.REGISTRY_KEY
        self.trust = self.TRUST
        self.mmap = False
        self._delegate: BaseMaterializer | None = None

    @property
    def uri(self) -> str:
        """The local folder of the value's files."""
        return str(self.files.folder())

    def open(self, path: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
        """A stream of one of the value's files, named relative to `uri` or by its path below it.

        ``mode`` is that of a file to be read or to be made, text or bytes, in any spelling that Python's `open` knows.
        """
        return self.files.open(self.relative(path), _SPELLINGS.get(mode, mode))

    def relative(self, path: str | os.PathLike[str]) -> str:
        """The path of a file relative to `uri`; `MaterializerError` for one outside of it."""
        name = os.fspath(path)
        if os.path.isabs(name):
            name = os.path.relpath(name, self.uri)
        name = os.path.normpath(name)
        if name.split(os.sep)[0] in (os.pardir, os.curdir):
            raise MaterializerError(
                f"materializer {self.key} opens {os.fspath(path)!r}, which is not a file below its folder",
                hint="name files relative to self.uri",
                path=os.fspath(path),
            )
        return name.replace(os.sep, "/")

    def save(self, value: Any, /) -> None:
        """Write a value to `files`, so that `load` gives an equal one of the same type."""
        raise NotImplementedError

    def load(self, data_type: Any, /) -> Any:
        """The value that the files hold; ``data_type`` is its class where that is known here."""
        raise NotImplementedError

    def extract_metadata(self, value: Any, /) -> dict[str, Any]:
        """What to note about a value beside what the user logs."""
        return {}

    def save_visualizations(self, value: Any, /) -> dict[str, VisualizationType]:
        """Write files that show a value, and say which they are and how to show them.

        `files` are those of the visualizations here, not those of the value.
        """
        return {}

    def save_as(self, other: "type[BaseMaterializer]", value: Any) -> None:
        """Leave a value to another materializer, whose key and trust class the record then gets.

        For a value that this one's types cover and its format cannot hold. Nothing may have
        been written before.
        """
        self._delegate = delegate = other(self.files)
        delegate.save(value)
        self.key, self.trust = delegate.key, delegate.trust

    def at_work(self) -> "type[BaseMaterializer]":
        """The class that a failing `save` failed in: the one that the value was left to, or this one."""
        return self._delegate.at_work() if self._delegate is not None else type(self)


def _check_declaration(cls: type[BaseMaterializer]) -> None:
    """Refuse a subclass that could not work, where it is defined and not when somebody saves."""
    name = qualified_name(cls)
    types: object = cls.ASSOCIATED_TYPES
    names: object = cls.ASSOCIATED_TYPE_NAMES
    key: object = cls.REGISTRY_KEY
    if not isinstance(types, tuple) or not all(isinstance(kind, type) for kind in types):
        raise _bad_declaration(cls, f"ASSOCIATED_TYPES is a tuple of classes, got {types!r}")
    if not isinstance(names, tuple) or not all(isinstance(kind, str) for kind in names):
        raise _bad_declaration(cls, f"ASSOCIATED_TYPE_NAMES is a tuple of str, got {names!r}")
    try:
        cls.ASSOCIATED_ARTIFACT_TYPE = ArtifactType(cls.ASSOCIATED_ARTIFACT_TYPE)
        cls.TRUST = TrustClass(cls.TRUST)
    except ValueError as error:
        raise _bad_declaration(cls, str(error)) from error
    if not isinstance(key, str) or not key.isprintable():
        raise _bad_declaration(cls, f"REGISTRY_KEY is printable text, got {key!r}")
    if cls.SKIP_REGISTRATION:
        return
    if not types and not names:
        raise _bad_declaration(cls, "ASSOCIATED_TYPES is empty; SKIP_REGISTRATION = True lets a class claim none")
    for method in ("save", "load"):
        if getattr(cls, method) is getattr(BaseMaterializer, method):
            raise _bad_declaration(cls, f"it has no {method} method; {name}.{method} is the inherited one")


def _bad_declaration(cls: type[BaseMaterializer], reason: str) -> MaterializerInterfaceError:
    return MaterializerInterfaceError(
        f"materializer {qualified_name(cls)}: {reason}",
        hint="it has ASSOCIATED_TYPES = (YourType,), save(self, value) and load(self, data_type); "
        "specs/materializers.md, section 4, says all that it may have",
        materializer=qualified_name(cls),
    )

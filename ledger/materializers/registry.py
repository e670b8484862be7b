"""Which materializer is in charge: by the type of a value, or by the key in a record.

Owns the tables of registered classes. A type is matched by its identity or by its
qualified name, so that nobody has to import pandas to know what a data frame is. The
nearest class of the MRO wins; at each class of it the user's materializers come before
the built-in ones, and the newest of the user's first. A key that nobody registered is
an error: nothing is ever imported because a record names it.
"""

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.errors import MaterializerInterfaceError, UnknownMaterializerError
from ledger.materializers.programs import PROGRAM, is_of_program_named, module_name_of
from ledger.notices import warn_user

if TYPE_CHECKING:
    from ledger.materializers.base import BaseMaterializer

LAST_RESORT = "builtin.cloudpickle/1"
"""The key of the materializer for everything that no other one is made for."""

DATACLASS = "builtin.dataclass/1"
"""The key of the materializer for dataclasses, which have no class in common to be found by."""

JSON = "builtin.json/1"
"""The key of the materializer for numbers, texts and containers."""

TENSORS = "torch.safetensors/1"
"""The key of the materializer for tensors, which dicts of nothing but tensors go to as well."""

_OURS = "ledger.materializers."
_FIRST = "/1"


@dataclass
class _Claims:
    """Which materializer claims which type."""

    types: dict[type, "type[BaseMaterializer]"] = field(default_factory=dict)
    names: dict[str, "type[BaseMaterializer]"] = field(default_factory=dict)

    def find(self, kind: type) -> "type[BaseMaterializer] | None":
        try:
            found = self.types.get(kind)
        except TypeError:  # a class of classes may say that its classes have no hash
            found = None
        return found or self.names.get(qualified_name(kind))

    def add(self, materializer: "type[BaseMaterializer]") -> None:
        self.types.update(dict.fromkeys(materializer.ASSOCIATED_TYPES, materializer))
        self.names.update(dict.fromkeys(materializer.ASSOCIATED_TYPE_NAMES, materializer))

    def remove(self, materializer: "type[BaseMaterializer]") -> None:
        self.types = {kind: claimant for kind, claimant in self.types.items() if claimant is not materializer}
        self.names = {name: claimant for name, claimant in self.names.items() if claimant is not materializer}


_by_key: dict[str, "type[BaseMaterializer]"] = {}
_users = _Claims()
_built_in = _Claims()


def qualified_name(kind: type) -> str:
    """``module.qualname`` of a class: what records call it."""
    return f"{module_name_of(kind)}.{kind.__qualname__}"


def is_called(kind: type, name: str) -> bool:
    """Whether a record's name is that of a class, also as the program that was started called it."""
    return qualified_name(kind) == name or is_of_program_named(kind, name)


def is_built_in(materializer: "type[BaseMaterializer]") -> bool:
    """Whether a materializer class is part of this package."""
    return materializer.__module__.startswith(_OURS)


def register(materializer: "type[BaseMaterializer]", *, claims_types: bool) -> None:
    """Make a declared class findable by its key, and by its types if it claims them.

    A class of the same key, such as an earlier run of the same notebook cell, is replaced; one of another name is, too,
    with a warning. Raises `MaterializerInterfaceError` for the key of a built-in one.
    """
    key = materializer.REGISTRY_KEY
    previous = _by_key.get(key)
    if previous is not None:
        if is_built_in(previous):
            raise MaterializerInterfaceError(
                f"materializer {qualified_name(materializer)} declares the key {key!r}, which is built in",
                hint="give it a REGISTRY_KEY of its own, or none",
                key=key,
            )
        if previous.__qualname__ != materializer.__qualname__:
            warn_user(
                f"materializer {qualified_name(materializer)} takes the key {key!r} of {qualified_name(previous)}, "
                "and so reads what that one saved: each needs a REGISTRY_KEY of its own"
            )
        _users.remove(previous)
    _by_key[key] = materializer
    if claims_types:
        (_built_in if is_built_in(materializer) else _users).add(materializer)


def materializer_for(kind: type) -> "type[BaseMaterializer]":
    """The materializer in charge of values of a type; cloudpickle if there is none."""
    for base in kind.__mro__:
        found = _users.find(base) or _built_in.find(base)
        if found is not None:
            return found
    return _by_key[DATACLASS if declares_fields(kind) else LAST_RESORT]


def declares_fields(kind: type) -> bool:
    """Whether a class is a dataclass, or what attrs makes."""
    return dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")


def materializer_named(key: str) -> "type[BaseMaterializer]":
    """The materializer that a record names; `UnknownMaterializerError` if it is not registered here."""
    # Of a copy: another thread may define a materializer meanwhile.
    found = _by_key.get(key) or next(filter(functools.partial(_is_keyed, key), list(_by_key.values())), None)
    if found is not None:
        return found
    named = f"define it with REGISTRY_KEY = {key!r}"
    way = named if key.startswith(f"{PROGRAM}.") else f"import its module or, where that has another name now, {named}"
    raise UnknownMaterializerError(
        f"no materializer {key!r} is registered, {len(_by_key)} others are",
        hint=f"{way}; the files themselves stay available: version.download_files('files.zip')",
        key=key,
    )


def default_key(materializer: "type[BaseMaterializer]") -> str:
    """The key of a class that declares none."""
    return f"{qualified_name(materializer)}{_FIRST}"


def _is_keyed(key: str, materializer: "type[BaseMaterializer]") -> bool:
    """Whether a key is the default one of a class, under another name of the program that was started."""
    is_default = default_key(materializer) == materializer.REGISTRY_KEY
    return is_default and key.endswith(_FIRST) and is_called(materializer, key.removesuffix(_FIRST))

"""Placeholders of a pipeline body: what a look-up or a step will give, once the run is there.

A pipeline's body only records. A placeholder can be passed to a step, asked for facts that
are placeholders again, and ordered; used as a value it raises `LazyArtifactError`, because it
has none yet.
"""

from dataclasses import replace
from typing import Any, NoReturn, Self
from uuid import UUID

from ledger.errors import LazyArtifactError
from ledger.runtime.graph import FromLookup, FromStep
from ledger.wording import shown

LazyArgument = FromLookup | FromStep
"""Where a placeholder's version comes from, and the way to the fact of it that the placeholder stands for."""

_OFFERED = ".load() .id .name .version .uri .tags .type .run_metadata[...]"


class Placeholder:
    """Something that has a value only while the run goes on."""

    def __init__(self, argument: LazyArgument, told: str) -> None:
        self._argument = argument
        self._told = told

    @property
    def argument(self) -> LazyArgument:
        """What a step gets for it."""
        return self._argument

    def __repr__(self) -> str:
        return f"<placeholder for {self._told}>"

    def _refuse(self, use: str) -> NoReturn:
        raise LazyArtifactError(
            f"{self._told} has no value in a pipeline's body, so {use} cannot be answered there",
            hint="pass it to a step and decide there; the body only records which steps run with what",
        )

    def __bool__(self) -> bool:  # noqa: PLE0304  # raises
        self._refuse("whether it is true")

    def __eq__(self, other: object) -> bool:
        self._refuse(f"whether it equals {shown(other)}")

    def __ne__(self, other: object) -> bool:
        self._refuse(f"whether it differs from {shown(other)}")

    def __hash__(self) -> int:  # noqa: PLE0309  # raises
        self._refuse("its hash")

    def __lt__(self, other: object) -> bool:
        self._refuse(f"whether it is less or more than {shown(other)}")

    __le__ = __gt__ = __ge__ = __lt__

    def __str__(self) -> str:  # noqa: PLE0307  # raises
        self._refuse("str()")

    def __format__(self, spec: str) -> str:
        self._refuse("an f-string")

    def __iter__(self) -> NoReturn:
        self._refuse("iteration")

    def __len__(self) -> int:  # noqa: PLE0303  # raises
        self._refuse("its length")

    def __getitem__(self, key: Any) -> Any:
        self._refuse(f"its item {shown(key)}")

    def __contains__(self, item: object) -> bool:
        self._refuse(f"whether it holds {shown(item)}")

    def __int__(self) -> int:
        self._refuse("int()")

    def __float__(self) -> float:
        self._refuse("float()")

    def __index__(self) -> int:  # noqa: PLE0305  # raises
        self._refuse("its use as an index")

    def __complex__(self) -> complex:
        self._refuse("complex()")

    def __bytes__(self) -> bytes:  # noqa: PLE0308  # raises
        self._refuse("bytes()")

    def __fspath__(self) -> str:
        self._refuse("which path it is")

    def __array__(self, *_: object, **__: object) -> NoReturn:
        self._refuse("which array it is")

    def __reduce__(self) -> NoReturn:
        self._refuse("what to save")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __add__(self, other: object) -> NoReturn:
        self._refuse(f"a calculation with {shown(other)}")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __add__
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = __add__
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = __add__

    def __neg__(self) -> NoReturn:
        self._refuse("a calculation")

    __pos__ = __abs__ = __invert__ = __trunc__ = __floor__ = __ceil__ = __neg__

    def __round__(self, digits: int | None = None) -> NoReturn:
        self._refuse("a calculation")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)  # what Python, notebooks and libraries ask of anything
        raise LazyArtifactError(
            f"{self._told} has no value in a pipeline's body, and no {name!r} either",
            hint=f"a version offers {_OFFERED} there; for the rest, annotate a step's parameter as ArtifactVersion",
        )

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            self._refuse_change(f"its {name!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse_change(f"its {name!r}")

    def __setitem__(self, key: object, value: object) -> None:
        self._refuse_change(f"its item {shown(key)}")

    def __delitem__(self, key: object) -> None:
        self._refuse_change(f"its item {shown(key)}")

    def _refuse_change(self, part: str) -> NoReturn:
        raise LazyArtifactError(
            f"{self._told} has no value in a pipeline's body, so {part} cannot be changed there",
            hint="say it in the step that makes the version, or on the version when the run is over",
        )


class LazyValue(Placeholder):
    """A fact of a version, or its value: to be passed to a step."""

    @property
    def value(self) -> "LazyValue":
        """The plain value of a metadata entry."""
        return LazyValue(_at_attribute(self._argument, "value"), f"{self._told}.value")

    def __getitem__(self, key: Any) -> "LazyValue":
        return LazyValue(_at_item(self._argument, key), f"{self._told}[{shown(key)}]")


class LazyVersion(Placeholder):
    """A version that will be looked up when the step that takes it starts."""

    def load(self) -> LazyValue:
        """The version's value."""
        return self._fact("load", f"{self._told}.load()")

    @property
    def id(self) -> LazyValue:
        """The version's id."""
        return self._fact("id")

    @property
    def name(self) -> LazyValue:
        """The artifact's name."""
        return self._fact("name")

    @property
    def version(self) -> LazyValue:
        """The version string."""
        return self._fact("version")

    @property
    def uri(self) -> LazyValue:
        """Where the bytes are."""
        return self._fact("uri")

    @property
    def tags(self) -> LazyValue:
        """The tags."""
        return self._fact("tags")

    @property
    def type(self) -> LazyValue:
        """The artifact type."""
        return self._fact("type")

    @property
    def run_metadata(self) -> LazyValue:
        """The metadata by key."""
        return self._fact("run_metadata")

    def _fact(self, name: str, told: str = "") -> LazyValue:
        return LazyValue(_at_attribute(self._argument, name), told or f"{self._told}.{name}")


def lazy_lookup(wanted: str | UUID, version: str | int | None) -> LazyVersion:
    """The placeholder of a look-up by name, id or prefix."""
    told = f"artifact {str(wanted)!r}" + (f" version {str(version)!r}" if version is not None else "")
    return LazyVersion(FromLookup(wanted=wanted, version=version), told)


def _at_attribute(argument: LazyArgument, name: str) -> LazyArgument:
    """One step further on the way to a fact: at an attribute of what an argument gives."""
    return replace(argument, path=(*argument.path, ("attribute", name)))


def _at_item(argument: LazyArgument, key: Any) -> LazyArgument:
    """One step further on the way to a fact: at an item of what an argument gives."""
    return replace(argument, path=(*argument.path, ("item", key)))

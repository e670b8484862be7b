"""Placeholders of a pipeline body: what a look-up or a step will give once the run goes on.

A pipeline's body only records. A placeholder can be passed to a step, asked for facts that
are placeholders again, and ordered; used as a value it raises `LazyArtifactError`, because it
has none yet.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NoReturn, Self
from uuid import UUID

from ledger.errors import ArgumentError, LazyArtifactError
from ledger.lookup import check_tagged, check_wanted, version_text
from ledger.runtime.graph import FromLookup, FromStep
from ledger.wording import shown

LazyArgument = FromLookup | FromStep
"""Where a placeholder's version comes from, and the way to the fact of it that the placeholder stands for."""

_OFFERED = ".load() .id .name .version .uri .tags .type .run_metadata[...]"


def _refusing(use: str) -> Callable[..., Any]:
    """A method that refuses ``use``, a text in which ``{}`` stands for what the method is given."""

    def refuse(self: "Placeholder", *given: object, **_: object) -> NoReturn:
        self._refuse(use.format(*map(shown, given)))

    return refuse


def _fact(name: str) -> property:
    """A property that is the placeholder of an attribute."""
    return property(lambda self: self._part("attribute", name, f".{name}"))


class Placeholder:
    """Something that has a value only while the run goes on."""

    def __init__(self, argument: LazyArgument, label: str) -> None:
        self._argument = argument
        self._label = label

    @property
    def argument(self) -> LazyArgument:
        """What a step gets for it."""
        return self._argument

    def __repr__(self) -> str:
        return f"<placeholder for {self._label}>"

    def _refuse(self, use: str) -> NoReturn:
        raise LazyArtifactError(
            f"{self._label} has no value in a pipeline's body, so {use} cannot be answered there",
            hint="pass it to a step and decide there; the body only records which steps run with what",
        )

    def _part(self, how: Literal["attribute", "item"], key: Any, suffix: str) -> "LazyValue":
        """The placeholder of an attribute or an item of what this one stands for."""
        path = (*self._argument.path, (how, key))
        return LazyValue(replace(self._argument, path=path), f"{self._label}{suffix}")

    __bool__ = _refusing("whether it is true")
    __eq__ = _refusing("whether it equals {}")
    __ne__ = _refusing("whether it differs from {}")
    __lt__ = __le__ = __gt__ = __ge__ = _refusing("whether it is less or more than {}")
    __hash__ = _refusing("its hash")
    __str__ = _refusing("str()")
    __format__ = _refusing("an f-string")
    __iter__ = _refusing("iteration")
    __len__ = _refusing("its length")
    __getitem__ = _refusing("its item {}")
    __contains__ = _refusing("whether it holds {}")
    __int__ = _refusing("int()")
    __float__ = _refusing("float()")
    __index__ = _refusing("its use as an index")
    __complex__ = _refusing("complex()")
    __bytes__ = _refusing("bytes()")
    __fspath__ = _refusing("which path it is")
    __array__ = _refusing("which array it is")
    __reduce__ = _refusing("what to save")
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refusing("a calculation with {}")
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __floordiv__ = __rfloordiv__ = __add__
    __mod__ = __rmod__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = __add__
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = __add__
    __neg__ = __pos__ = __abs__ = __invert__ = _refusing("a calculation")
    __round__ = __trunc__ = __floor__ = __ceil__ = __neg__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)  # what Python, notebooks and libraries ask of anything
        raise LazyArtifactError(
            f"{self._label} has no value in a pipeline's body, and no {name!r} either",
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
            f"{self._label} has no value in a pipeline's body, so {part} cannot be changed there",
            hint="say it in the step that makes the version, or on the version when the run is over",
        )


class LazyValue(Placeholder):
    """A fact of a version, or its value: to be passed to a step."""

    value = _fact("value")

    def __getitem__(self, key: Any) -> "LazyValue":
        return self._part("item", key, f"[{shown(key)}]")


class LazyVersion(Placeholder):
    """A version that will be looked up when the step that takes it starts."""

    id = _fact("id")
    name = _fact("name")
    version = _fact("version")
    uri = _fact("uri")
    tags = _fact("tags")
    type = _fact("type")
    run_metadata = _fact("run_metadata")

    def load(self, *, trust: bool = False, mmap: bool = False, data_type: object = None) -> LazyValue:
        """The version's value, which the step loads as it does every input; raises `ArgumentError` for options."""
        options = {"trust": trust, "mmap": mmap, "data_type": data_type}
        if asked := [name for name, given in options.items() if given]:
            raise ArgumentError(
                f"{self._label} is loaded when the step that takes it starts, where {asked[0]} cannot be given",
                hint="annotate the step's parameter as ArtifactVersion, pass the version, and load it in the step",
                argument=asked[0],
            )
        return self._part("attribute", "load", ".load()")


def lazy_lookup(wanted: str | UUID, version: str | int | None, tag: str | None) -> LazyVersion:
    """The placeholder of a look-up by name, id or prefix, or by name and tag; raises for what can be none of them."""
    named: tuple[object, ...] = (wanted, version, tag)
    for given in named:
        if isinstance(given, Placeholder):
            str(given)  # raises `LazyArtifactError`
    label = f"artifact {check_wanted(wanted)!r}"
    if version is not None:
        label += f" version {version_text(version)!r}"
    if tag is not None:
        _, tag = check_tagged(wanted, version, tag)
        label += f" with the tag {tag!r}"
    return LazyVersion(FromLookup(wanted=wanted, version=version, tag=tag), label)

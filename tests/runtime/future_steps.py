"""Steps whose annotations are strings, as ``from __future__ import annotations`` makes them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from ledger import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    import elsewhere  # type: ignore[import-not-found]
    from elsewhere import Unknown

    from ledger import ArtifactConfig
    from ledger.runtime import Step


@step
def of_module() -> tuple[Annotated[int, "iris"], str]:
    return 1, "a"


@step
def of_nowhere(given: Unknown) -> Unknown:
    return given


@step
def list_of_nowhere(given: int) -> list[Unknown]:
    return given  # type: ignore[return-value]


@step
def of_half_known(given: Unknown) -> Annotated[int, "named"]:
    return int(bool(given))


@step
def named_of_nowhere(given: elsewhere.Unknown | None) -> Annotated[elsewhere.Unknown, "named"] | None:
    return given


@step
def named_of_later() -> tuple[Annotated[Later, "later"], Annotated[list[Later], "all"]]:
    return Later(), [Later()]


@contextmanager
def watched() -> Iterator[None]:
    """A decorator whose wrapper is a function of `contextlib`."""
    yield


@step
@watched()
def wrapped() -> tuple[Annotated[int, "iris"], str]:
    return 1, "a"


class Later:
    """What is defined below a step that speaks of it."""


def described_by_nobody() -> Annotated[int, ArtifactConfig(name="named")]:
    """A function that no decorator may take."""
    return 1


def configured_alone() -> ArtifactConfig(name="named"):  # type: ignore[valid-type]
    """Another one: the configuration stands where the type does."""
    return 1


def make_local() -> Step[Any]:
    """A step that speaks of a class which only this function knows."""

    class Here:
        pass

    @step
    def of_local(given: Here) -> Annotated[Here, "here"]:
        return given

    return of_local


def make_wrapped() -> Step[Any]:
    """The same under a decorator of another module."""

    class Here:
        pass

    @step
    @watched()
    def of_local(given: Here) -> Annotated[Here, "here"]:
        return given

    return of_local

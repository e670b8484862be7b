"""The version before another one, of the same artifact."""

from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import ArgumentTypeError, ArtifactNotFoundError


def test_the_version_before_is_told_by_the_place_of_now(pair: tuple[Ledger, Ledger]) -> None:
    """A version that a merge has moved follows the one that it was moved behind, whatever its handle remembers."""
    ada, bob = pair
    ada.save("of Ada", "x")
    mine = bob.save("of Bob", "x")
    ada.sync()
    bob.sync()
    assert ("1", "2") == (mine.version, bob.get(mine.id).version)
    assert "of Ada" == bob.before(mine).load()


def test_a_version_of_another_ledger_has_none_before_it(pair: tuple[Ledger, Ledger]) -> None:
    """At the place before its own lies, in this ledger, what is no predecessor of it."""
    ada, bob = pair
    ada.save(1, "y")
    foreign = ada.save(2, "y")
    bob.save(3, "y")
    with pytest.raises(ArtifactNotFoundError, match=f"no version has the id {foreign.id}"):
        bob.before(foreign)


@pytest.mark.parametrize("given", ["iris@2", None])
def test_only_a_handle_is_taken(ledger: Ledger, given: Any) -> None:
    """A name is to be looked up first, and the hint says how."""
    for ask in (ledger.before, ledger.holds):
        with pytest.raises(ArgumentTypeError, match="a version is given as an ArtifactVersion, got") as caught:
            ask(given)
        assert "look it up first: ledger.get(name, version)" == caught.value.hint

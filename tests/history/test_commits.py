"""Chains of commits that are made in memory, each upon the one before."""

import pytest

from ledger.errors import IntegrityError, VersionExistsError
from ledger.history import History
from ledger.history.git.kinds import COMMIT
from ledger.history.tree.drafts import Publication
from ledger.history.writing.commits import Chain
from ledger.records import format_time
from tests.kit.histories import AUTHOR, NOW, draft, publish


def publication(name: str, version: object = None) -> Publication:
    return Publication(drafts=(draft(name, version),), author=AUTHOR, now=format_time(NOW))


def test_each_commit_of_a_chain_stands_upon_the_one_before(history: History) -> None:
    """Positions go on from commit to commit, which it says; nothing of it is written."""
    base = publish(history).commit
    chain = Chain(history.objects, base)
    links = []
    for _ in range(3):
        links.append(chain.place(publication("iris")))
        chain.append(links[-1])
    assert [2, 3, 4] == [link.claims[0].position for link in links]
    parents = [chain.new[link.commit][1].split(b"\n")[1].decode() for link in links]  # type: ignore[index]
    assert [f"parent {commit}" for commit in (base, links[0].commit, links[1].commit)] == parents
    assert {COMMIT} == {chain.new[link.commit][0] for link in links}  # type: ignore[index]
    messages = [chain.new[link.commit][1].decode() for link in links]  # type: ignore[index]
    with_parent = [
        message.endswith(f"\nTogether-with: {commit}\n")
        for message, commit in zip(messages, [base, *(link.commit for link in links)], strict=False)
    ]
    assert [False, True, True] == with_parent
    with pytest.raises(IntegrityError, match="cannot be read"):
        history.objects.commit(links[0].commit)


def test_what_cannot_be_placed_leaves_a_chain_as_it_was(history: History) -> None:
    """A publication whose version is taken raises, and the next one follows as if it had not been."""
    chain = Chain(history.objects, history.tip())
    chain.append(chain.place(publication("iris", "cat")))
    tip, size = chain.tip, len(chain.new)
    with pytest.raises(VersionExistsError):
        chain.place(publication("iris", "cat"))
    assert (tip, size) == (chain.tip, len(chain.new))
    assert 2 == chain.place(publication("iris")).claims[0].position


def test_a_commit_that_is_not_appended_is_not_part_of_a_chain(history: History) -> None:
    """Placing alone changes nothing: whoever was placed may have taken its publication back."""
    chain = Chain(history.objects, history.tip())
    chain.place(publication("iris"))
    assert (history.tip(), {}) == (chain.tip, chain.new)
    assert 1 == chain.place(publication("iris")).claims[0].position

"""What a commit says of what it publishes."""

import pytest

from ledger.history import Claim, Draft, EventDraft, RecordDraft
from ledger.history.writing.messages import message_for
from ledger.ids import VersionId
from ledger.records import Name, VersionString
from tests.kit.histories import draft, tag

ID = VersionId("019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21")
ONE = Claim(Name("iris"), 1, VersionString("1"), 1, ID)
CAT = Claim(Name("iris"), 2, VersionString("cat"), 1, ID)
RECORD = RecordDraft(path=("x",), data=b"", trailers=("Run: r",))


def logged(claim: Claim, *keys: str) -> EventDraft:
    return tag(claim, verb="log metadata on", metadata=dict.fromkeys(keys, 1))


@pytest.mark.parametrize(
    ("drafts", "claims", "subject", "expected"),
    [
        ([draft()], [ONE], "", "save iris@1"),
        ([draft(), draft()], [ONE, CAT], "", "save 2 versions"),
        ([draft(), tag(CAT)], [ONE], "", "save iris@1"),
        ([tag(ONE)], [], "", "tag iris@1"),
        ([tag(ONE, "a", "b c")], [], "", "tag iris@1: a, b c"),
        ([tag(ONE, "a", remove=("b",))], [], "", "tag iris@1: a, not b"),
        ([tag(ONE, verb="untag", remove=("a",)), tag(CAT, "a")], [], "", "untag iris@1: a; tag iris@cat: a"),
        ([tag(ONE, "a"), tag(ONE, "a")], [], "", "tag iris@1: a"),
        ([logged(ONE, "acc", "lr")], [], "night", "night: log metadata on iris@1: acc, lr"),
        ([logged(ONE, "x" * 60)], [], "", f"log metadata on iris@1: {'x' * 60}"),
        ([logged(ONE, "x" * 61)], [], "", f"log metadata on iris@1: {'x' * 57}..."),
        ([logged(ONE, "\nArtifact: it@1")], [], "", r"log metadata on iris@1: '\nArtifact: it@1'"),
        ([tag(ONE, "a"), tag(ONE, "b"), logged(ONE, "c")], [], "", "tag and log metadata on iris@1"),
        ([tag(ONE, "a"), tag(CAT, "a"), tag(CAT, "b")], [], "", "tag 2 versions"),
        ([RECORD], [], "", "add records"),
        ([RECORD], [], "run training", "run training"),
        ([draft(), RECORD], [ONE], "run training", "run training: save iris@1"),
    ],
)
def test_the_subject_says_what_happened(drafts: list[Draft], claims: list[Claim], subject: str, expected: str) -> None:
    """One version by its label, several by their number; one or two events by what they say, more by their verbs."""
    lines = message_for(drafts, claims, "T", subject).split("\n")
    assert [expected, "", "Time: T", ""] == [*lines[:2], *lines[-2:]]


def test_trailers_name_every_version_once() -> None:
    """`git log --grep` finds each version by name, id and content; what is said twice stands once."""
    saved = draft()
    lines = message_for([saved, RECORD, tag(ONE), tag(CAT)], [ONE], "T").split("\n")
    assert [
        *["save iris@1", "", "Artifact: iris@1", f"Id: {ID}", f"Content: {saved.id}", "Artifact: iris@cat"],
        *["Run: r", "Time: T", ""],
    ] == lines

"""Paths of the history, built and parsed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import FormatError
from ledger.history.tree import layout
from ledger.history.tree.layout import Claim
from ledger.ids import VersionId
from ledger.records import Name, VersionString

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "records.json").read_text(encoding="utf-8"))
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,8}(/[a-z][a-z.:]{0,3})?", fullmatch=True).map(Name)
VERSIONS = st.from_regex(r"[A-Za-z0-9_.+-]{1,20}", fullmatch=True).map(VersionString)
CLAIMS = st.builds(
    Claim,
    NAMES,
    st.integers(1, layout.MAX_POSITION),
    VERSIONS | st.integers(0, 10**9 - 1).map(str).map(VersionString),
    st.integers(0, 10**9 - 1),
    st.uuids().map(lambda id: VersionId(str(id))),
)


@pytest.mark.parametrize("row", GOLDEN["claims"], ids=lambda row: row["path"].split("/")[-1][:24])
def test_a_claim_stands_at_its_golden_path(row: dict[str, Any]) -> None:
    """Shard, name, page and claim are as the format says, and a pointer exists where it is needed."""
    claim = Claim(row["name"], row["position"], row["version"], row["counter"], row["id"])
    pointer = "/".join(claim.pointer) if claim.pointer is not None else None
    assert (row["path"], row["pointer"]) == ("/".join(claim.path), pointer)


@given(CLAIMS)
def test_parsing_gives_the_claim_back(claim: Claim) -> None:
    """A claim's directory says everything about it but the name, which its parent directory says."""
    assert claim == layout.parse_claim(claim.name, claim.directory)
    assert claim.name == layout.parse_name(claim.path[2])


@given(CLAIMS)
def test_parsing_gives_the_pointer_back(claim: Claim) -> None:
    """A pointer's file name says the version string and the position."""
    if claim.pointer is not None:
        assert (claim.version, claim.position) == layout.parse_pointer(claim.pointer[-1])


@given(CLAIMS, CLAIMS)
def test_claims_of_an_artifact_sort_by_position(one: Claim, other: Claim) -> None:
    """The order of paths is the order of publication."""
    other = other._replace(name=one.name)
    if one.position != other.position:
        assert (one.position < other.position) == (one.path < other.path)


@pytest.mark.parametrize(
    ("position", "page"),
    [
        (1, ("0000", "00")),
        (99, ("0000", "00")),
        (100, ("0000", "01")),
        (12345, ("0001", "23")),
        (99_999_999, ("9999", "99")),
    ],
)
def test_a_page_holds_a_hundred_positions(position: int, page: tuple[str, str]) -> None:
    """The two levels are the digits of the position in hundreds."""
    assert page == layout.page_of(position)


def test_names_that_differ_in_case_meet_in_one_shard() -> None:
    """Names that cannot coexist lie in one directory, so that one look finds the other."""
    assert layout.shard_of("Iris") == layout.shard_of("iris") == layout.shard_of("IRIS")


@pytest.mark.parametrize(
    "directory",
    [
        "",
        "00000001",
        "1~1~1~" + "a" * 32,
        "00000001~1~1~" + "a" * 31,
        "00000001~1~1~" + "A" * 32,
        "00000001~1~01~" + "a" * 32,
        "00000001~~1~" + "a" * 32,
        "00000001~a b~1~" + "a" * 32,
        "00000001~1~1~" + "a" * 32 + "\n",
        "\u0660" * 7 + "\u0661~1~1~" + "a" * 32,
    ],
)
def test_a_directory_that_is_no_claim_is_refused(directory: str) -> None:
    """What does not state position, version, counter and id is a FormatError that names the artifact."""
    with pytest.raises(FormatError, match=r"artifact 'iris': .* is not a claim on a position"):
        layout.parse_claim(Name("iris"), directory)


@pytest.mark.parametrize(
    "entry", ["version.json", "x.json", "-" * 36 + ".json", "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21", "0" * 36 + ".json"]
)
def test_other_files_of_a_claim_are_no_events(entry: str) -> None:
    """Only a UUID in its canonical form names an event."""
    assert layout.parse_event(entry) is None


def test_an_event_is_named_by_its_id() -> None:
    """The file of an event gives its id."""
    id = "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"
    assert id == layout.parse_event(f"{id}.json")


@pytest.mark.parametrize("segment", ["names", "events", "000", "00000", "000a", "\u0660" * 4])
def test_only_four_digits_are_a_page(segment: str) -> None:
    """The other directories of an artifact hold no positions."""
    assert not layout.is_page(segment)
    assert layout.is_page("0000")


RUN = "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"


def test_a_run_lies_under_the_day_that_its_id_holds() -> None:
    """The records of a run are found from its id alone."""
    assert ("runs", "2025-11-07", RUN, "run.json") == layout.run_file(RUN, "run")


@pytest.mark.parametrize(
    ("step", "file"), [("fit", "fit.json"), ("run", "%72un.json"), ("end", "%65nd.json"), ("a/b", "a%2Fb.json")]
)
def test_a_step_is_never_taken_for_the_run_itself(step: str, file: str) -> None:
    """Steps called run or end have files of their own."""
    assert file == layout.step_file(RUN, Name(step))[-1]

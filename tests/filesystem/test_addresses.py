"""What a path of the file system means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.filesystem.addresses import Address, parse_address, quote_name, without_protocol

SEGMENT = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,4}", fullmatch=True)
NAME = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)
VERSION = st.from_regex(r"[A-Za-z0-9_.+-]{1,5}", fullmatch=True)
PATH = st.lists(st.text("ab@%. é", min_size=1, max_size=4), max_size=3).map("/".join)


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("iris", {"iris"}, ("iris", None, "")),
        ("iris@3", {"iris"}, ("iris", "3", "")),
        ("iris@3/data.parquet", {"iris"}, ("iris", "3", "data.parquet")),
        ("iris/data.parquet", {"iris"}, ("iris", None, "data.parquet")),
        ("team/iris@v1.0/a/b", {"team/iris"}, ("team/iris", "v1.0", "a/b")),
        # The longest name wins, and a version says which one is meant.
        ("iris/data/x", {"iris", "iris/data"}, ("iris/data", None, "x")),
        ("iris@1/data/x", {"iris", "iris/data"}, ("iris", "1", "data/x")),
        # An at sign in a path is a path's, unless what stands before it is a name.
        ("iris/a@2.csv", {"iris"}, ("iris", None, "a@2.csv")),
        ("iris/a@2.csv", {"iris", "iris/a"}, ("iris/a", "2.csv", "")),
        ("iris@3/a@2.csv", {"iris", "iris/a"}, ("iris", "3", "a@2.csv")),
        # Only names are percent-decoded.
        ("p%3A%3As%3A%3Ao@1/x%20y", {"p::s::o"}, ("p::s::o", "1", "x%20y")),
        ("p::s::o@1/x", {"p::s::o"}, ("p::s::o", "1", "x")),
        ("nothing/x", {"iris"}, None),
        ("", {"iris"}, None),
    ],
)
def test_names_that_exist_decide(text: str, names: set[str], expected: tuple[str, str | None, str] | None) -> None:
    """The name is what stands before the first @, if that is one; else the longest beginning that is one."""
    assert (Address(*expected) if expected else None) == parse_address(text, names.__contains__)


@given(NAME, VERSION, PATH)
def test_a_quoted_address_is_read_as_it_was_meant(name: str, version: str, path: str) -> None:
    """What is written ``NAME@VERSION/path`` comes back in these parts."""
    text = f"{quote_name(name)}@{version}/{path}"
    assert Address(name, version, path) == parse_address(text, {name}.__contains__)


@given(NAME)
def test_a_quoted_name_chains_no_file_systems(name: str) -> None:
    """Two colons in a row mean something to fsspec."""
    assert "::" not in quote_name(name)


@pytest.mark.parametrize("text", ["ledger://iris@3/x", "iris@3/x", "/iris@3/x/", "ledger:///iris@3/x"])
def test_a_path_has_one_form(text: str) -> None:
    """With the protocol and without, with slashes around it and without."""
    assert "iris@3/x" == without_protocol(text)

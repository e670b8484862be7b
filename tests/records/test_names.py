"""The grammar of names, version strings and tags."""

import ast
import re
from enum import Enum, StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ArgumentError, ArgumentTypeError, InvalidNameError, InvalidTagError, InvalidVersionError
from ledger.records import (
    Name,
    check_given_tags,
    check_limit,
    check_name,
    check_tags,
    check_version,
    decode_name,
    encode_name,
    number_of,
)
from ledger.records.names import ENCODED_NAME_LIMIT

SEGMENTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,12}", fullmatch=True) | st.sampled_from(
    ["con", "CON", "nul.txt", "LPT1", "com9.", "aux", "prn.", "a.", "a..", "0"]
)
NAMES = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class Shade(str, Enum):  # noqa: UP042  # the old spelling, whose str() is "Shade.DARK"
    DARK = "dark"


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "0",
        "_",
        "iris_dataset",
        "a.b",
        "a-b",
        "a:b",
        "p::s::output",
        "team/iris",
        "a/b/c",
        "CON",
        "nul.txt",
        "a.",
        "x" * 200,
    ],
)
def test_good_names_are_names(name: str) -> None:
    """Segments of letters, digits and ``_.:-`` joined by slashes are names, and stay as they are."""
    assert name == check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        ".",
        "..",
        "a/../b",
        "./a",
        ".hidden",
        "-a",
        ":a",
        "a b",
        "a\n",
        "a\x00",
        "ä",
        "a~b",
        "a@b",
        "a%b",
        "a\\b",
        "a*",
        "a|b",
        "\uff41",
        "٣",
        "x" * 201,
        "/".join("x" * 91),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    """What breaks the grammar, or grows too long on disk, is refused with the name in the message."""
    with pytest.raises(InvalidNameError, match=r"^invalid artifact name '") as caught:
        check_name(name)
    assert {"name": name} == caught.value.facts
    assert caught.value.hint


@pytest.mark.parametrize("name", [None, 1, b"iris", ["iris"], True])
def test_a_name_is_a_str(name: object) -> None:
    """Any other type is a TypeError that shows the value."""
    with pytest.raises(ArgumentTypeError, match=re.escape(repr(name))):
        check_name(name)


def test_a_value_in_the_place_of_its_name_is_told_to_come_first() -> None:
    """Who gives the name before the value, as other programs take them, is told the order."""
    with pytest.raises(ArgumentTypeError) as caught:
        check_name({"lr": 0.1})
    assert "give the name as a str; a save takes the value first" == caught.value.hint


@given(NAMES)
def test_the_directory_of_a_name_gives_the_name_back(name: str) -> None:
    """Decoding is the inverse of encoding, so no two names share a directory."""
    checked = check_name(name)
    assert checked == decode_name(encode_name(checked))


@given(NAMES)
def test_the_directory_of_a_name_is_safe_everywhere(name: str) -> None:
    """Only safe characters, no device of Windows, no dot at the end or at the beginning, not too long."""
    encoded = encode_name(check_name(name))
    assert re.fullmatch(r"[A-Za-z0-9_.%-]+", encoded)
    assert not DEVICES.fullmatch(encoded)
    assert not encoded.endswith(".")
    assert not encoded.startswith(".")
    assert len(encoded) <= ENCODED_NAME_LIMIT


@pytest.mark.parametrize(("separator", "parts"), [("/", 61), (":", 61)])
def test_a_name_that_is_too_long_on_disk_is_told_how_to_fit(separator: str, parts: int) -> None:
    """Names are limited as they are on disk too: the error says how long it is there, and the hint what makes it so."""
    assert check_name(separator.join(["b"] * (parts - 1)))
    with pytest.raises(InvalidNameError, match="takes 241 bytes on disk, over 240") as caught:
        check_name(separator.join(["b"] * parts))
    assert "shorten it, or join fewer parts: on disk each ':' and '/' takes three bytes" == caught.value.hint


def test_a_name_with_a_version_is_told_where_that_goes() -> None:
    """Look-ups take ``NAME@VERSION``; whoever saves under it is told how to give the version."""
    with pytest.raises(InvalidNameError) as caught:
        check_name("team/iris@v2")
    assert "no name holds an '@': give the version apart, as version='v2', in the shell --version v2" == (
        caught.value.hint
    )


@given(st.text("abCON.%25/3A:e", max_size=12))
def test_a_directory_that_no_name_encodes_to_is_none(entry: str) -> None:
    """A second spelling of a name's directory is nobody's directory."""
    name = decode_name(entry)
    assert name is None or entry == encode_name(name)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("iris", "iris"),
        ("a/b", "a%2Fb"),
        ("p::s", "p%3A%3As"),
        ("con", "%63on"),
        ("CON.txt", "%43ON.txt"),
        ("nul.", "%6Eul%2E"),
        ("a..", "a.%2E"),
        ("com10", "com10"),
        ("console", "console"),
        ("a/con", "a%2Fcon"),
    ],
)
def test_names_are_encoded_as_the_format_says(name: str, encoded: str) -> None:
    """Golden directories: percent-encoded bytes in upper case, devices and final dots out of the way."""
    assert encoded == encode_name(Name(name))


@pytest.mark.parametrize(
    ("version", "number"),
    [("0", 0), ("1", 1), ("42", 42), ("999999999", 999_999_999), (1, 1), (10**9 - 1, 999_999_999)],
)
def test_canonical_decimals_are_numeric(version: object, number: int) -> None:
    """Up to nine digits without zeros in front; an int means the same."""
    assert number == number_of(check_version(version))


@pytest.mark.parametrize(
    "version",
    [
        "007",
        "00",
        "1_000",
        "1.0",
        "+1",
        "-1",
        "1e3",
        "raw_2023",
        "cat",
        "v1",
        "1000000000",
        10**9,
        "x" * 100,
        "2023-01-01",
        ".",
        "..",
    ],
)
def test_everything_else_is_custom(version: object) -> None:
    """A version that is no canonical decimal of nine digits stands for no number, and is kept as it is."""
    checked = check_version(version)
    assert (str(version), None) == (checked, number_of(checked))


@pytest.mark.parametrize(
    "version",
    ["", " 5 ", "5 ", "1\n", "a b", "a/b", "a~b", "a@b", "ä", "٣", "x" * 101, "%31", "a\x00", 10**101, 10**5000],
    ids=lambda version: version if isinstance(version, str) else f"{version.bit_length()} bits",
)
def test_other_versions_are_refused(version: object) -> None:
    """What is no version is refused, an int of any length included."""
    with pytest.raises(InvalidVersionError, match=r"^invalid version "):
        check_version(version)


@pytest.mark.parametrize("version", [np.int64(30), np.uint8(30), np.array(30)])
def test_a_number_of_a_library_is_an_int(version: object) -> None:
    """What Python takes as an index is a version as the same int is."""
    assert "30" == check_version(version)


@pytest.mark.parametrize("limit", [np.int64(2), np.uint8(2), 2])
def test_a_limit_is_any_whole_number(limit: object) -> None:
    """A limit is handed on as a plain int."""
    checked = check_limit(limit)
    assert (2, int) == (checked, type(checked))


@pytest.mark.parametrize("limit", [True, np.bool_(1), -1, np.int64(-1), 1.0, np.float64(1), "1", np.array([1, 2]), int])
def test_other_limits_are_refused(limit: object) -> None:
    """A limit is neither a bool nor below 0, nor a number with a fraction, and the error shows what it is."""
    with pytest.raises(ArgumentError, match=f"from 0, got {type(limit).__name__}: "):
        check_limit(limit)


def test_the_hint_about_a_version_fits_saves_and_searches() -> None:
    """The grammar does not know who asks, so its advice is true for who saves and for who looks up."""
    with pytest.raises(InvalidVersionError) as caught:
        check_version("gte:1")
    assert "a save takes the next number, and a look-up the latest" in caught.value.hint


@pytest.mark.parametrize(
    "version", [True, 1.0, None, b"1", ["1"], np.bool_(1), np.float64(1), np.array([1, 2]), int], ids=repr
)
def test_a_version_is_an_int_or_a_str(version: object) -> None:
    """A bool is no int here, and a float no version."""
    with pytest.raises(ArgumentTypeError, match="a version is an int or a str"):
        check_version(version)


def test_a_bare_string_is_no_list_of_tags() -> None:
    """A bare string would become tags of one letter: it is a TypeError whose hint shows the list."""
    with pytest.raises(TypeError) as caught:
        check_tags("best")
    assert isinstance(caught.value, ArgumentTypeError)
    assert "write tags=['best']" == caught.value.hint


@pytest.mark.parametrize("tags", ["best", b"best", 5, {"best": 1}, [b"best"], [5]], ids=repr)
def test_the_hint_about_tags_can_be_followed(tags: object) -> None:
    """What the hint says to write is not refused in its turn; a dict's values would be lost without a word."""
    with pytest.raises(ArgumentTypeError) as caught:
        check_tags(tags)
    assert check_tags(ast.literal_eval(caught.value.hint.removeprefix("write tags=")))


@pytest.mark.parametrize("tags", [["b", "a", "b"], ("a", "b"), {"a", "b"}, iter(["b", "a"]), {"a": 1, "b": 2}.keys()])
def test_tags_are_sorted_without_duplicates(tags: object) -> None:
    """Any iterable of str gives the same tuple."""
    assert ("a", "b") == check_tags(tags)


def test_no_tags_are_an_empty_tuple() -> None:
    """``None`` means none."""
    assert () == check_tags(None) == check_tags([])


def test_where_tags_must_be_given_none_are_no_tags() -> None:
    """``None`` is refused there, and the hint does not make a list of it."""
    with pytest.raises(ArgumentTypeError, match="got NoneType: None") as caught:
        check_given_tags(None)
    assert "None" not in caught.value.hint
    assert ("a",) == check_given_tags(["a"])


@pytest.mark.parametrize("tag", ["a", "x" * 100, "two words", "größe", "日本", "a=b", "🎉", "a/b", "$x"])
def test_printable_tags_are_tags(tag: str) -> None:
    """One to a hundred printable characters, of any script."""
    assert (tag,) == check_tags([tag])


@pytest.mark.parametrize("tag", ["", " ", "   ", "x" * 101, "a\n", "a\tb", "\x00", "\ud800", "\u2028", "a\u202eb"])
def test_other_tags_are_refused(tag: str) -> None:
    """Empty, too long, blank or not printable."""
    with pytest.raises(InvalidTagError, match=r"^invalid tag ") as caught:
        check_tags(["fine", tag])
    assert {"tag": tag} == caught.value.facts


@pytest.mark.parametrize("tag", [1, None, b"a", ["a"]])
def test_a_tag_is_a_str(tag: object) -> None:
    """Tags of another type are refused."""
    with pytest.raises(ArgumentTypeError, match="a tag is a str"):
        check_tags(tag if tag is None else [tag]) if tag is not None else check_tags([None])


@pytest.mark.parametrize(("member", "plain"), [(Shade.DARK, "dark"), (Colour.RED, "red")])
def test_kinds_of_str_become_plain_str(member: str, plain: str) -> None:
    """A subclass of str means its text, and leaves its class behind: records hold plain strings."""
    found = [check_name(member), check_version(member), *check_tags([member])]
    assert [(str, plain)] * 3 == [(type(text), text) for text in found]

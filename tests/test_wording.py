"""How messages show what they are given."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.wording import counted, human_size, one_line, shown


@given(st.text())
def test_nothing_unprintable_is_printed(text: str) -> None:
    """An escaped text holds printable characters only, and is what it was if it held no others."""
    escaped = one_line(text)
    assert escaped.isprintable()
    assert (escaped == text) is text.isprintable()


def test_escapes_are_readable() -> None:
    """Control characters, line breaks and direction marks are shown as Python writes them."""
    assert r"a\x1b[31m\n\u202e\x9b é 数" == one_line("a\x1b[31m\n\u202e\x9b é 数")


class _Shy:
    def __repr__(self) -> str:
        raise RuntimeError


def test_what_cannot_be_shown_is_shown_by_its_type() -> None:
    """A value whose own repr fails does not hide the error that is about it."""
    assert "<_Shy whose repr fails: RuntimeError>" == shown(_Shy())


def test_control_characters_are_shown_where_no_file_can_be_opened() -> None:
    """An error that says so may have such a character in it: to show it opens no file, such as a codec of Python's."""
    program = (
        "import resource; from ledger.wording import one_line; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); "
        r"print(one_line('a\x1b'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ("a\\x1b\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (12345, "12.1 KiB"),
        (5 << 30, "5.0 GiB"),
        (1 << 70, "1048576.0 PiB"),
    ],
)
def test_sizes_have_units(size: int, expected: str) -> None:
    """Sizes are shown in powers of 1024."""
    assert expected == human_size(size)


def test_one_of_a_thing_is_one() -> None:
    """A count of one has its noun in the singular."""
    assert ["0 versions", "1 version", "2 versions"] == [counted(number, "version") for number in range(3)]

"""Which paths a content may hold."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs.files.paths import (
    PATH_LIMIT,
    are_portable,
    are_usual,
    case_collisions,
    path_problem,
    portability_problem,
)

SEGMENTS = st.one_of(
    st.sampled_from(
        ["", ".", "..", "...", "a", "A", "b.txt", "con", "CON.txt", "com1", "com", "nul ", "x ", "é", "e\u0301"]
    ),
    st.text(alphabet="aAB.-_ \0\n\x7f<\\*é\ud800ß", max_size=4),
    st.sampled_from(["a" * PATH_LIMIT, "a" * (PATH_LIMIT - 1)]),
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)


def is_sound(path: str) -> bool:
    """The rule of the format, as it is written."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return False
    return size <= PATH_LIMIT and "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


@given(PATHS)
def test_a_path_is_judged_by_the_rule(path: str) -> None:
    """There is something wrong with a path exactly if it breaks the format's rule."""
    assert is_sound(path) == (path_problem(path) is None)


@given(st.lists(PATHS, min_size=1, max_size=4))
def test_many_paths_are_usual_only_if_each_is_sound(paths: list[str]) -> None:
    """A look at many paths at once lets no unsound one through."""
    assert not are_usual(paths) or all(map(is_sound, paths))


@given(st.lists(PATHS, min_size=1, max_size=4))
def test_many_paths_are_portable_only_if_each_is(paths: list[str]) -> None:
    """A look at many paths at once lets none through that another system could not hold."""
    assert not are_portable(paths) or not any(map(portability_problem, paths))


def test_a_look_at_usual_paths_is_enough() -> None:
    """What files are usually called is found sound and portable without a look at each."""
    paths = ["a", "a/b.txt", "0001/000123", "Makefile", ".gitignore", "a/console.py", "comma", "a b/c-d_e", "x..y"]
    assert are_usual(paths)
    assert are_portable(paths)


@given(st.sets(PATHS.filter(is_sound), max_size=6))
def test_collisions_are_those_of_folded_paths(paths: set[str]) -> None:
    """A folder has collisions exactly if two different paths or folders are one when case and form are taken away."""
    every = {"/".join(path.split("/")[:count]) for path in paths for count in range(1, path.count("/") + 2)}
    folded = {unicodedata.normalize("NFC", part).casefold() for part in every}
    assert (len(folded) < len(every)) == bool(case_collisions(sorted(paths)))

"""Where links lead, worked out without a file system."""

import errno
import os
import tempfile

from hypothesis import example, given
from hypothesis import strategies as st

from ledger.blobs.files.folders import is_inside
from ledger.blobs.files.links import leads_out, link_problem

PATHS = ["a", "b", "c/a", "c/b", "c/d/a"]
targets = st.lists(st.sampled_from(["a", "b", "c", "d", "..", ".", "e"]), min_size=1, max_size=6).map("/".join)


@given(st.dictionaries(st.sampled_from(PATHS), targets, min_size=1))
@example({"a": "c/d/a/../..", "c/d/a": "."})
@example({"a": "a/..", "b": "d/../a/.."})
def test_links_lead_where_the_file_system_says(links: dict[str, str]) -> None:
    """Links lead out of a folder exactly if they do on the disk, but where they go in circles, which lead nowhere."""
    links = {path: target for path, target in links.items() if link_problem(path, target) is None}
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(os.path.realpath(folder), "r")
        os.makedirs(os.path.join(root, "c", "d"))
        for path, target in links.items():
            os.symlink(target, os.path.join(root, path))
        for path in links:
            is_within = is_inside(root, full := os.path.join(root, path))
            if not goes_in_circles(root, full):
                assert is_within is not leads_out(path, links)


def goes_in_circles(root: str, path: str) -> bool:
    """Whether the system gives up following a path; folders that it misses on the way are made first."""
    while True:
        try:
            os.stat(path)
        except FileNotFoundError:
            missing = first_missing(path)
            if not missing.startswith(root + os.sep):
                return False
            os.mkdir(missing)
        except OSError as error:
            return error.errno == errno.ELOOP
        else:
            return False


def first_missing(path: str) -> str:
    """The first place on the way to a path where nothing is."""
    try:
        os.path.realpath(path, strict=True)
    except FileNotFoundError as error:
        return str(error.filename)
    raise AssertionError(path)

"""The files of a version as folders."""

import pytest

from ledger.errors import PathNotFoundError
from ledger.filesystem.folders import VersionFolders
from ledger.records import FileEntry


def folders_of(*paths: str, links: dict[str, str] | None = None) -> VersionFolders:
    targets = links or {}
    files = [FileEntry(path=path, size=1) for path in paths]
    files += [FileEntry(path=path, size=len(target), kind="link") for path, target in targets.items()]
    files.append(FileEntry(path="empty/folder", size=0, kind="directory"))
    return VersionFolders(files, lambda link: targets[link.path])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ["a.csv", "empty", "sub"]),
        ("sub", ["sub/b.csv", "sub/deep"]),
        ("sub/deep", ["sub/deep/c.csv"]),
        ("empty", ["empty/folder"]),
        ("empty/folder", []),
        ("a.csv", None),
        ("nothing", None),
    ],
)
def test_folders_list_what_lies_in_them(path: str, expected: list[str] | None) -> None:
    """Folders are known by the files below them, and empty ones by themselves."""
    assert expected == folders_of("a.csv", "sub/b.csv", "sub/deep/c.csv").children(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("link", "sub/b.csv"),
        ("folder/b.csv", "sub/b.csv"),
        ("sub/up/a.csv", "a.csv"),
        ("twice", "sub/b.csv"),
        ("dangling", "gone"),
        ("outside", "etc/passwd"),
    ],
)
def test_links_are_followed_inside(path: str, expected: str) -> None:
    """Files, folders on the way, links to links; whatever a target says, it leads to a path of the content."""
    links = {"link": "sub/b.csv", "folder": "sub", "sub/up": "..", "twice": "link", "dangling": "gone"}
    links["outside"] = "../../../etc/passwd"
    folders = folders_of("a.csv", "sub/b.csv", links=links)
    assert expected == folders.follow(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", ""), ("sub", "sub"), ("folder", "folder"), ("folder/link", "sub/link"), ("sub/up/folder", "folder")],
)
def test_a_link_lies_where_the_links_on_the_way_lead(path: str, expected: str) -> None:
    """A path through links has one place, and is not followed itself."""
    links = {"folder": "sub", "sub/up": "..", "sub/link": "b.csv"}
    assert expected == folders_of("sub/b.csv", links=links).place(path)


@pytest.mark.parametrize("path", ["a.csv/..", "nothing/..", "a.csv/../a.csv", "link/../a.csv"])
def test_nothing_lies_above_what_is_no_folder(path: str) -> None:
    """As on a disk, ``..`` behind a file, or behind nothing, leads nowhere; behind a folder it leads up."""
    folders = folders_of("a.csv", "sub/b.csv", links={"link": "a.csv", "folder": "sub"})
    found = folders.follow(path)
    assert (None, None) == (folders.file(found), folders.children(found))
    assert ["a.csv", "a.csv"] == [folders.follow(each) for each in ("sub/../a.csv", "folder/../a.csv")]


def test_a_link_over_what_is_no_folder_leads_nowhere() -> None:
    """The target of a link is followed as a path is: ``..`` behind nothing in it leads nowhere."""
    folders = folders_of("a.csv", links={"link": "nothing/../a.csv"})
    found = folders.follow("link")
    assert (None, None) == (folders.file(found), folders.children(found))


def test_many_ways_up_are_followed_once() -> None:
    """However often a path goes up, each part of it is looked at once: two thousand take no time."""
    folders = folders_of("sub/b.csv")
    assert "sub/b.csv" == folders.follow("sub/../" * 2000 + "sub/b.csv")


def test_links_in_circles_lead_nowhere() -> None:
    """Links that lead to each other are an error and not a hang."""
    links = {"a": "b", "b": "a"}
    with pytest.raises(PathNotFoundError, match="'a' leads through more than 40 links"):
        folders_of(links=links).follow("a")

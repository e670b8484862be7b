"""Where the links of a content may lead: to what lies in its folder, wherever that is put.

Pure. A target is judged by itself when a folder is saved, and again whenever a link is handed out, because a content
may have come from anybody. Two links that are harmless alone can lead out of the folder together, so each is also
followed through the others.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ledger.errors import IntegrityError

LEADS_OUT: Final = "which leads out of the folder through another link"

MOST_LINKS: Final = 40
"""How many links are followed on one path; as many as Linux follows before it calls them a loop."""

_MOST_BYTES = 4096  # of a path, on any system


class Followed(NamedTuple):
    """What a path leads to, ``None`` if through more than `MOST_LINKS`; and whether the way there leaves the top.

    A ``..`` that would leave the top stays in it, as at the root of a file system.
    """

    path: str | None
    leads_out: bool


def link_problem(path: str, target: str) -> str | None:
    """Why the link at ``path`` of a content may not point to ``target``, or ``None``."""
    try:
        target.encode()
    except UnicodeEncodeError:
        return f"a link to {target!r}, which is not valid Unicode"
    if not target or "\0" in target:
        return f"a link to {target!r}"
    if os.path.isabs(target):
        return f"a link to the absolute path {target!r}"
    joined = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return f"a link to {target!r}, outside of the folder" if joined.split("/")[0] == ".." else None


def check_size(path: str, size: int, label: str) -> None:
    """Refuse a link whose target is longer than any path, before anybody reads it; `IntegrityError`."""
    if size > _MOST_BYTES:
        raise bad_link(path, f"a link to a path of {size} bytes", label)


def link_target(path: str, data: bytes, label: str) -> str:
    """The target of a link of a content, from its bytes; `IntegrityError` for one that no writer saves."""
    try:
        target = data.decode()
    except UnicodeDecodeError as error:
        raise bad_link(path, "a link whose target is not UTF-8", label) from error
    problem = link_problem(path, target)
    if problem is not None:
        raise bad_link(path, problem, label)
    return target


def check_targets(links: Mapping[str, bytes], label: str) -> None:
    """Judge all links of a content, by path and bytes, as restoring does; `IntegrityError` at the first bad one."""
    targets = {path: link_target(path, data, label) for path, data in links.items()}
    for path, target in targets.items():
        if leads_out(path, targets):
            raise bad_link(path, f"a link to {target!r}, {LEADS_OUT}", label)


def leads_out(path: str, targets: Mapping[str, str]) -> bool:
    """Whether the way from the top to a path leaves it, with links followed to their targets."""
    return follow_links(path, targets.get).leads_out


def follow_links(
    path: str, target_of: Callable[[str], str | None], is_folder: Callable[[str], bool] | None = None
) -> Followed:
    """Where a path leads from the top; ``target_of`` says where the link at a path points to, if there is one.

    If ``is_folder`` is given, ``..`` behind what is no folder leads nowhere: to a path that ends in it.
    """
    here: list[str] = []
    ahead = path.split("/")[::-1]
    links, leads_out = 0, False
    while ahead:
        part = ahead.pop()
        if part == "..":
            if is_folder is not None and not is_folder("/".join(here)):
                return Followed("/".join([*here, part]), leads_out)
            leads_out = leads_out or not here
            del here[-1:]
        elif part not in ("", "."):
            here.append(part)
            target = target_of("/".join(here))
            if target is not None:
                links += 1
                if links > MOST_LINKS:
                    return Followed(None, leads_out)
                here.pop()
                ahead += target.split("/")[::-1]
    return Followed("/".join(here), leads_out)


def bad_link(path: str, problem: str, label: str) -> IntegrityError:
    """The error for a link that only somebody else's program can have saved; its fact ``link`` tells it from damage."""
    return IntegrityError(f"{label}: {path!r} is {problem}, which no writer saves", link=path)

"""Which remote a history is shared through, and how its URL is shown."""

import io
import re
from pathlib import Path

import msgspec

from ledger.disk import SMALL, is_folder, read_file, storage_errors
from ledger.errors import ArgumentError, ConfigError
from ledger.history.git.repository import PACKS
from ledger.wording import without_secrets

PUBLISHED = "origin"
"""The remote whose numbers are published: what it held under a number, it holds for ever."""

FILE = "file://"

_GIT_ENDS = ("/.git", "", ".git")
"""What Git appends to a path to find the repository there, in this order."""

_PASSWORD = re.compile(r"(?::/|^https?:)/[^/\s:@]*:[^/\s]+@")
_HTTP_QUERY = re.compile(r"https?://[^#]*\?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


class Remote(msgspec.Struct, frozen=True):
    """A remote: its name here, and the URL that Git is given."""

    name: str
    url: str

    def __str__(self) -> str:
        return f"{self.name} ({without_secrets(self.url)})"


def is_remote_name(text: str) -> bool:
    """Whether a text may name a remote: a word that neither Git nor a shell takes for anything else."""
    return _NAME.fullmatch(text) is not None


def check_remote(name: str, url: str) -> Remote:
    """The remote of a name and URL; raises `ArgumentError` where either could mean something else to Git."""
    if not is_remote_name(name):
        plain = without_secrets(name)
        raise ArgumentError(f"remote name {plain!r} is not 1 to 64 of letters, digits, '_' and '-'", name=plain)
    if not url.isprintable():
        raise ArgumentError(
            f"the URL {without_secrets(url)!r} of remote {name!r} is not one to share through: it holds characters "
            "that cannot be printed",
            hint="rename the folder that has them, or use the path of a link to it",
            name=name,
        )
    if not url or url.startswith("-") or "::" in url.split("/", maxsplit=1)[0]:
        raise ArgumentError(
            f"the URL {without_secrets(url)!r} of remote {name!r} is not one to share through",
            hint="use a path, or a URL such as https://host/team/ledger.git or git@host:team/ledger.git",
            name=name,
        )
    if url != url.strip() and not url.startswith(("/", FILE)):
        raise ArgumentError(
            f"the URL {without_secrets(url)!r} of remote {name!r} begins or ends with white space", name=name
        )
    return Remote(name, url)


def refuse_secrets(url: str) -> None:
    """Raise `ArgumentError` for a URL with a password or a query, before it is written anywhere.

    For passwords Git has the same rule, but leaves it to the user to switch on: ``transfer.credentialsInUrl=die``.
    A query is how signatures and tokens are given.
    """
    if _HTTP_QUERY.match(url):
        raise ArgumentError(
            f"the URL {without_secrets(url)!r} was given with a query, which is kept in no settings",
            hint="leave the query out; Git asks its credential helper for a password or token (git help credentials)",
        )
    if _PASSWORD.search(url):
        raise ArgumentError(
            f"the URL {without_secrets(url)!r} was given with a password, which is kept in no settings",
            hint="leave the password out; Git asks its credential helper for it (git help credentials)",
        )


def path_in(url: str) -> str:
    """The path that a ``file://`` URL means, as Git reads it, which takes no notice of a host in it.

    Empty where the URL has no path; any other text is given back as it is.
    """
    if not url.startswith(FILE):
        return url
    from urllib.parse import unquote

    _, slash, path = url.removeprefix(FILE).partition("/")
    return unquote(slash + path)


def repository_at(path: Path) -> Path | None:
    """The repository that Git finds at a path, which may lack the ``.git`` at its end; ``None`` where there is none."""
    return next((Path(f"{path}{end}") for end in _GIT_ENDS if is_folder(f"{path}{end}/{PACKS}")), None)


def remote_url(git_dir: Path, remote: str) -> str | None:
    """The URL of a remote in Git's own configuration, without user or password, or ``None`` where there is none.

    Files that the configuration includes are not read: a ledger may come from anybody, and its configuration may name
    any file. Raises `ConfigError` for a configuration that Git could not read either.
    """
    from dulwich.config import ConfigFile

    path = git_dir / "config"
    with storage_errors(path, "read"):
        data = read_file(path, most=SMALL)
    try:
        name = remote.encode(errors="surrogatepass")  # one that no file has is no fault of this file
        url = ConfigFile.from_file(io.BytesIO(data), expand_includes=False).get((b"remote", name), b"url")
    except KeyError:
        return None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", path=str(path)) from error
    return without_secrets(url.decode(errors="replace"))

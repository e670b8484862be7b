"""Which remote a history is shared through, as Git's own configuration of it says."""

import re
from pathlib import Path

from ledger.disk import storage_errors
from ledger.errors import ConfigError

_USERINFO = re.compile(r"(?<=://)[^/@]*@")


def remote_url(git_dir: Path, remote: str = "origin") -> str | None:
    """The URL of a remote, without any user or password in it, or ``None`` where there is no such remote.

    Raises `ConfigError` for a configuration that Git could not read either.
    """
    from dulwich.config import ConfigFile

    path = git_dir / "config"
    with storage_errors(path, "read"):
        try:
            url = ConfigFile.from_path(str(path)).get((b"remote", remote.encode()), b"url")
        except KeyError:
            return None
        except ValueError as error:
            raise ConfigError(f"{path}: {error}", path=str(path)) from error
    return _USERINFO.sub("", url.decode(errors="replace"))

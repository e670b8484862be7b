"""Where data to register lies, as users and handles write it: a path or a ``file://`` URL.

Decides what a text means and nothing else; whether the place is inside the store is decided
where the data is linked. A URL in an error is shown without the parts that may be secret.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ledger.errors import OutsideStoreError

_FILE = "file://"


def local_path(uri: str | Path, *, store: str) -> Path:
    """The path of a plain path or of a file URL, quoted or as `ArtifactVersion.uri` writes it.

    Raises `OutsideStoreError` for any other URL; ``store`` is what the error says it is outside of.
    """
    text = str(uri)
    if text.startswith(_FILE):
        plain = text.removeprefix(_FILE)
        return Path(plain if os.path.lexists(plain) else unquote(plain))
    if isinstance(uri, str) and "://" in text:
        parts = urlsplit(text)
        public = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise OutsideStoreError(
            f"cannot register {public} in the artifact store {store}: only local data can be linked",
            hint="download it and save_artifact(Path(...)), which copies it",
            path=public,
            store=store,
        )
    return Path(text)

"""Where data to register lies, as users and handles write it: a path, a ``file://`` URL, or one below the store's.

Decides what a text means and nothing else; whether the place is inside the store is decided
where the data is linked. A URL in an error is shown without the parts that may be secret.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from ledger.disk import given_text
from ledger.errors import OutsideStoreError
from ledger.lookup import folder_of

_WHAT = "data to register"


def local_path(uri: str | Path, *, store: str) -> Path:
    """The path of a plain path or of a file URL, quoted or as `ArtifactVersion.uri` writes it.

    Raises `OutsideStoreError` for any other URL; ``store`` is what the error says it is outside of.
    """
    text = given_text(uri, _WHAT)
    if isinstance(uri, Path) or "://" not in text:
        return Path(os.path.expanduser(text))
    plain = folder_of(text)
    if plain is None:
        raise _outside(_public(text), store, "only data inside it can be linked")
    return Path(plain if os.path.lexists(plain) else unquote(plain))


def key_below(uri: str | Path, *, store: str) -> str:
    """The path that a URL names below ``store``, the URL of the store; nothing in it is decoded.

    Raises `OutsideStoreError` for any other place.
    """
    text = given_text(uri, _WHAT)
    if not text.startswith(f"{store}/"):
        # pathlib leaves one of the two slashes of a URL, and the URL of a store is kept without its user.
        text = re.sub(r"^([a-z0-9+]+):/(?!/)", r"\1://", text)
        text = re.sub(r"^([a-z0-9+]+://)[^/]*@", r"\1", text)
    if not text.startswith(f"{store}/"):
        raise _outside(_public(text), store, "it does not lie inside")
    # Nothing is unquoted: in a key, # and ? are letters like others.
    return text.removeprefix(f"{store}/").rstrip("/")


def _public(url: str) -> str:
    """A URL without user, password and query; a plain path as it is."""
    if "://" not in url:
        return url
    protocol, _, rest = re.split("[?#]", url, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{protocol}://{host.rpartition('@')[2]}{slash}{path}"


def _outside(place: str, store: str, problem: str) -> OutsideStoreError:
    return OutsideStoreError(
        f"cannot register {place} in the artifact store {store}: {problem}",
        hint="bring it to the local disk and save_artifact(Path(...)), which copies it",
        path=place,
        store=store,
    )

"""Files that a pickle names and does not hold.

A value that a library reads from a file bit by bit, such as a dataset that was opened and not loaded, is pickled as the
path of that file. It cannot be used any more once the file is gone, and the person who saves it should know.
"""

import os
from itertools import islice
from pathlib import PurePath
from types import CodeType
from typing import Any

_PICKLE_LIMIT = 4 << 20
"""Bytes: what a larger pickle has met is not gone through."""

_PATHS_LIMIT = 1000
"""How many texts are looked up as paths."""


def named_file(pickler: Any, size: int) -> str | None:
    """The first file or folder that a pickle of ``size`` bytes names by its path; None if it names none that exists.

    A text without a folder, and what lies in the root, such as ``/`` itself, is not taken for a path. Nor is the source
    of a function that is pickled whole, which the function names.
    """
    if size > _PICKLE_LIMIT:
        return None
    met = [held for _, held in pickler.memo.copy().values()]
    sources = {held.co_filename for held in met if isinstance(held, CodeType)}
    texts = (str(held) for held in met if type(held) is str or isinstance(held, PurePath))
    paths = (text for text in texts if text not in sources and os.path.dirname(text) not in ("", "/"))
    return next(filter(os.path.exists, islice(paths, _PATHS_LIMIT)), None)

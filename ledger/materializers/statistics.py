"""What to note about numbers, words and columns, in bounded memory.

Pure functions. Large arrays are read in blocks, because the usual formula
for a standard deviation makes a copy as large as the array.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 1 << 16  # numbers: what is worked out of them on the way stays in a processor's cache
_TEXT_BLOCK = 1 << 12  # texts: each may be long
_WORDS_LIMIT = 1 << 18  # different ones, some 40 MB of memory
_LABEL_LIMIT = 255  # of a key of metadata


def describe_columns(columns: Iterable[tuple[object, object, dict[str, Any]]]) -> dict[str, Any]:
    """What is noted of a table by column, from the label, the type and the statistics of each.

    Of columns whose labels read alike the second is ``label.1``, as pandas calls it where it reads a file.
    """
    noted: dict[str, Any] = {"dtype": {}}
    alike: Counter[str] = Counter()
    for label, dtype, statistics in columns:
        key = text = str(label)[:_LABEL_LIMIT] or "''"
        while key in noted["dtype"]:
            alike[text] += 1
            mark = f".{alike[text]}"
            key = text[: _LABEL_LIMIT - len(mark)] + mark
        for what, value in {"dtype": str(dtype), **statistics}.items():
            noted.setdefault(what, {})[key] = value
    return noted


def describe_numbers(array: "np.ndarray[Any, Any]", *, hidden: "np.ndarray[Any, Any] | None") -> dict[str, Any]:
    """``mean``, ``std``, ``min`` and ``max`` of an array of integers or floats; nothing of an empty one.

    ``hidden`` says of each number whether it is left out.
    """
    import numpy as np

    count = array.size if hidden is None else array.size - int(np.count_nonzero(hidden))
    if not count:
        return {}

    def blocks() -> "Iterator[np.ndarray[Any, Any]]":
        arrays = [array] if hidden is None else [array, hidden]
        # In the order of memory; what is not contiguous is copied a block at a time.
        with np.nditer(
            arrays, ["external_loop", "buffered"], [["readonly"]] * len(arrays), order="K", buffersize=_BLOCK
        ) as steps:
            step: Any
            for step in steps:
                block = step if hidden is None else step[0][~step[1]]
                if block.size:
                    yield block

    wide = np.result_type(array.dtype, np.float64)
    with np.errstate(all="ignore"):
        mean = sum(float(block.sum(dtype=wide)) for block in blocks()) / count
        squares = sum(float(np.square(block.astype(wide) - mean).sum()) for block in blocks())
        low = np.min([block.min() for block in blocks()]).item()
        high = np.max([block.max() for block in blocks()]).item()
    return {"mean": mean, "std": math.sqrt(squares / count), "min": low, "max": high}


def describe_words(array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """How many words an array of texts has, and which is the most common; nothing for none and for very many."""
    words: Counter[str | bytes] = Counter()
    line: Any = b"\n" if array.dtype.kind == "S" else "\n"
    for start in range(0, array.size, _TEXT_BLOCK):
        texts = array.flat[start : start + _TEXT_BLOCK].tolist()
        # Joined as lines, split and counted in one go: an array may have very many.
        words.update(line.join(texts).split())
        if len(words) > _WORDS_LIMIT:
            return {}
    if not words:
        return {}
    ((word, count),) = words.most_common(1)
    return {
        "unique_words": len(words),
        "total_words": words.total(),
        "most_common_word": word if isinstance(word, str) else repr(word),
        "most_common_count": count,
    }

"""What to note about numbers and words, in bounded memory.

Pure functions of numpy arrays. Large arrays are read in blocks, because the usual formula
for a standard deviation makes a copy as large as the array.
"""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 1 << 20


def describe_numbers(array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """``mean``, ``std``, ``min`` and ``max`` of integers or floats; nothing for other or empty arrays."""
    import numpy as np

    if array.dtype.kind not in "iuf" or array.size == 0:
        return {}
    flat = array.ravel(order="K")
    blocks = [flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK)]
    wide = np.result_type(array.dtype, np.float64)
    with np.errstate(all="ignore"):
        mean = sum(float(block.sum(dtype=wide)) for block in blocks) / flat.size
        squares = sum(float(np.square(block.astype(wide) - mean).sum()) for block in blocks)
        low, high = flat.min().item(), flat.max().item()
    return {"mean": mean, "std": math.sqrt(squares / flat.size), "min": low, "max": high}


def describe_words(array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """How many words an array of texts has, and which is the most common; nothing for one without words."""
    texts = array.ravel().tolist()
    words = Counter(word for text in texts for word in (text if isinstance(text, str) else repr(text)).split())
    if not words:
        return {}
    ((word, count),) = words.most_common(1)
    return {
        "unique_words": len(words),
        "total_words": words.total(),
        "most_common_word": word,
        "most_common_count": count,
    }

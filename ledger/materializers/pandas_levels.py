"""The levels of a `MultiIndex`: the labels of each, in the order of the rows, and the order of its different values.

pandas makes a `MultiIndex` again from the labels of its levels, but orders the different values of each by itself and
guesses their dtypes. Both matter, since ``unstack`` makes columns of these values. So where pandas would arrive at
another order or dtype, a level has an *order* beside it: for each of its values, in their own order, the place where
pandas puts it. Values that no label uses are dropped, as ``unstack`` drops them.
"""

from typing import TYPE_CHECKING, Any

from ledger.materializers.atoms import Json
from ledger.materializers.pandas_dtypes import comes_back

if TYPE_CHECKING:
    import pandas as pd

_FLOAT_LIMIT = 2**53  # beyond it not every whole number is a float


def level_values(labels: "pd.Index[Any]") -> "list[pd.Index[Any]]":
    """The labels of each level, in the order of the levels; an index that is no `MultiIndex` counts as one level."""
    # pandas takes a number for a level's name if a level is called so: without names, a number means the place.
    unnamed = labels.set_names([None] * labels.nlevels)
    return [_values_of_level(unnamed, place).rename(name) for place, name in enumerate(labels.names)]


def encode_orders(labels: "pd.MultiIndex") -> dict[str, Json]:
    """The orders of the levels, each ``[places, dtype]`` or ``None``; nothing where all are what pandas makes them.

    The dtype is ``None`` where it is the one that pandas guesses, which it is not where whole numbers or truth values
    stand beside a missing one; and where its name does not lead back to it, as with sparse ones.
    """
    import pandas as pd

    labels = labels.remove_unused_levels()
    values = level_values(labels)
    levels = zip(labels.levels, values, strict=True)
    if all(level.is_monotonic_increasing and level.dtype == held.dtype for level, held in levels):
        return {}
    guessed = pd.MultiIndex.from_arrays(values).remove_unused_levels()
    orders = [_order(*pair) for pair in zip(guessed.levels, labels.levels, strict=True)]
    return {"orders": orders} if any(orders) else {}


def with_orders(labels: "pd.MultiIndex", orders: Json) -> "pd.MultiIndex":
    """The same labels, with the values of each level as `encode_orders` wrote them."""
    import numpy as np
    import pandas as pd

    if orders is None:
        return labels
    labels = labels.remove_unused_levels()
    levels, codes = list(labels.levels), list(labels.codes)
    for number, order in enumerate(orders):
        if order is not None:
            places, dtype = order
            level = levels[number].take(places)
            levels[number] = level.astype(dtype or level.dtype)
            # The place of each old code; the last one is that of a missing value, which is -1.
            codes[number] = np.append(np.argsort(places), -1)[codes[number]]
    return pd.MultiIndex(levels=levels, codes=codes, names=labels.names)


def _order(guessed: "pd.Index[Any]", actual: "pd.Index[Any]") -> Json:
    """The order of a level's values, and their dtype; ``None`` where pandas guesses both, or has other values."""
    places = guessed.get_indexer_for(actual).tolist()  # finds intervals that overlap, too
    if sorted(places) != list(range(len(guessed))):
        return None
    name = str(actual.dtype)
    dtype = name if guessed.dtype != actual.dtype and comes_back(actual.dtype, name) else None
    return [places, dtype] if dtype or places != sorted(places) else None


def _values_of_level(labels: "pd.Index[Any]", place: int) -> "pd.Index[Any]":
    """The labels of one level, as pandas has them unless that changes their values.

    Whole numbers beside a missing label are floats to pandas. Where one is too large for a float, they stay whole.
    """
    import pandas as pd

    values = labels.get_level_values(place)
    if not isinstance(labels, pd.MultiIndex) or getattr(values.dtype, "kind", "O") != "f":
        return values
    level = labels.levels[place]
    if level.dtype.kind not in "iu" or not any(abs(int(number)) > _FLOAT_LIMIT for number in level):
        return values
    kept = level.astype("UInt64" if level.dtype.kind == "u" else "Int64")
    return kept.take(labels.codes[place], fill_value=pd.NA)

"""Dtypes of pandas as JSON: data that pandas, or Arrow, parses.

    "int64", "period[D]", …                        any other dtype: its name
    ["string", storage, "NA" or "nan"]             texts: how they are kept, and what a missing one is
    {"arrow": its name, "type": Arrow's own form}  a type of Arrow

Not every dtype is found again by its name: whoever writes one asks `comes_back` first.
"""

from typing import Any

from ledger.materializers.arrow_types import decode_arrow_type, encode_arrow_type
from ledger.materializers.atoms import Json
from ledger.materializers.moments import refuse_zone_of_file

_STORAGE_OF_2_2 = "pyarrow_numpy"
"""What pandas 2.2 calls Arrow's texts that are NaN where they are missing; from 2.3 on ``na_value`` tells them."""


def encode_dtype(dtype: Any) -> Json:
    """What is written of a dtype."""
    import pandas as pd

    if isinstance(dtype, pd.ArrowDtype):
        return encode_arrow_type(dtype.pyarrow_dtype)
    if isinstance(dtype, pd.StringDtype):
        return ["string", dtype.storage, "nan" if dtype.na_value is not pd.NA else "NA"]
    return str(dtype)


def decode_dtype(held: Json) -> Any:
    """The dtype that was written."""
    import pandas as pd

    if isinstance(held, str):
        refuse_zone_of_file(held)
        return pd.api.types.pandas_dtype(held)
    if isinstance(held, dict):
        return pd.ArrowDtype(decode_arrow_type(held))
    _, storage, missing = held
    return pd.StringDtype(storage) if missing == "NA" else _texts_missed_as_nan(storage)


def comes_back(dtype: Any, held: Json) -> bool:
    """Whether what was written of a dtype leads back to it."""
    try:
        return bool(decode_dtype(held) == dtype)
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        return False


def _texts_missed_as_nan(storage: str) -> Any:
    """The dtype of texts whose missing values are NaN; before pandas 2.3 that is ``object``, except for Arrow's."""
    import pandas as pd

    is_of_2_2 = storage == _STORAGE_OF_2_2
    try:
        return pd.StringDtype("pyarrow" if is_of_2_2 else storage, na_value=float("nan"))
    except TypeError:  # pandas before 2.3
        return pd.StringDtype(storage) if is_of_2_2 else pd.api.types.pandas_dtype("object")

"""Converts between Arrow and NumPy without pandas.

pyarrow imports pandas, which takes longer than a search, whenever it converts something, to see whether it came from
there. What goes by buffers (DLPack; the memory itself) has nothing to be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def numbers(column: Any) -> np.ndarray:
    """A pyarrow array or column of numbers or truth values, none of them null, as an array (n,); not to be written."""
    import pyarrow as pa

    if not len(column):
        return np.empty(0, column.type.to_pandas_dtype())
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        raise ValueError(f"{array.null_count} of {len(array)} values are null")
    if pa.types.is_boolean(array.type):
        return np.from_dlpack(array.cast(pa.uint8())).view(bool)
    found: np.ndarray = np.from_dlpack(array)
    return found


def row_indices(rows: np.ndarray) -> Any:
    """Places of rows as pyarrow's `take` wants them."""
    import pyarrow as pa

    rows = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])

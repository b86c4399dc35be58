"""pandas, where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Mapping

from .errors import IsocostError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame"]


def frame(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> "pd.DataFrame":
    """The rows as a frame with these columns first, then any others in the order they come. What a row lacks is NaN or None, never 0."""
    try:
        import pandas as pd
    except ImportError:
        raise IsocostError("frames want pandas", "pip install pandas") from None
    listed = list(rows)
    others = {k: None for r in listed for k in r if k not in columns}
    return pd.DataFrame(listed, columns=[*columns, *others])

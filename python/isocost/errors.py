"""Errors that carry something to do."""

from __future__ import annotations

__all__ = ["IsocostError", "ProgramError"]


class IsocostError(Exception):
    """An error of this package; ``hint`` says what to do about it, ``""`` where nothing is known."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint

    def __str__(self) -> str:
        what = super().__str__()
        return f"{what} (hint: {self.hint})" if self.hint else what


class ProgramError(IsocostError):
    """One of the programs ended with an exit code that says it failed.

    ``code`` is 1 (failed), 2 (wrong use) or 130 (interrupted); ``stderr`` is all it said.
    """

    def __init__(self, what: str, hint: str, code: int, stderr: str) -> None:
        super().__init__(what, hint)
        self.code = code
        self.stderr = stderr

"""Reads the JSON files of the programs, each of which names its format first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

from .errors import IsocostError

__all__ = ["read_json", "read_lines"]


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number of JSON")


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_constant=_refuse)
    except ValueError as err:
        raise IsocostError(f"{where}: {err}", "the file was cut off or changed: copy or write it again") from None
    if not isinstance(data, dict):
        raise IsocostError(f"{where}: not a JSON object")
    return data


def _check(data: dict[str, Any], where: str, formats: tuple[str, ...]) -> None:
    got = data.get("format")
    if got not in formats:
        raise IsocostError(f"{where}: the format is {got!r}, not {' or '.join(formats)}", "is it the file that was meant?")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise IsocostError(f"{path}: {err}") from None


def read_json(path: Path, *formats: str) -> dict[str, Any]:
    """A file that is one object of one of the formats."""
    data = _parse(_text(path), f"{path}:1")
    _check(data, f"{path}:1", formats)
    return data


def read_lines(path: Path, *formats: str) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Header and entries of a log of one object per line. A torn last line, of a program that was killed, is left out."""
    text = _text(path)
    whole = text.splitlines()
    if whole and not text.endswith("\n"):
        whole.pop()
    if not whole:
        raise IsocostError(f"{path}:1: the file is empty")
    header = _parse(whole[0], f"{path}:1")
    _check(header, f"{path}:1", formats)
    return header, (_parse(line, f"{path}:{n}") for n, line in enumerate(whole[1:], 2))

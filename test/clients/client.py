"""What a client of the lane is: a name, a version, how it is installed, and what it does in every column of the table."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from gateway import Gateway

# The columns of docs/compatibility.md, in its order.
COLUMNS = {
    "small": "small PUT, GET",
    "empty": "0 bytes",
    "multipart": "multipart",
    "resume": "resume, ListParts",
    "range": "Range",
    "list": "LIST, sync",
    "copy": "copy, rename",
    "delete": "bulk delete",
    "conditional": "conditional",
    "checksum": "checksum",
    "special": "special",
}


class Unavailable(Exception):
    """The client cannot be had on this machine; the text says why, without paths."""


@dataclass(frozen=True)
class Differs:
    """Returned by a cell that has asserted a known difference: the reason, as a reader of the table needs it."""

    reason: str


# Returns None when all of it is as with Amazon S3, or what differs; anything raised is a failure.
Cell = Callable[["Gateway"], "Differs | None"]


@dataclass(frozen=True)
class Client:
    name: str
    # Called after `install`.
    version: Callable[[], str]
    # Puts it into .lanes or takes Debian's; does nothing when it is there. Raises Unavailable.
    install: Callable[[], None]
    cells: dict[str, Cell] = field(default_factory=dict)
    # Carries the large tree up, down and compares it: `tree(gateway, carried)`, see carry.py.
    tree: Callable[..., None] | None = None

    def __post_init__(self) -> None:
        unknown = set(self.cells) - set(COLUMNS)
        if unknown:
            raise TypeError(f"{self.name}: expected columns of {sorted(COLUMNS)}, got {sorted(unknown)}")

"""Heads of the chain as files, one a day, to be kept where whoever owns the database cannot reach them."""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec
import psycopg
import structlog
from msgspec import Struct

from holdfast.audit import repository
from holdfast.audit.models import ChainHead
from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown
from holdfast.database.retries import ConnectionLost

LOOK_EVERY_S = 60.0

log = structlog.get_logger()


class HeadUnreadable(Exception):
    """A file that is no published head; the message says which, and why."""


class PublishedHead(Struct, frozen=True, forbid_unknown_fields=True):
    """How many rows were sealed at a moment, the hash over all of them in hexadecimal, and the place of the last one."""

    rows: int
    hash: str
    place: str
    sealed_at: datetime

    @classmethod
    def of(cls, head: ChainHead) -> Self:
        return cls(head.number, head.hash.hex(), str(head.seal.place), head.sealed_at)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises HeadUnreadable."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise HeadUnreadable(f"{path} is no published head: {error}") from error

    def encoded(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class Publisher:
    """Writes the head into a directory, once for each day that it runs. What was published is never written again."""

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory

    async def run(self) -> None:
        """Until cancelled: publish when a new day has begun."""
        while True:
            try:
                await self.publish()
            except (OSError, psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("audit_head_not_published", reason=str(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def publish(self) -> Path:
        """The file of today, in UTC, written now if there is none and anything is sealed."""
        async with self._database.reading() as tx:
            today, head = await repository.business_day(tx), await repository.read_head(tx)
        path = self._directory / f"audit-head-{today.isoformat()}.json"
        if head.number and not path.exists():
            published = PublishedHead.of(head)
            await asyncio.to_thread(_write_once, path, published.encoded())
            # A log that is shipped elsewhere keeps it too.
            log.info("audit_head_published", path=str(path), rows=published.rows, hash=published.hash)
        return path


def _write_once(path: Path, text: bytes) -> None:
    """All of it or nothing, whenever the machine stops; a file that is there already stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A rename would replace what another worker published meanwhile.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

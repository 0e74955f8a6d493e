"""The audit log put together."""

from dataclasses import dataclass
from pathlib import Path

from litestar import Router

from holdfast.audit.controller import router
from holdfast.audit.heads import Publisher
from holdfast.audit.sealer import Sealer
from holdfast.audit.service import AuditService
from holdfast.database import Database
from holdfast.vault import PersonalVault


@dataclass(frozen=True)
class AuditModule:
    service: AuditService
    router: Router
    sealer: Sealer
    publisher: Publisher | None


def build(database: Database, vault: PersonalVault, *, heads: Path | None = None) -> AuditModule:
    """``heads`` is the directory in which the head of the chain is published; None: nowhere."""
    service = AuditService(database, vault)
    publisher = None if heads is None else Publisher(database, heads)
    return AuditModule(service, router(service), Sealer(database), publisher)

"""The audit log put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.audit.controller import router
from holdfast.audit.service import AuditService
from holdfast.database import Database


@dataclass(frozen=True)
class AuditModule:
    service: AuditService
    router: Router


def build(database: Database) -> AuditModule:
    service = AuditService(database)
    return AuditModule(service, router(service))

"""Watching for fraud, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.fraud.controller import router
from holdfast.fraud.handlers import FraudCounts
from holdfast.fraud.rules import KnownRules
from holdfast.fraud.screening import FraudScreening
from holdfast.fraud.service import FraudService
from holdfast.jobs import Job
from holdfast.vault import Vault


@dataclass(frozen=True)
class FraudModule:
    """``screening`` is what payments ask. ``known`` is what this process remembers of the rules."""

    service: FraudService
    screening: FraudScreening
    known: KnownRules
    consumer: FraudCounts
    router: Router
    jobs: Sequence[Job]


def build(database: Database, vault: Vault) -> FraudModule:
    """``vault`` makes cards, devices and networks unreadable before they are counted."""
    known = KnownRules(database)
    service = FraudService(database, known)
    jobs = [Job("fraud.forget_old_counters", service.forget_old_counters, schedule="41 * * * *")]
    return FraudModule(service, FraudScreening(known, vault), known, FraudCounts(), router(service), jobs)

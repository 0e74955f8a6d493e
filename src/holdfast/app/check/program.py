"""Examining an installation: its database, with what its wiring knows beside it."""

from datetime import timedelta

from holdfast.app.check.examination import Examination, examine
from holdfast.app.check.invariants import SETTLED_GRACE
from holdfast.app.wiring import build_program
from holdfast.config import Settings


async def examine_program(settings: Settings, *, settled_grace: timedelta = SETTLED_GRACE) -> Examination:
    """Ask all invariants of an installation, its consumers and its gateways included. Raises Fault."""
    program = build_program(settings)
    try:
        return await examine(
            settings.database_url,
            consumers=[*(consumer.name for consumer in program.consumers), *(follower.name for follower in program.followers)],
            gateways=[program.gateways[name] for name in program.gateways.names()],
            settled_grace=settled_grace,
        )
    finally:
        await program.close()

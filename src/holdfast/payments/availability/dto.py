"""Requests and views of switches."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.payments.availability.models import NOTE_LENGTH_MAX, Standing, Switch, SwitchKind


class SwitchRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Whether it is to be off, and why."""

    is_off: bool
    note: Annotated[str, Meta(min_length=1, max_length=NOTE_LENGTH_MAX, pattern=r"\S", examples=["Their status page says: outage."])]


class SwitchView(Struct, frozen=True, rename="camel"):
    """A gateway or a method that was switched off, or on again."""

    kind: SwitchKind
    name: str
    is_off: bool
    note: str
    changed_at: datetime

    @classmethod
    def of(cls, switch: Switch) -> Self:
        return cls(switch.kind, switch.name, switch.is_off, switch.note, switch.changed_at)


class GatewayView(Struct, frozen=True, rename="camel"):
    """A gateway. ``isOpen``: it did not answer ``failures`` times in a row, and is not asked for a moment."""

    name: str
    is_off: bool
    failures: int
    is_open: bool

    @classmethod
    def of(cls, standing: Standing) -> Self:
        return cls(standing.gateway, standing.is_off, standing.failures, standing.is_open)


class AvailabilityView(Struct, frozen=True, rename="camel"):
    """Every gateway in the order in which they are asked, and every switch that was ever used."""

    gateways: list[GatewayView]
    switches: list[SwitchView]

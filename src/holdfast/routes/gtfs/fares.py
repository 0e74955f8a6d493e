"""What one ride costs: ``fare_attributes.txt`` with ``fare_rules.txt``, or ``fare_products.txt`` with ``fare_leg_rules.txt``."""

import re
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from holdfast.common.money import Amount, minor_units
from holdfast.routes.gtfs.table import Reading, Row
from holdfast.routes.models import BASE_FARE_MAX

_CURRENCY = re.compile(r"[A-Z]{3}")
_PRICE = re.compile(r"\d{1,12}(\.\d{0,6})?|\.\d{1,6}")


class Ride(Struct, frozen=True):
    """A ride along the whole of a route. Zones and areas are those of its first and last stop."""

    route_id: str
    agency_id: str
    network_ids: Collection[str]
    first_zone: str
    last_zone: str
    first_areas: Collection[str]
    last_areas: Collection[str]


class _Rule(Struct, frozen=True):
    """Where a fare applies; empty is anywhere."""

    price: Amount
    agency_id: str = ""
    route_id: str = ""
    network_id: str = ""
    first_zone: str = ""
    last_zone: str = ""
    first_area: str = ""
    last_area: str = ""

    def covers(self, ride: Ride) -> bool:
        return (
            self.agency_id in ("", ride.agency_id)
            and self.route_id in ("", ride.route_id)
            and self.first_zone in ("", ride.first_zone)
            and self.last_zone in ("", ride.last_zone)
            and (not self.network_id or self.network_id in ride.network_ids)
            and (not self.first_area or self.first_area in ride.first_areas)
            and (not self.last_area or self.last_area in ride.last_areas)
        )


class Fares:
    """The fares of a feed. ``areas`` are those of each stop, ``networks`` those of each route."""

    def __init__(self, rules: Sequence[_Rule], areas: Mapping[str, Collection[str]], networks: Mapping[str, Collection[str]]) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.route_id, []).append(rule)
        self.areas = areas
        self.networks = networks

    def of(self, ride: Ride) -> Amount | None:
        """The cheapest fare that covers a ride; None where none does."""
        candidates = [*self._rules.get(ride.route_id, ()), *self._rules.get("", ())]
        return min((rule.price for rule in candidates if rule.covers(ride)), default=None, key=lambda price: (price.minor, price.currency))


def read_fares(reading: Reading, route_ids: Collection[str], agency_ids: Collection[str]) -> Fares:
    rules = _read_attributes(reading, route_ids, agency_ids)
    networks: dict[str, set[str]] = {}
    areas: dict[str, set[str]] = {}
    if reading.has("fare_products.txt") and reading.has("fare_leg_rules.txt"):
        rules += _read_products(reading)
        _read_pairs(reading, "route_networks.txt", "route_id", "network_id", networks)
        _read_pairs(reading, "stop_areas.txt", "stop_id", "area_id", areas)
    return Fares(rules, areas, networks)


def _read_attributes(reading: Reading, route_ids: Collection[str], agency_ids: Collection[str]) -> list[_Rule]:
    prices: dict[str, _Rule] = {}
    if reading.has("fare_attributes.txt"):
        for row in reading.rows("fare_attributes.txt", ["fare_id", "price", "currency_type"]):
            fare_id, price = row.needed("fare_id"), _price(row, "price", "currency_type")
            agency_id = row.text("agency_id")
            if agency_id and agency_id not in agency_ids:
                row.fault(f"there is no agency {agency_id}")
            if fare_id in prices:
                row.fault(f"there is another fare {fare_id} above")
            if fare_id is not None and price is not None:
                prices[fare_id] = _Rule(price, agency_id=agency_id)
            elif fare_id is not None:
                prices.setdefault(fare_id, _Rule(Amount("XXX", 0)))
    if not reading.has("fare_rules.txt"):
        return list(prices.values())
    ruled: set[str] = set()
    rules = []
    for row in reading.rows("fare_rules.txt", ["fare_id"]):
        fare_id, route_id = row.needed("fare_id"), row.text("route_id")
        if route_id and route_id not in route_ids:
            row.fault(f"there is no route {route_id}")
        if fare_id is not None and fare_id not in prices:
            row.fault(f"there is no fare {fare_id}")
        elif fare_id is not None:
            ruled.add(fare_id)
            fare = prices[fare_id]
            rules.append(
                _Rule(fare.price, fare.agency_id, route_id, first_zone=row.text("origin_id"), last_zone=row.text("destination_id"))
            )
    # A fare without rules applies to every ride.
    return rules + [fare for fare_id, fare in prices.items() if fare_id not in ruled]


def _read_products(reading: Reading) -> list[_Rule]:
    """Only what everybody pays: products for some riders only (children, subscribers) are passed over."""
    prices: dict[str, Amount] = {}
    known: set[str] = set()
    for row in reading.rows("fare_products.txt", ["fare_product_id", "amount", "currency"]):
        product_id, price = row.needed("fare_product_id"), _price(row, "amount", "currency")
        if product_id is None:
            continue
        known.add(product_id)
        if price is not None and not row.text("rider_category_id"):
            prices[product_id] = min(prices.get(product_id, price), price, key=lambda amount: amount.minor)
    rules = []
    for row in reading.rows("fare_leg_rules.txt", ["fare_product_id"]):
        product_id = row.needed("fare_product_id")
        if product_id is not None and product_id not in known:
            row.fault(f"there is no fare product {product_id}")
        elif product_id in prices:
            rules.append(
                _Rule(
                    prices[product_id],
                    network_id=row.text("network_id"),
                    first_area=row.text("from_area_id"),
                    last_area=row.text("to_area_id"),
                )
            )
    return rules


def _read_pairs(reading: Reading, file: str, key: str, value: str, into: dict[str, set[str]]) -> None:
    if reading.has(file):
        for row in reading.rows(file, [key, value]):
            found, member = row.needed(key), row.needed(value)
            if found is not None and member is not None:
                into.setdefault(found, set()).add(member)


def _price(row: Row, name: str, currency_name: str) -> Amount | None:
    written, currency = row.needed(name), row.needed(currency_name)
    if currency is not None and not _CURRENCY.fullmatch(currency):
        row.fault(f'{currency_name} "{currency}" is no currency such as EGP')
        return None
    if written is None or currency is None:
        return None
    if not _PRICE.fullmatch(written) or not written.isascii():
        row.fault(f'{name} "{written}" is no price')
        return None
    try:
        minor = minor_units(written, currency)
    except ValueError as error:
        row.fault(f'{name} "{written}": {error}')
        return None
    if minor > BASE_FARE_MAX:
        row.fault(f'{name} "{written}" is more than any fare')
        return None
    return Amount(currency, minor)

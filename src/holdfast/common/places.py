"""Places on the map."""

import math

from msgspec import Struct

from holdfast.common.errors import Invalid

LATITUDE_MAX = 90.0
LONGITUDE_MAX = 180.0
EARTH_RADIUS_M = 6_371_000


class Place(Struct, frozen=True):
    """A point in degrees, WGS 84."""

    latitude: float
    longitude: float


class Box(Struct, frozen=True):
    """A part of the map in degrees that holds a circle. Near a pole or the date line it is as wide as the world."""

    south: float
    north: float
    west: float
    east: float


def read_near(text: str) -> Place:
    """The ``near=lat,lng`` of a query, such as ``30.05,31.24``. Raises Invalid."""
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise Invalid(("near", "Expected latitude,longitude in degrees, such as 30.05,31.24")) from None
    # Written so that NaN is refused too.
    if not (abs(latitude) <= LATITUDE_MAX and abs(longitude) <= LONGITUDE_MAX):
        raise Invalid(("near", "Latitudes lie between -90 and 90, longitudes between -180 and 180"))
    return Place(latitude, longitude)


def box_around(place: Place, radius_m: float) -> Box:
    """The smallest box that holds the circle."""
    height = math.degrees(radius_m / EARTH_RADIUS_M)
    south, north = place.latitude - height, place.latitude + height
    widest = max(abs(south), abs(north))
    if widest >= LATITUDE_MAX:
        return Box(max(south, -LATITUDE_MAX), min(north, LATITUDE_MAX), -LONGITUDE_MAX, LONGITUDE_MAX)
    width = height / math.cos(math.radians(widest))
    west, east = place.longitude - width, place.longitude + width
    if west < -LONGITUDE_MAX or east > LONGITUDE_MAX:
        west, east = -LONGITUDE_MAX, LONGITUDE_MAX
    return Box(south, north, west, east)

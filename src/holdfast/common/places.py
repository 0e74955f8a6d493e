"""Places on the map."""

from msgspec import Struct

from holdfast.common.errors import Invalid

LATITUDE_MAX = 90
LONGITUDE_MAX = 180


class Place(Struct, frozen=True):
    """A point in degrees, WGS 84."""

    latitude: float
    longitude: float


def read_near(text: str) -> Place:
    """The ``near=lat,lng`` of a query, such as ``30.05,31.24``. Raises Invalid."""
    parts = text.split(",")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        raise Invalid(("near", "Expected latitude,longitude in degrees, such as 30.05,31.24")) from None
    if not (abs(latitude) <= LATITUDE_MAX and abs(longitude) <= LONGITUDE_MAX):
        raise Invalid(("near", "Latitudes lie between -90 and 90, longitudes between -180 and 180")) from None
    return Place(latitude, longitude)

"""Redis: never the truth. Everything goes on while it is empty, slow, down or absent."""

from holdfast.cache.cache import Cache
from holdfast.cache.link import RedisLink
from holdfast.cache.marks import Marks

__all__ = ["Cache", "Marks", "RedisLink"]

"""What people read, in their language: catalogues of translations, and how facts are written into a text."""

from holdfast.i18n.catalogue import is_translated, translated
from holdfast.i18n.wording import filled

__all__ = ["filled", "is_translated", "translated"]

"""How a code gets to a phone. It goes out after the commit, and stands in no event and no job."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from holdfast.common.language import Language


class Code(Struct, frozen=True):
    """A code on its way. ``phone`` in E.164, ``language`` that of the person who asked for it."""

    phone: str
    digits: str
    lifetime: timedelta
    language: Language

    @property
    def text(self) -> str:
        """The message as the person reads it."""
        minutes = int(self.lifetime.total_seconds() // 60)
        if self.language is Language.AR:
            return f"رمز الدخول إلى Holdfast هو {self.digits}. صالح لمدة {minutes} دقائق. لا تخبر به أحدًا."
        return f"{self.digits} is your Holdfast sign-in code. It is valid for {minutes} minutes. Do not tell it to anybody."


class CodeSender(Protocol):
    async def send(self, code: Code) -> None:
        """Hand the code over to whoever delivers it. Raises CodeNotSent."""


def _print(line: str) -> None:
    print(line, flush=True)


class ConsoleSender:
    """For development: the code stands on the console."""

    def __init__(self, write: Callable[[str], None] = _print) -> None:
        self._write = write

    async def send(self, code: Code) -> None:
        # Printed, because the log masks codes and phones.
        self._write(f"sign-in code for {code.phone}: {code.digits}")

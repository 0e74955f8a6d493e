"""Messages to phones, through whatever Apprise can reach: Twilio, Vonage, a webhook of one's own."""

from urllib.parse import quote

from apprise import Apprise

from holdfast.auth import Code, CodeNotSent

_PLACE = "{phone}"
_SOME_PHONE = "+201000012345"


class AppriseSender:
    """Sends codes through one service, whose Apprise URL has ``{phone}`` where the receiver belongs."""

    def __init__(self, url: str) -> None:
        """Raises ValueError, without the URL in it, where no message could ever be sent there."""
        self._url = url
        if _PLACE not in url:
            raise ValueError("the Apprise URL needs {phone} where the receiver's number belongs, as in twilio://SID:TOKEN@FROM/{phone}")
        if not len(self._service(_SOME_PHONE)):
            raise ValueError("Apprise knows no service of this kind of URL, or something is missing in it")

    async def send(self, code: Code) -> None:
        """Raises CodeNotSent."""
        if not await self._service(code.phone).async_notify(body=code.text):
            raise CodeNotSent

    def _service(self, phone: str) -> Apprise:
        service = Apprise()
        service.add(self._url.replace(_PLACE, quote(phone, safe="")))
        return service

"""Views of notifications."""

from datetime import datetime
from typing import Self

from msgspec import UNSET, Struct, UnsetType

from holdfast.common.language import Language
from holdfast.common.money import JsonAmount
from holdfast.common.paging import PageRequest, PageView, Pagination
from holdfast.notifications.models import Payload, Told
from holdfast.notifications.service import Inbox
from holdfast.notifications.texts import words_of


class PayloadView(Struct, frozen=True, rename="camel"):
    """What a notification is about: those of these that apply."""

    booking_id: str | UnsetType = UNSET
    session_id: str | UnsetType = UNSET
    payment_id: str | UnsetType = UNSET
    payout_id: str | UnsetType = UNSET
    complaint_id: str | UnsetType = UNSET
    quantity: int | UnsetType = UNSET
    amount: JsonAmount | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET

    @classmethod
    def of(cls, payload: Payload) -> Self:
        return cls(
            booking_id=_shown(payload.booking_id),
            session_id=_shown(payload.session_id),
            payment_id=_shown(payload.payment_id),
            payout_id=_shown(payload.payout_id),
            complaint_id=_shown(payload.complaint_id),
            quantity=UNSET if payload.quantity is None else payload.quantity,
            amount=UNSET if payload.amount is None else JsonAmount(payload.amount),
            currency=UNSET if payload.amount is None else payload.amount.currency,
            reason=_shown(payload.reason),
        )


class NotificationView(Struct, frozen=True, rename="camel"):
    """A notification: its words in the language asked for, and what it is about."""

    id: str
    type: str
    title: str
    body: str
    payload: PayloadView
    is_read: bool
    created_at: datetime

    @classmethod
    def of(cls, told: Told, language: Language) -> Self:
        words = words_of(told, language)
        notification = told.notification
        return cls(
            id=str(notification.id),
            type=notification.type,
            title=words.title,
            body=words.body,
            payload=PayloadView.of(notification.payload),
            is_read=notification.is_read,
            created_at=notification.created_at,
        )


class InboxView(PageView[NotificationView], frozen=True, rename="camel"):
    """One page of notifications. ``unreadCount`` is that of all pages."""

    unread_count: int

    @classmethod
    def showing(cls, inbox: Inbox, request: PageRequest, language: Language) -> Self:
        return cls(
            data=[NotificationView.of(told, language) for told in inbox.page.rows],
            pagination=Pagination(request.limit, inbox.page.next_cursor),
            unread_count=inbox.unread,
        )


class MarkedReadView(Struct, frozen=True, rename="camel"):
    """How many notifications were unread until now."""

    marked_read: int


def _shown(value: object) -> str | UnsetType:
    return UNSET if value is None else str(value)

"""The words of each notification, in Arabic and English, made when it is read."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from holdfast.common.language import Language
from holdfast.common.money import Amount, major_text
from holdfast.notifications.models import Notification, NotificationType, Told
from holdfast.resources.kind import Description


class Words(Struct, frozen=True):
    """What somebody reads. The body may have {seats}, {where} and {amount} to be filled in."""

    title: str
    body: str


AR, EN = Language.AR, Language.EN

TEXTS: Mapping[NotificationType, Mapping[Language, Words]] = {
    NotificationType.BOOKING_CONFIRMED: {
        EN: Words("Booking confirmed", "You have {seats}{where}. Have a good trip."),
        AR: Words("تم تأكيد حجزك", "حجزت {seats}{where}. رحلة سعيدة."),
    },
    NotificationType.BOOKING_CONFIRMED_LATE: {
        EN: Words("Your seats came back", "Your payment came late, but {seats}{where} were still free: they are yours. Have a good trip."),
        AR: Words("عاد إليك حجزك", "وصل دفعك متأخرًا، لكن الأماكن كانت لا تزال خالية: حجزت {seats}{where}. رحلة سعيدة."),
    },
    NotificationType.BOOKING_CANCELLED: {
        EN: Words("Booking cancelled", "You cancelled your booking of {seats}{where}."),
        AR: Words("تم إلغاء حجزك", "ألغيتَ حجز {seats}{where}."),
    },
    NotificationType.BOOKING_EXPIRED: {
        EN: Words("Booking expired", "Your booking of {seats}{where} was not paid for in time, so it was given back."),
        AR: Words("انتهت مهلة حجزك", "لم يُدفع ثمن {seats}{where} في الوقت المحدد، فأُلغي الحجز."),
    },
    NotificationType.SESSION_CANCELLED: {
        EN: Words("Trip called off", "The trip for which you booked {seats}{where} was called off. Whatever you paid is returned in full."),
        AR: Words("أُلغيت الرحلة", "أُلغيت الرحلة التي حجزت فيها {seats}{where}. سيُردّ إليك كل ما دفعته."),
    },
    NotificationType.PAYMENT_REFUSED: {
        EN: Words("Payment refused", "Your payment of {amount} was refused. While your booking is held you can pay again, or another way."),
        AR: Words("رُفضت عملية الدفع", "رُفض دفع {amount}. ما دام حجزك محفوظًا يمكنك الدفع مرة أخرى أو بطريقة أخرى."),
    },
    NotificationType.PAYMENT_REFUNDED: {
        EN: Words("Money returned", "{amount} went back to you the way you paid."),
        AR: Words("تم ردّ المبلغ", "رُدّ إليك {amount} بالطريقة التي دفعت بها."),
    },
    NotificationType.REFUND_DECLINED: {
        EN: Words("Refund delayed", "{amount} could not be returned the way you paid. We still owe it to you and will pay it another way."),
        AR: Words("تأخر ردّ المبلغ", "تعذّر ردّ {amount} بالطريقة التي دفعت بها. المبلغ ما زال حقك وسندفعه إليك بطريقة أخرى."),
    },
    NotificationType.PAYMENT_ALLOWED: {
        EN: Words("You can pay now", "We looked at your payment of {amount}. Nothing was charged; you can pay it now."),
        AR: Words("يمكنك الدفع الآن", "راجعنا دفعتك بمبلغ {amount}. لم يُخصم شيء، ويمكنك دفعها الآن."),
    },
    NotificationType.PAYMENT_DENIED: {
        EN: Words("Payment not possible", "We looked at your payment of {amount} and cannot take it. Pay another way, or write to us."),
        AR: Words("تعذّر قبول الدفع", "راجعنا دفعتك بمبلغ {amount} ولا يمكننا قبولها. ادفع بطريقة أخرى أو راسلنا."),
    },
    NotificationType.SESSION_FULL: {
        EN: Words("All seats sold", "You sold {seats}{where}: every one. You can leave."),
        AR: Words("اكتملت المقاعد", "بِعت {seats}{where}، ولم يبقَ مقعد. يمكنك الانطلاق."),
    },
    NotificationType.SEATS_CAME_BACK: {
        EN: Words("Seats came back", "A booking was cancelled: {seats}{where} can be sold again."),
        AR: Words("عادت مقاعد للبيع", "أُلغي حجز، وعاد للبيع {seats_subject}{where}."),
    },
    NotificationType.PAYOUT_APPROVED: {
        EN: Words("Payout approved", "Approved: {amount} for your trip{where}. It is paid out next."),
        AR: Words("تمت الموافقة على صرف مستحقاتك", "تمت الموافقة على صرف {amount} عن رحلتك{where}، وسيُصرف إليك قريبًا."),
    },
    NotificationType.PAYOUT_PAID: {
        EN: Words("Payout paid", "Paid out to you: {amount} for your trip{where}."),
        AR: Words("تم صرف مستحقاتك", "صُرف إليك {amount} عن رحلتك{where}."),
    },
    NotificationType.PAYOUT_REJECTED: {
        EN: Words("Payout rejected", "Rejected: {amount} for your trip{where}. The reason stands with the payout."),
        AR: Words("رُفض صرف مستحقاتك", "رُفض صرف {amount} عن رحلتك{where}. تجد السبب مع طلب الصرف."),
    },
    NotificationType.PAYOUT_SET_OFF: {
        EN: Words("Payout set off", "What your trip{where} earned made up for what you owed. Your statement shows how."),
        AR: Words("تمت مقاصة مستحقاتك", "ما كسبته رحلتك{where} غطّى ما كان عليك. تجد التفاصيل في كشف حسابك."),
    },
    NotificationType.PAYOUT_RETURNED: {
        EN: Words(
            "Payout came back", "The bank sent back {amount} for your trip{where}. We owe it to you: check your account, then ask again."
        ),
        AR: Words("أعاد البنك مستحقاتك", "أعاد البنك {amount} عن رحلتك{where}. المبلغ ما زال حقك: راجع حسابك ثم اطلب الصرف من جديد."),
    },
    NotificationType.PAYOUT_ACCOUNT_CHANGED: {
        EN: Words("Your bank account was changed", "From now on your money goes to another account. If that was not you, write to us."),
        AR: Words("تغيّر حسابك البنكي", "ستُحوَّل مستحقاتك إلى حساب آخر من الآن. إن لم تكن أنت من غيّره فراسلنا فورًا."),
    },
    NotificationType.DRIVER_APPROVED: {
        EN: Words("You are a driver now", "Your application was approved. Open your first session at a station of your route."),
        AR: Words("أصبحت سائقًا معنا", "قُبل طلبك. يمكنك الآن فتح رحلتك الأولى من إحدى محطات خطك."),
    },
    NotificationType.DRIVER_REJECTED: {
        EN: Words("Application rejected", "The reason stands in your driver profile. Correct what is wrong and apply again."),
        AR: Words("لم يُقبل طلبك", "تجد السبب في ملفك كسائق. صحّح البيانات ثم قدّم الطلب من جديد."),
    },
    NotificationType.COMPLAINT_IN_REVIEW: {
        EN: Words("We are looking into your complaint", "Somebody has taken up your complaint. You will hear from us when it is answered."),
        AR: Words("شكواك قيد المراجعة", "بدأنا مراجعة شكواك، وسنخبرك عند الرد عليها."),
    },
    NotificationType.COMPLAINT_ANSWERED: {
        EN: Words("Your complaint was answered", "Read the answer under your complaints."),
        AR: Words("تم الرد على شكواك", "تجد الرد في صفحة شكاواك."),
    },
    NotificationType.PAYMENT_DISPUTED: {
        EN: Words("Payment disputed", "A payer's bank took {amount} back. Answer the dispute at the gateway before its deadline."),
        AR: Words("اعتراض على عملية دفع", "استردّ بنك أحد العملاء {amount}. ردّ على الاعتراض لدى بوابة الدفع قبل انتهاء المهلة."),
    },
    NotificationType.DISPUTE_LOST: {
        EN: Words("Dispute lost", "The payer's bank keeps {amount}. Whoever had earned it owes it."),
        AR: Words("خسرنا الاعتراض", "احتفظ بنك العميل بمبلغ {amount}، وأصبح دينًا على من كان قد كسبه."),
    },
    NotificationType.DIFFERENCE_OVERDUE: {
        EN: Words("Books differ", "A payment gateway and our books have not agreed for too long. The list of differences says what to do."),
        AR: Words("اختلاف في الحسابات", "تختلف حسابات إحدى بوابات الدفع عن دفاترنا منذ وقت طويل. تجد ما يلزم عمله في قائمة الاختلافات."),
    },
}

UNKNOWN: Mapping[Language, Words] = {
    EN: Words("News for you", "Open the app to see what is new."),
    AR: Words("لديك جديد", "افتح التطبيق لترى الجديد."),
}


def words_of(told: Told, language: Language) -> Words:
    """Title and body of a notification."""
    template = _template(told.notification)[language]
    payload = told.notification.payload
    body = template.body.format(
        seats=seats(payload.quantity or 1, language),
        seats_subject=seats(payload.quantity or 1, language, is_subject=True),
        where=where(told.about, language),
        amount=money(payload.amount, language),
    )
    return Words(template.title, body)


def seats(number: int, language: Language, *, is_subject: bool = False) -> str:
    """So many seats. In Arabic two of them have a form of their own, which changes with their place in the sentence."""
    if language is EN:
        return "1 seat" if number == 1 else f"{number} seats"
    return _SEATS_AR[plural_ar(number)](number, is_subject)


def plural_ar(number: int) -> str:
    """Which of the six forms of the plural (Unicode CLDR) an Arabic noun has after a number."""
    last = number % 100
    if number in (0, 1, 2):
        return ("zero", "one", "two")[number]
    if 3 <= last <= 10:  # noqa: PLR2004
        return "few"
    return "many" if last >= 11 else "other"  # noqa: PLR2004


_SEATS_AR: Mapping[str, Callable[[int, bool], str]] = {
    "zero": lambda _number, _is_subject: "لا مقاعد",
    "one": lambda _number, _is_subject: "مقعد واحد",
    "two": lambda _number, is_subject: "مقعدان" if is_subject else "مقعدين",
    "few": lambda number, _is_subject: f"{number} مقاعد",
    "many": lambda number, _is_subject: f"{number} مقعدًا",
    "other": lambda number, _is_subject: f"{number} مقعد",
}


def where(about: Description | None, language: Language) -> str:
    """The route and the station, with the space before them; nothing where they are not known."""
    if about is None:
        return ""
    if language is EN:
        return f" on {about.name_en}, from {about.place_en}"
    return f" على خط {about.name_ar} من {about.place_ar}"


def money(amount: Amount | None, language: Language) -> str:
    if amount is None:
        return ""
    text = major_text(amount.minor, amount.currency)
    return f"{text} جنيه" if language is AR and amount.currency == "EGP" else f"{text} {amount.currency}"


def _template(notification: Notification) -> Mapping[Language, Words]:
    try:
        return TEXTS[NotificationType(notification.type)]
    except (ValueError, KeyError):
        return UNKNOWN

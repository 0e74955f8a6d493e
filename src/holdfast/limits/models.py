"""How often what was done in which window of time."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Integer, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.database.base import Base


class LimitCounterTable(Base):
    """Uses of a limit by one subject in one window. Subjects are hashes and networks, deleted after two days."""

    __tablename__ = "limit_counters"
    __table_args__ = (CheckConstraint("used >= 0", name="used"),)

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    window_starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    used: Mapped[int] = mapped_column(Integer)

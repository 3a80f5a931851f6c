"""When a schedule comes, in both languages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from jobs.cron_words import in_words


@pytest.mark.parametrize(
    ("cron", "english", "spanish"),
    [
        ("0 2 * * 1-5", "At 02:00, Monday through Friday", "A las 02:00, de lunes a viernes"),
        ("@hourly", "Every hour", "Cada hora"),
        ("*/15 * * * *", "Every 15 minutes", "Cada 15 minutos"),
        ("0 0 29 2 *", "At 00:00, on day 29 of the month, only in February", "A las 00:00, el día 29 del mes, sólo en febrero"),
        ("0 0 * * 5#1", "At 00:00, on the first Friday of the month", "A las 00:00, en el primer viernes del mes"),
        ("0 0 LW * *", "At 00:00, on the last weekday of the month", "A las 00:00, en el último día laborable del mes"),
        ("nonsense", "nonsense", "nonsense"),
    ],
)  # fmt: skip
def test_cron_in_words(cron: str, english: str, spanish: str) -> None:
    for language, expected in (("en", english), ("es", spanish)):
        with translation.override(language):
            assert in_words(cron, None) == expected


def test_day_of_the_month_and_of_the_week_are_either() -> None:
    with translation.override("en"):
        found = in_words("0 0 1,15 * 1", None)
    assert found == "At 00:00, on day 1 and 15 of the month; also at 00:00, only on Monday"


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (timedelta(minutes=1), "Every minute"),
        (timedelta(seconds=90), "Every 90 seconds"),
        (timedelta(minutes=90), "Every 90 minutes"),
        (timedelta(hours=1), "Every hour"),
        (timedelta(hours=36), "Every 36 hours"),
        (timedelta(days=1), "Every day"),
        (timedelta(days=7), "Every 7 days"),
    ],
)
def test_intervals_in_words(interval: timedelta, said: str) -> None:
    with translation.override("en"):
        assert in_words("", interval) == said

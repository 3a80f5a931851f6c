"""What signing in leaves behind, and for how long."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.utils import timezone

from permissions import reset
from permissions.models import ResetRequest


def tidy() -> None:
    """Remove expired sessions, counts of failures that count no more, and the history of sign-ins past its time."""
    now = timezone.now()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME).delete()
    for history in (AccessLog, AccessFailureLog):
        history.objects.filter(
            attempt_time__lt=now - timedelta(days=settings.CLARIVE_LOGIN_HISTORY_DAYS)
        ).delete()
    ResetRequest.objects.filter(at__lt=now - reset.SPAN).delete()

"""Wiring only: settings, addresses, Celery and the supervisor. Nothing is imported here."""

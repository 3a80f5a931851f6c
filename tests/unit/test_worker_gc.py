"""What a worker has loaded before it forks is left out of garbage collection."""

from __future__ import annotations

import gc

from celery.signals import worker_init

from clarive_monitor.celery import share_what_is_loaded


def test_a_worker_freezes_what_it_has_loaded() -> None:
    assert share_what_is_loaded in [receiver() for _key, receiver in worker_init.receivers]
    try:
        share_what_is_loaded()
        assert gc.get_freeze_count() > 100_000
    finally:
        gc.unfreeze()

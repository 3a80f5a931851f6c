"""Settings of the floor: Django with nothing in it, and Celery as the product sets it."""

import os
from typing import Any
from urllib.parse import unquote

import environ

SECRET_KEY = "the floor keeps no secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "bench.floor.web"
INSTALLED_APPS = ["rest_framework"]
MIDDLEWARE: list[str] = []
USE_TZ = True
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}
_database: dict[str, Any] = dict(environ.Env.db_url_config(os.environ["DATABASE_URL"]))
_database["HOST"] = unquote(_database.get("HOST") or "")
_pool = {"pool": {"min_size": 1, "max_size": 20}} if "CLARIVE_POOL_SIZE" in os.environ else {}
_database["OPTIONS"] = {"connect_timeout": 5, **_pool}
_database["CONN_MAX_AGE"] = 0 if _pool else None
DATABASES = {"default": _database}

CELERY_BROKER_URL = os.environ["CLARIVE_BROKER_URL"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 10_000
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

"""Settings of Clarive Monitor, read from the environment; ``.env.example`` explains each variable."""

import os
import socket
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import django_stubs_ext
import environ
from csp.constants import NONE, SELF

from clarive_monitor import configuration

# Annotations such as ModelAdmin[Job] are evaluated when a class is made.
django_stubs_ext.monkeypatch()

CONFIGURATION = configuration.read()
BASE_DIR = configuration.BASE_DIR

# --- Clarive Monitor ---
CLARIVE_HOME = CONFIGURATION.layout.home
CLARIVE_DEMO = CONFIGURATION.demo
CLARIVE_ADMIN_USER = CONFIGURATION.admin_user
CLARIVE_ADMIN_PASSWORD = CONFIGURATION.admin_password
CLARIVE_WORKERS = CONFIGURATION.jobs.workers
CLARIVE_TICK_SECONDS = CONFIGURATION.jobs.tick_seconds
CLARIVE_LEASE_SECONDS = CONFIGURATION.jobs.lease_seconds
CLARIVE_CREATE_TIMEOUT_SECONDS = CONFIGURATION.jobs.create_timeout_seconds
CLARIVE_CONTENTS_TIMEOUT_SECONDS = CONFIGURATION.jobs.contents_timeout_seconds
CLARIVE_EVENT_HOURS = CONFIGURATION.jobs.event_hours
CLARIVE_JOB_NAME_MASK = CONFIGURATION.jobs.job_name_mask
CLARIVE_LANGUAGE = CONFIGURATION.language
CLARIVE_TIME_ZONE = CONFIGURATION.time_zone
CLARIVE_SSH_KNOWN_HOSTS = CONFIGURATION.ssh_known_hosts
# Where people reach the pages, for links in mail.
CLARIVE_URL = CONFIGURATION.notices.url or "{}://{}:{}".format(
    "https" if CONFIGURATION.https else "http",
    socket.gethostname() if CONFIGURATION.host in {"0.0.0.0", "::"} else CONFIGURATION.host,
    CONFIGURATION.port,
)
CLARIVE_WEBHOOK_PRIVATE_TARGETS = CONFIGURATION.notices.webhook_private_targets

# --- Django ---
DEBUG = CONFIGURATION.debug
SECRET_KEY = configuration.secret_key(
    os.environ.get("CLARIVE_SECRET_KEY", ""), kept_in=CONFIGURATION.layout.secret_key, debug=DEBUG
)
# The first key encrypts secrets, every one decrypts them. The signing key comes last, so that keys can be given later.
CLARIVE_SECRETS_KEYS = [*CONFIGURATION.secrets_keys, SECRET_KEY]
# Host names with which the pages may be asked for; the machine's own when it listens to others.
ALLOWED_HOSTS = CONFIGURATION.allowed_hosts or [
    "localhost",
    "127.0.0.1",
    "[::1]",
    socket.gethostname() if CONFIGURATION.host in {"0.0.0.0", "::"} else CONFIGURATION.host,
]
CSRF_TRUSTED_ORIGINS = CONFIGURATION.trusted_origins
ROOT_URLCONF = "clarive_monitor.urls"
ASGI_APPLICATION = "clarive_monitor.asgi.application"
WSGI_APPLICATION = "clarive_monitor.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "clarive_monitor.apps.WiringConfig",
    "permissions",
    "rules",
    "jobs",
    "clarive_monitor.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "clarive_monitor.apps.SignInsConfig",
    "corsheaders",
    "csp",
    "django_celery_beat",
    "django_htmx",
    "guardian",
    "rest_framework",
    "drf_spectacular",
]

MIDDLEWARE = [
    "permissions.addresses.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "clarive_monitor.static_files.StaticFilesMiddleware",
    "jobs.api.compression.CompressionMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "permissions.sessions.SessionLimitsMiddleware",
    "permissions.middleware.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # The last one with a process_view: it runs the administration's views itself.
    "jobs.middleware.ActingMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.template.context_processors.tz",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: only PostgreSQL; commits stay durable, since synchronous_commit is left at its default ---


def _database(url: str, *, pool_size: int) -> dict[str, Any]:
    """Return Django's settings of the one database.

    Args:
        url: As libpq writes it; a socket folder as host is percent-encoded.
        pool_size: Most connections of this process; 0 keeps one open connection a thread instead.
    """
    found: dict[str, Any] = dict(environ.Env.db_url_config(url))
    found["HOST"] = unquote(found.get("HOST") or "")
    found["OPTIONS"] = {"connect_timeout": 5, **found.get("OPTIONS", {})}
    if pool_size:
        # A web request has a thread of its own, so a connection kept by thread would never be found again.
        found["OPTIONS"]["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
    found["CONN_MAX_AGE"] = 0 if pool_size else None
    found["CONN_HEALTH_CHECKS"] = True
    return found


# The supervisor sets the pool's size for the web process; workers keep one connection each.
CLARIVE_PREPARED_STATEMENTS = CONFIGURATION.prepared_statements
DATABASES = {"default": _database(CONFIGURATION.database_url, pool_size=CONFIGURATION.pool_size)}

# --- Who signs in ---
SIGN_IN = CONFIGURATION.sign_in
CLARIVE_PROXIES = SIGN_IN.proxies
CLARIVE_LOCAL_PASSWORDS = SIGN_IN.local_passwords
CLARIVE_MAIL_IS_SENT = CONFIGURATION.notices.mail_is_sent
CLARIVE_SESSION_HOURS = SIGN_IN.session_hours
CLARIVE_SESSION_IDLE_MINUTES = SIGN_IN.session_idle_minutes
CLARIVE_LOGIN_ADDRESS_FAILURES = SIGN_IN.address_failures
CLARIVE_LOGIN_HISTORY_DAYS = SIGN_IN.history_days
CLARIVE_OIDC = SIGN_IN.oidc
CLARIVE_LDAP = SIGN_IN.ldap
AUTH_USER_MODEL = "permissions.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "permissions.backends.LocalBackend",
    # These two are always known, so that a test can switch them on; without their setting they let nobody in.
    "permissions.backends.LdapBackend",
    "permissions.backends.OidcBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "permissions.own_name.OwnNameValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": SIGN_IN.password_min_length},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
PASSWORD_RESET_TIMEOUT = int(timedelta(hours=1).total_seconds())

# --- Failed sign-ins: kept in the database, so that every web process counts the same ---
AXES_HANDLER = "permissions.throttle.Handler"
AXES_FAILURE_LIMIT = SIGN_IN.failures
# The second has a limit of its own, which the handler brings to the scale of the first.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_COOLOFF_TIME = timedelta(minutes=SIGN_IN.lockout_minutes)
AXES_RESET_ON_SUCCESS = True
# Who tries on while locked out does not wait longer for it.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_USERNAME_CALLABLE = "permissions.throttle.counted_name"
AXES_CLIENT_IP_CALLABLE = "permissions.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "jobs.monitor.sign_in.locked_out"
# What was typed is kept without these; the first is always hidden.
AXES_SENSITIVE_PARAMETERS = [
    "password", "username", "ip_address", "csrfmiddlewaretoken", "old_password", "new_password1", "new_password2",
]  # fmt: skip
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- Language and time ---
LANGUAGE_CODE = CLARIVE_LANGUAGE
LANGUAGES = [("es", "Español"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["clarive_monitor.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = CLARIVE_TIME_ZONE

# --- Static files ---
STATIC_URL = "/static/"
STATIC_ROOT = CONFIGURATION.layout.static
# Hashed names need a collected folder; while developing and testing the files come straight from their apps.
STATIC_IS_COLLECTED = CONFIGURATION.static_is_collected
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_IS_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_IS_COLLECTED
WHITENOISE_AUTOREFRESH = not STATIC_IS_COLLECTED

# --- Security ---
CLARIVE_HTTPS = CONFIGURATION.https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CLARIVE_HTTPS
SESSION_COOKIE_AGE = int(timedelta(hours=CLARIVE_SESSION_HOURS).total_seconds())
SESSION_COOKIE_NAME = "clarive_session"
CSRF_COOKIE_NAME = "clarive_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = CLARIVE_HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = CLARIVE_HTTPS
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if CLARIVE_HTTPS else 0
# Behind a proxy that ends TLS; without CLARIVE_HTTPS the header is not believed.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CLARIVE_HTTPS else None
X_FRAME_OPTIONS = "DENY"
# Browsers ask the policy also where a form's answer leads to: signing out may lead to the provider.
_provider = SIGN_IN.oidc["issuer"] if SIGN_IN.oidc and SIGN_IN.oidc["signs_out"] else ""
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [
            SELF,
            *(["{0.scheme}://{0.netloc}".format(urlsplit(_provider))] if _provider else []),
        ],
        "base-uri": [NONE],
    }
}

# --- API ---
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "permissions.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "jobs.api.errors.handler",
    "DEFAULT_SCHEMA_CLASS": "jobs.api.schema.auto.AddressSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# How many requests of one token in how many seconds; None for no limit.
CLARIVE_API_RATE = CONFIGURATION.api.rate
CLARIVE_METRICS_TOKEN = CONFIGURATION.api.metrics_token
# Pages of other sites read the API with a token only: no cookie of a session goes along.
CORS_ALLOWED_ORIGINS = CONFIGURATION.api.cors_origins
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
]
CORS_EXPOSE_HEADERS = [
    "ETag", "Idempotent-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After",
]  # fmt: skip
CORS_PREFLIGHT_MAX_AGE = 3600

# The description of the API: /api/schema/.
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Clarive Monitor",
    "VERSION": "1",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["jobs.api.schema.document.finish"],
    # The order of the addresses.
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# --- Mail ---
EMAIL_BACKEND = CONFIGURATION.notices.email["EMAIL_BACKEND"]
EMAIL_FILE_PATH = CONFIGURATION.notices.email["EMAIL_FILE_PATH"]
EMAIL_HOST = CONFIGURATION.notices.email["EMAIL_HOST"]
EMAIL_PORT = CONFIGURATION.notices.email["EMAIL_PORT"]
EMAIL_HOST_USER = CONFIGURATION.notices.email["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = CONFIGURATION.notices.email["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = CONFIGURATION.notices.email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = CONFIGURATION.notices.email.get("EMAIL_USE_SSL", False)
# Whoever sends waits no longer than this for a server that does not answer.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = CONFIGURATION.notices.email_from

# --- Celery: a message is a hint, the truth is in the database ---
CELERY_BROKER_URL = CONFIGURATION.broker_url
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 43200,
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "health_check_interval": 10,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0}
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_RESULT_EXPIRES = None
# Otherwise a worker closes its connection to the database before and after each task, and pays for a new one, whose
# server process knows no table yet, in each. A broken one is found by ``clarive_monitor.celery``. Now and then it gets
# a new one all the same, since a server process keeps what it has learned.
CELERY_DB_REUSE_MAX = 10_000
CELERY_TASK_DEFAULT_QUEUE = "jobs"
CELERY_TASK_ROUTES = {
    "jobs.work": {"queue": "jobs"},
    "jobs.create_job": {"queue": "create"},
    "jobs.run_schedules": {"queue": "create"},
    "jobs.tick": {"queue": "daemon"},
    "jobs.notify": {"queue": "notify"},
    "jobs.retain": {"queue": "notify"},
    "permissions.housekeeping": {"queue": "daemon"},
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "jobs.tick": {
        "task": "jobs.tick",
        "schedule": timedelta(seconds=CLARIVE_TICK_SECONDS),
        # A tick nobody took in time is worth nothing: the next one sees all it would have seen.
        "options": {"queue": "daemon", "expires": 3 * CLARIVE_TICK_SECONDS},
    },
    "permissions.housekeeping": {
        "task": "permissions.housekeeping",
        "schedule": timedelta(hours=1),
        "options": {"queue": "daemon", "expires": 3600},
    },
}

# --- Log: one line an event, to the terminal or the supervisor's file ---
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"level": "INFO", "handlers": [], "propagate": True},
        # What it counts and keeps is in its tables; here it would say each thing several times, without names.
        "axes": {"level": "WARNING"},
        # They write every address that is asked and every connection: what there is to say of it is in the job's log.
        "asyncssh": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}

"""How often one may ask: counted per token, per user of a session, and per address for those who did not say who they are.

A bucket holds as many requests as the rate allows in its time, and fills evenly (the generic cell rate algorithm). It is
one number in the broker, changed there in one step and by the broker's clock, so all web processes count together. While
the broker does not answer nobody is refused: it is looked for again after a pause, which costs nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis
from django.conf import settings
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rest_framework.exceptions import Throttled

from permissions.addresses import client_address
from permissions.models import User

logger = logging.getLogger(__name__)

BROKER_SECONDS: Final = 0.2
"""How long the broker may take to count."""

PAUSE_SECONDS: Final = 5.0
"""How long the broker is left alone after it did not answer."""

_KEY: Final = "clarive:rate:"
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
local after = full + interval
if after - now > span then return {0, 0, after - span - now, full - now} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.floor((span - after + now) / interval), 0, after - now}
"""
"""Takes one request from a bucket: whether there was one, how many are left, and after how many microseconds there is one,
and all of them, again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Spent:
    """A request that was counted.

    Attributes:
        policy: What it was counted by: token, user or address.
        rate: What is allowed.
        left: How many more may follow at once.
        reset_seconds: After how many seconds none is counted any more.
    """

    policy: str
    rate: Rate
    left: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the fields of the IETF's draft on rate limits."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.rate.requests};w={self.rate.seconds}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.reset_seconds}',
        }


class TooOften(Throttled):
    """More requests than the rate allows.

    Attributes:
        spent: The count.
    """

    def __init__(self, spent: Spent, wait: float) -> None:
        seconds = math.ceil(wait)
        rate = f"{spent.rate.requests} requests in {spent.rate.seconds} s"
        super().__init__(detail=f"More than {rate}. Try again in {seconds} s.")
        self.wait, self.spent = seconds, spent


def spend(request: HttpRequest, user: Any = None) -> Spent | None:
    """Count one request of ``user``, of the address when it is nobody.

    Args:
        request: Django's; its token, when it has one that opened the door, is what is counted.
        user: Who asks.

    Returns:
        The count; ``None`` when nothing is counted.

    Raises:
        TooOften: The rate is used up.
    """
    if settings.CLARIVE_API_RATE is None:
        return None
    rate = Rate(*settings.CLARIVE_API_RATE)
    policy, name = _who(request, user)
    counted = _counter().take(_KEY + name, rate)
    if counted is None:
        return None
    allowed, left, wait, reset = counted
    spent = Spent(policy, rate, left, math.ceil(reset / 1e6))
    if not allowed:
        raise TooOften(spent, max(wait / 1e6, 0.001))
    return spent


def _who(request: HttpRequest, user: Any) -> tuple[str, str]:
    """Return by what a request is counted, and the name of its bucket, which gives no token away."""
    if not isinstance(user, User):
        return "address", f"a:{_network(client_address(request))}"
    scheme, _sign, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return "token", f"t:{hashlib.sha256(token.strip().encode()).hexdigest()[:32]}"
    return "user", f"u:{user.pk}"


def _network(address: str | None) -> str:
    """Return what one asker has: an address, or a network of IPv6, which gives everybody billions of them."""
    if address is None:
        return "local"
    found = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Counter:
    """Counts in the broker."""

    def __init__(self, url: str) -> None:
        """Connect when first asked."""
        self._away_until = 0.0
        self._is_away = False
        self._take: Any = None
        if url.startswith(("redis://", "rediss://", "redis+socket://")):
            url = url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
            client = redis.Redis.from_url(
                url,
                socket_connect_timeout=BROKER_SECONDS,
                socket_timeout=BROKER_SECONDS,
                # A kept connection may have died with the broker that was there before.
                retry=Retry(NoBackoff(), 1),
            )
            self._take = client.register_script(_SCRIPT)

    def take(self, key: str, rate: Rate) -> tuple[bool, int, int, int] | None:
        """Take one request from a bucket, as the script says; ``None`` while the broker does not answer."""
        if self._take is None or time.monotonic() < self._away_until:
            return None
        interval = max(1, round(rate.seconds * 1_000_000 / rate.requests))
        try:
            allowed, left, wait, reset = self._take(keys=[key], args=[interval, interval * rate.requests])
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            if not self._is_away:
                logger.warning("The broker does not count requests; none is refused: %s", error)
            self._is_away = True
            return None
        self._is_away = False
        return bool(allowed), int(left), int(wait), int(reset)


@cache
def _counter() -> Counter:
    return Counter(settings.CELERY_BROKER_URL)

"""The two queries of ``policy`` that are written out."""

from __future__ import annotations

from typing import Final

HELD: Final = """
WITH ours AS (
    SELECT permission.id, permission.codename, type.app_label
    FROM auth_permission permission JOIN django_content_type type ON type.id = permission.content_type_id
    WHERE permission.codename = ANY(%(codenames)s)
), mine AS (
    SELECT group_id FROM permissions_user_groups WHERE user_id = %(user)s
)
SELECT held.content_object_id, ours.codename
FROM permissions_environmentusergrant held JOIN ours ON ours.id = held.permission_id
WHERE held.user_id = %(user)s
UNION
SELECT held.content_object_id, ours.codename
FROM permissions_environmentgroupgrant held JOIN ours ON ours.id = held.permission_id
WHERE held.group_id IN (SELECT group_id FROM mine)
UNION
SELECT NULL, ours.codename
FROM permissions_user_user_permissions held JOIN ours ON ours.id = held.permission_id
WHERE held.user_id = %(user)s AND ours.app_label = 'permissions'
UNION
SELECT NULL, ours.codename
FROM auth_group_permissions held JOIN ours ON ours.id = held.permission_id
WHERE held.group_id IN (SELECT group_id FROM mine) AND ours.app_label = 'permissions'
"""
"""Every request asks it, so it is written out: the ORM takes longer to put it together than PostgreSQL to answer."""

LISTED: Final = """
WITH ours AS (
    SELECT permission.id, permission.codename
    FROM auth_permission permission JOIN django_content_type type ON type.id = permission.content_type_id
    WHERE permission.codename = ANY(%(codenames)s) AND type.app_label = 'permissions'
), held AS (
    SELECT 'g' AS kind, group_id AS principal, content_object_id AS environment, permission_id
    FROM permissions_environmentgroupgrant
    UNION ALL
    SELECT 'g', group_id, 0, permission_id FROM auth_group_permissions
    UNION ALL
    SELECT 'u', user_id, content_object_id, permission_id FROM permissions_environmentusergrant
    UNION ALL
    SELECT 'u', user_id, 0, permission_id FROM permissions_user_user_permissions
)
SELECT held.kind, held.principal, held.environment, array_agg(ours.codename)
FROM held JOIN ours ON ours.id = held.permission_id
WHERE CASE held.kind
    WHEN 'g' THEN %(groups)s::bigint[] IS NULL OR held.principal = ANY(%(groups)s::bigint[])
    ELSE %(users)s::bigint[] IS NULL OR held.principal = ANY(%(users)s::bigint[])
END
AND (%(environments)s::bigint[] IS NULL OR held.environment = ANY(%(environments)s::bigint[])) {beyond}
GROUP BY held.kind, held.principal, held.environment
ORDER BY held.kind {way}, held.principal {way}, held.environment {way}
LIMIT %(count)s
"""
"""Grants as the API lists them, right by right in four tables; environment 0 is ``*``."""

BEYOND: Final = (
    "AND (held.kind, held.principal, held.environment) {sign} (%(kind)s, %(principal)s, %(environment)s)"
)

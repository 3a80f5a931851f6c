"""Administration of users, groups, environments, rights and API tokens: one module each."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from permissions import admin_sign_in
from permissions.admin_environments import EnvironmentAdmin
from permissions.admin_tokens import ApiTokenAdmin
from permissions.admin_users import GroupAdmin, UserAdmin
from permissions.models import ApiToken, Environment, User

admin.site.site_header = _("Clarive Monitor: administration")
admin.site.site_title = _("Clarive Monitor")
admin.site.index_title = _("Administration")

__all__ = ["admin_sign_in"]

admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
admin.site.register(User, UserAdmin)
admin.site.register(Environment, EnvironmentAdmin)
admin.site.register(ApiToken, ApiTokenAdmin)

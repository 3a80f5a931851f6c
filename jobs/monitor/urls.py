"""Addresses of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from jobs.monitor import account, creation, dashboard, log, views

app_name = "monitor"

urlpatterns = [
    path("", views.monitor, name="list"),
    path("login/", account.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", account.account, name="account"),
    path("jobs/new/", creation.create, name="create"),
    path("jobs/<int:job_id>/", dashboard.job, name="job"),
    path("jobs/<int:job_id>/log/", log.log, name="log"),
    path("jobs/<int:job_id>/log/download/", log.download, name="download"),
]

"""A project names the secret that opens its repository."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0028_deployments_kept"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="credential",
            field=models.CharField(
                blank=True,
                help_text="Name of the secret that opens the repository: a password or token for an address by http, a private key for ssh. It is one of the project, or of all projects, for all environments.",
                max_length=64,
                verbose_name="credential",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="username",
            field=models.CharField(
                blank=True,
                help_text="Whom the password belongs to; when empty, the user in the address, else git.",
                max_length=150,
                verbose_name="user of the repository",
            ),
        ),
    ]

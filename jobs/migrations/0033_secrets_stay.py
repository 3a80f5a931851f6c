"""What a secret belongs to is not deleted; Django alone knows of that, so nothing changes in the database."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0032_fewer_indexes_of_jobs"),
        ("permissions", "0005_name_of_user"),
    ]

    operations = [
        migrations.AlterField(
            model_name="secret",
            name="environment",
            field=models.ForeignKey(
                blank=True,
                help_text="Only for jobs in this environment.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="permissions.environment",
                verbose_name="environment",
            ),
        ),
        migrations.AlterField(
            model_name="secret",
            name="project",
            field=models.ForeignKey(
                blank=True,
                help_text="Only for jobs of this project.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="jobs.project",
                verbose_name="project",
            ),
        ),
    ]

"""When each loan was last told of anew, so that a statement need not look through all of them."""

from django.db import migrations, models
from django.db.models import Max, OuterRef, Subquery


def fill(apps, schema_editor):
    told = apps.get_model("loans", "Observation").objects.filter(
        account_id=OuterRef("account_id"),
        kind="borrow",
        record_id=OuterRef("record_id"),
        seen_at__gt=OuterRef("first_seen_at"),
    )
    last = told.order_by().values("record_id").annotate(last=Max("seen_at")).values("last")
    apps.get_model("loans", "BorrowRecord").objects.update(told_again_at=Subquery(last))


class Migration(migrations.Migration):

    dependencies = [
        ('loans', '0013_interest_read_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='borrowrecord',
            name='told_again_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When the venue last told something else of it than before; none: never.', null=True),
        ),
        migrations.AddIndex(
            model_name='borrowrecord',
            index=models.Index(fields=['account', 'first_seen_at', 'at'], name='borrow_by_sight'),
        ),
        migrations.AddIndex(
            model_name='borrowrecord',
            index=models.Index(condition=models.Q(('told_again_at__isnull', False)), fields=['account', 'told_again_at', 'at'], name='borrow_told_again'),
        ),
        migrations.AddIndex(
            model_name='repayrecord',
            index=models.Index(fields=['account', 'first_seen_at', 'at'], name='repay_by_sight'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

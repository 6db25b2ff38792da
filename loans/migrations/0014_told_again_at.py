"""When each loan was last told of anew, so that a statement need not look through all of them."""

from django.db import migrations, models


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
    ]

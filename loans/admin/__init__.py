"""Django's admin: people, groups, a few switches, and everything else to look at.

It is no way around the site: no secret is shown, no money moves, nothing changes its owner, what is
stopped is released elsewhere, and whatever is changed here is in the audit trail too.
"""

from loans.admin import accounts, books, people, site

__all__ = ["accounts", "books", "people", "site"]

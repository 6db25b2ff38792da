"""Triggers that keep in the database what the code promises: no way back from SENDING, logs that
only grow.

`install` is idempotent and runs in a migration. `remove` exists for tests that must empty the
tables.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

SENDABLE = "('AWAITING_APPROVAL', 'QUEUED', 'CLAIMED')"
APPEND_ONLY = (
    "loans_instructionevent",
    "loans_auditevent",
    "loans_observation",
    "loans_ratechange",
)
NO_WAY_BACK = "no way back from SENDING"
ONLY_GROWS = "this table only grows"


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every guard in place."""
    remove(connection)
    statements = _postgresql() if connection.vendor == "postgresql" else _sqlite()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take every guard away."""
    with connection.cursor() as cursor:
        for name, table in _names():
            target = f" ON {table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{target}")


def _names() -> list[tuple[str, str]]:
    names = [("guard_no_way_back", "loans_instruction"), ("guard_no_delete", "loans_instruction")]
    for table in APPEND_ONLY:
        names += [(f"guard_{table}_update", table), (f"guard_{table}_delete", table)]
    return names


def _sqlite() -> list[str]:
    back = (
        "CREATE TRIGGER guard_no_way_back BEFORE UPDATE OF state ON loans_instruction "
        f"WHEN OLD.state NOT IN {SENDABLE} AND NEW.state IN {SENDABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{NO_WAY_BACK}'); END"
    )
    return [back, _sqlite_refusal("guard_no_delete", "DELETE", "loans_instruction")] + [
        _sqlite_refusal(f"guard_{table}_{verb.lower()}", verb, table)
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]


def _sqlite_refusal(name: str, verb: str, table: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{ONLY_GROWS}'); END"
    )


def _postgresql() -> list[str]:
    functions = [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{text}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
        for name, text in (("loans_no_way_back", NO_WAY_BACK), ("loans_only_grows", ONLY_GROWS))
    ]
    back = (
        "CREATE TRIGGER guard_no_way_back BEFORE UPDATE ON loans_instruction FOR EACH ROW "
        f"WHEN (OLD.state NOT IN {SENDABLE} AND NEW.state IN {SENDABLE}) "
        "EXECUTE FUNCTION loans_no_way_back()"
    )
    keep = (
        "CREATE TRIGGER guard_no_delete BEFORE DELETE ON loans_instruction FOR EACH ROW "
        "EXECUTE FUNCTION loans_only_grows()"
    )
    return [*functions, back, keep] + [
        f"CREATE TRIGGER guard_{table}_{verb.lower()} BEFORE {verb} ON {table} FOR EACH ROW "
        "EXECUTE FUNCTION loans_only_grows()"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]

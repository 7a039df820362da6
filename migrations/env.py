"""Runs the migrations on `DATABASE_URL`, or writes their SQL (`alembic upgrade head --sql`)."""

import os
from pathlib import Path
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import String, Unicode
from sqlalchemy.engine import make_url

import lib.audit
import lib.idempotency
import lib.outbox
import lib.spaces
import lib.tenancy
import lifecycle.installing
import notify.model
import questions_api.following.model
import questions_api.importing.model
import questions_api.model
import questions_api.moderation.model
import questions_api.people.model
import questions_api.tags.model
import questions_api.votes.model
import questions_api.watches.model
from lib.engine import engine_for
from lib.sql import Instant, Row

TABLES = (
    lib.audit,
    lib.idempotency,
    lib.outbox,
    lib.spaces,
    lib.tenancy,
    lifecycle.installing,
    notify.model,
    questions_api.following.model,
    questions_api.importing.model,
    questions_api.model,
    questions_api.moderation.model,
    questions_api.people.model,
    questions_api.tags.model,
    questions_api.votes.model,
    questions_api.watches.model,
)
"""Importing a module puts its tables into the metadata."""


def render_item(kind: str, item: Any, context_: AutogenContext) -> str | Literal[False]:
    """Own column types are written as what they are to the database, so old migrations need no project code."""
    if kind != "type":
        return False
    if isinstance(item, Instant):
        context_.imports.add("from migrations.types import moment")
        return "moment()"
    if isinstance(item, Unicode) and item._variant_mapping:  # noqa: SLF001 - what lib.sql.slug_type makes
        context_.imports.add("from migrations.types import slug")
        return f"slug({item.length})"
    if isinstance(item, String) and item._variant_mapping:  # noqa: SLF001 - what lib.sql.code_type makes
        context_.imports.add("from migrations.types import code")
        return f"code({item.length})"
    return False


def run() -> None:
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ["DATABASE_URL"]
    if context.is_offline_mode():
        context.configure(
            url=url,
            target_metadata=Row.metadata,
            literal_binds=True,
            dialect_opts={"deprecate_large_types": True} if make_url(url).get_backend_name() == "mssql" else {},
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    if make_url(url).get_backend_name() == "sqlite" and (path := make_url(url).database):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = engine_for(url, client_id=os.environ.get("AZURE_CLIENT_ID"))
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if connection.dialect.name == "mssql":
            # Requests have half a minute for a statement; making an index of a large table takes longer.
            connection.connection.driver_connection.timeout = 0  # type: ignore[union-attr]
        if is_sqlite:
            # SQLite changes a table by making it anew, and dropping the old one would break what refers to it
            # (sqlite.org, "ALTER TABLE", section 7). Only outside a transaction can the check be put off.
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        context.configure(
            connection=connection,
            target_metadata=Row.metadata,
            render_as_batch=is_sqlite,
            render_item=render_item,
            compare_server_default=False,
        )
        with context.begin_transaction():
            context.run_migrations()
        if is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
            raise RuntimeError(f"the migration broke a reference of {broken[0]}")
        connection.commit()
    engine.dispose()


run()

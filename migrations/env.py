"""Runs the migrations on `DATABASE_URL`, or writes their SQL (`alembic upgrade head --sql`)."""

import os
from pathlib import Path
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import String
from sqlalchemy.engine import make_url

import lib.outbox
import lib.spaces
import lib.tenancy
import lifecycle.installing
import notify.model
import questions_api.model
from lib.engine import engine_for
from lib.sql import Instant, Row

TABLES = (lib.outbox, lib.spaces, lib.tenancy, lifecycle.installing, notify.model, questions_api.model)
"""Importing a module puts its tables into the metadata."""


def render_item(kind: str, item: Any, context_: AutogenContext) -> str | Literal[False]:
    """Own column types are written as what they are to the database, so old migrations need no project code."""
    if kind != "type":
        return False
    if isinstance(item, Instant):
        context_.imports.add("from migrations.types import moment")
        return "moment()"
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
        context.configure(
            connection=connection,
            target_metadata=Row.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            render_item=render_item,
            compare_server_default=False,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


run()

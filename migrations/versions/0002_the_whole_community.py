"""The whole community: lists by state, tags with synonyms and experts, watches, points, flags, audit, imports."""

from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from migrations.types import code, moment, slug

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MILLISECONDS = {
    "sqlite": "CAST(ROUND((julianday(created_at) - 2440587.5) * 86400000.0) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM created_at) * 1000 AS BIGINT)",
    "mssql": "DATEDIFF_BIG(millisecond, '1970-01-01', created_at)",
}
"""The time a question was asked, in milliseconds since 1970."""

_NO = {"sqlite": "0", "postgresql": "false", "mssql": "0"}


def _index(name: str, table: str, columns: list[str | sa.TextClause], *, where: str, unique: bool = False) -> None:
    """An index of some rows only."""
    conditions: dict[str, Any] = {f"{dialect}_where": sa.text(where) for dialect in ("sqlite", "postgresql", "mssql")}
    op.create_index(name, table, columns, unique=unique, **conditions)


def _altered(table: str) -> AbstractContextManager[BatchOperations]:
    """Changes to a table; SQLite makes it anew, so that its text reads as if it had been made so at first."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    return op.batch_alter_table(table, recreate="always" if is_sqlite else "never")


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_ref", sa.BigInteger(), nullable=False),
        sa.Column("action", code(40), nullable=False),
        sa.Column("target_kind", code(16), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("before", code(2000), nullable=True),
        sa.Column("after", code(2000), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_hash", code(64), nullable=False),
        sa.Column("route", code(120), nullable=False),
        sa.Column("body_hash", code(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("record", sa.LargeBinary(), nullable=True),
        sa.Column("locked_until", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key_hash", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.create_table(
        "imported",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_hash", code(64), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "source_hash", name=op.f("pk_imported")),
    )
    op.create_table(
        "reconcile",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pass_kind", code(24), nullable=False),
        sa.Column("next_link", code(2000), nullable=True),
        sa.Column("watermark", moment(), nullable=True),
        sa.Column("due_at", moment(), nullable=False),
        sa.Column("lease_until", moment(), nullable=True),
        sa.Column("started_at", moment(), nullable=True),
        sa.Column("finished_at", moment(), nullable=True),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.Column("registered", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "pass_kind", name=op.f("pk_reconcile")),
    )
    op.create_table(
        "site_settings",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("enabled_by_default", sa.Boolean(), nullable=False),
        sa.Column("shows_contributors", sa.Boolean(), nullable=False),
        sa.Column("expert_points", sa.Integer(), nullable=False),
        sa.Column("probes_rights", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_site_settings")),
    )
    op.create_table(
        "space",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", code(16), nullable=False),
        sa.Column("permission_epoch", sa.Integer(), nullable=False),
        sa.Column("has_questions", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("missing_since", moment(), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "space_id", name=op.f("pk_space")),
    )
    op.create_table(
        "standing",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"], ["account.tenant_id", "account.account_ref"], name=op.f("fk_standing_account")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "space_id", "tag_id", "day", "account_ref", name=op.f("pk_standing")),
    )
    _index("ix_standing_account", "standing", ["tenant_id", "account_ref"], where="day = 0")
    _index("ix_standing_ever", "standing", ["tenant_id", "space_id", "tag_id", sa.text("points DESC")], where="day = 0")

    op.create_table(
        "tag_expert",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"],
            ["account.tenant_id", "account.account_ref"],
            name=op.f("fk_tag_expert_account"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tag_id"], ["tag.tenant_id", "tag.tag_id"], name=op.f("fk_tag_expert_tag")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "tag_id", "account_ref", name=op.f("pk_tag_expert")),
    )
    op.create_index("ix_tag_expert_account", "tag_expert", ["tenant_id", "account_ref"])

    op.create_table(
        "tag_synonym",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", slug(35), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tag_id"], ["tag.tenant_id", "tag.tag_id"], name=op.f("fk_tag_synonym_tag")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "slug", name=op.f("pk_tag_synonym")),
    )
    op.create_index("ix_tag_synonym_tag", "tag_synonym", ["tenant_id", "tag_id"])

    op.create_table(
        "tag_use",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("use_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_used_at", moment(), nullable=True),
        sa.Column("is_featured", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_required", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id", "tag_id"], ["tag.tenant_id", "tag.tag_id"], name=op.f("fk_tag_use_tag")),
        sa.PrimaryKeyConstraint("tenant_id", "space_id", "tag_id", name=op.f("pk_tag_use")),
    )
    op.create_index("ix_tag_use_tag", "tag_use", ["tenant_id", "tag_id"])

    op.create_table(
        "watch",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target_kind", code(16), nullable=False),
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("is_muted", sa.Boolean(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"], ["account.tenant_id", "account.account_ref"], name=op.f("fk_watch_account")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "target_kind", "target_id", "account_ref", name=op.f("pk_watch")),
    )
    op.create_index("ix_watch_account", "watch", ["tenant_id", "account_ref", "created_at"])

    op.create_table(
        "answer_request",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("requested_by_ref", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"],
            ["account.tenant_id", "account.account_ref"],
            name=op.f("fk_answer_request_account"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "question_id"], ["question.tenant_id", "question.id"], name=op.f("fk_answer_request_question")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "question_id", "account_ref", name=op.f("pk_answer_request")),
    )
    op.create_index("ix_answer_request_account", "answer_request", ["tenant_id", "account_ref", "created_at"])

    op.create_table(
        "contribution",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"],
            ["account.tenant_id", "account.account_ref"],
            name=op.f("fk_contribution_account"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "question_id"], ["question.tenant_id", "question.id"], name=op.f("fk_contribution_question")
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "question_id", "tag_id", "account_ref", "day", name=op.f("pk_contribution")
        ),
    )
    op.create_table(
        "flag",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_kind", code(16), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("account_ref", sa.BigInteger(), nullable=False),
        sa.Column("reason", code(16), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("resolution", code(16), nullable=True),
        sa.Column("resolved_by_ref", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"], ["account.tenant_id", "account.account_ref"], name=op.f("fk_flag_account")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "question_id"], ["question.tenant_id", "question.id"], name=op.f("fk_flag_question")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_flag")),
        sa.UniqueConstraint(
            "tenant_id",
            "subject_kind",
            "subject_id",
            "account_ref",
            name=op.f("uq_flag_tenant_id_subject_kind_subject_id_account_ref"),
        ),
    )
    _index("ix_flag_open", "flag", ["tenant_id", "created_at", "id"], where="resolved_at IS NULL")

    op.create_table(
        "question_link",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_by_ref", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "from_id"], ["question.tenant_id", "question.id"], name="fk_question_link_from"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "to_id"], ["question.tenant_id", "question.id"], name="fk_question_link_to"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "from_id", "to_id", name=op.f("pk_question_link")),
    )
    op.create_index("ix_question_link_to", "question_link", ["tenant_id", "to_id", "from_id"])

    with _altered("account") as batch_op:
        batch_op.add_column(sa.Column("former_key", code(64), nullable=True))
        batch_op.drop_constraint("uq_account_tenant_id_atlassian_account_id", type_="unique")
        batch_op.alter_column("atlassian_account_id", existing_type=code(128), nullable=True)
    _index(
        "ux_account_atlassian",
        "account",
        ["tenant_id", "atlassian_account_id"],
        where="atlassian_account_id IS NOT NULL",
        unique=True,
    )
    _index("ux_account_former", "account", ["tenant_id", "former_key"], where="former_key IS NOT NULL", unique=True)

    with _altered("answer") as batch_op:
        batch_op.add_column(sa.Column("is_guarded", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("contested_at", moment(), nullable=True))
    _index(
        "ix_answer_author",
        "answer",
        ["tenant_id", "author_ref", sa.text("created_at DESC")],
        where="deleted_at IS NULL",
    )
    _index("ix_answer_contested", "answer", ["tenant_id", "contested_at"], where="contested_at IS NOT NULL")

    with _altered("installation") as batch_op:
        batch_op.add_column(sa.Column("restriction_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("is_licensed", sa.Boolean(), server_default=sa.true(), nullable=False))

    op.drop_index("ix_question_newest", table_name="question")
    op.drop_index("ix_question_unanswered", table_name="question")
    op.drop_index("ix_question_votes", table_name="question")
    with _altered("question") as batch_op:
        batch_op.add_column(sa.Column("hot", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("watch_count", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("closed_at", moment(), nullable=True))
        batch_op.add_column(sa.Column("closed_by_ref", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("close_reason", code(24), nullable=True))
        batch_op.add_column(sa.Column("duplicate_of", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("locked_at", moment(), nullable=True))
        batch_op.add_column(sa.Column("pinned_at", moment(), nullable=True))
        batch_op.add_column(sa.Column("bounty", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("missing_since", moment(), nullable=True))
    _index(
        "ix_question_author",
        "question",
        ["tenant_id", "author_ref", sa.text("created_at DESC")],
        where="deleted_at IS NULL",
    )
    _index("ix_question_duplicate_of", "question", ["tenant_id", "duplicate_of"], where="duplicate_of IS NOT NULL")
    _index("ix_question_missing", "question", ["tenant_id", "missing_since"], where="missing_since IS NOT NULL")
    _index("ix_question_pinned", "question", ["tenant_id", "space_id"], where="pinned_at IS NOT NULL")
    _index(
        "ix_question_site_active",
        "question",
        ["tenant_id", "state", sa.text("active_at DESC"), sa.text("id DESC"), "space_id"],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_site_hot",
        "question",
        ["tenant_id", "state", sa.text("hot DESC"), sa.text("id DESC"), "space_id"],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_site_newest",
        "question",
        ["tenant_id", "state", sa.text("created_at DESC"), sa.text("id DESC"), "space_id"],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_site_votes",
        "question",
        ["tenant_id", "state", sa.text("score DESC"), sa.text("id DESC"), "space_id"],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_space_active",
        "question",
        ["tenant_id", "space_id", "state", sa.text("active_at DESC"), sa.text("id DESC")],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_space_hot",
        "question",
        ["tenant_id", "space_id", "state", sa.text("hot DESC"), sa.text("id DESC")],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_space_newest",
        "question",
        ["tenant_id", "space_id", "state", sa.text("created_at DESC"), sa.text("id DESC")],
        where="deleted_at IS NULL",
    )
    _index(
        "ix_question_space_votes",
        "question",
        ["tenant_id", "space_id", "state", sa.text("score DESC"), sa.text("id DESC")],
        where="deleted_at IS NULL",
    )

    with _altered("space_settings") as batch_op:
        batch_op.add_column(sa.Column("is_enabled", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("downvotes_allowed", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("one_answer_each", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("several_accepted", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("min_tags", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("max_tags", sa.Integer(), server_default=sa.text("5"), nullable=False))

    with _altered("tag") as batch_op:
        batch_op.drop_constraint("uq_tag_tenant_id_slug", type_="unique")
        batch_op.alter_column("slug", existing_type=sa.Unicode(35), type_=slug(35), existing_nullable=False)
        batch_op.create_unique_constraint("uq_tag_tenant_id_slug", ["tenant_id", "slug"])
        batch_op.add_column(sa.Column("description", sa.Unicode(length=500), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))

    op.create_index("ix_vote_account", "vote", ["tenant_id", "account_ref"])
    op.drop_index("ix_outbox_due", table_name="outbox")
    _index("ix_outbox_due", "outbox", ["kind", "available_at", "id"], where="done_at IS NULL")
    _fill()


def _fill() -> None:
    """Gives the rows of the first schema their values in the new columns."""
    op.execute(
        "UPDATE question SET state = CASE WHEN accepted_count > 0 THEN 'accepted'"
        " WHEN answer_count > 0 THEN 'answered' ELSE 'unanswered' END"
    )
    asked = _MILLISECONDS[op.get_context().dialect.name]
    op.execute(
        f"UPDATE question SET hot = {asked} + 43200000 * CASE WHEN score > 28 THEN 28"  # noqa: S608 - a constant
        " WHEN score < -28 THEN -28 ELSE score END"
    )
    op.execute(
        "INSERT INTO space (tenant_id, space_id, status, permission_epoch, created_at)"
        " SELECT tenant_id, space_id, 'current', 0, MIN(created_at) FROM question GROUP BY tenant_id, space_id"
    )
    no = _NO[op.get_context().dialect.name]
    counted = (
        "INSERT INTO tag_use (tenant_id, space_id, tag_id, use_count, last_used_at)"  # noqa: S608 - of constants
        " SELECT question.tenant_id, question.space_id, question_tag.tag_id, COUNT(*), MAX(question.created_at)"
        " FROM question JOIN question_tag ON question_tag.tenant_id = question.tenant_id"
        " AND question_tag.question_id = question.id"
        f" WHERE question.deleted_at IS NULL AND question.container_kind = 'space' AND question.is_guarded = {no}"
        " GROUP BY question.tenant_id, question.space_id, question_tag.tag_id"
    )
    op.execute(counted)
    _tally_all()


_FIRST_ID = 1_795_600_000_000 << 21
"""Of the events made here, in the form of the application's own ids: milliseconds, then 21 bits."""

_PAYLOAD = {
    "sqlite": """'{"v": 1, "question": "' || id || '", "space": "' || space_id || '"}'""",
    "postgresql": """'{"v": 1, "question": "' || id || '", "space": "' || space_id || '"}'""",
    "mssql": """CONCAT('{"v": 1, "question": "', id, '", "space": "', space_id, '"}')""",
}


def _tally_all() -> None:
    """Has the points of every question worked out that has earned somebody any."""
    payload = _PAYLOAD[op.get_context().dialect.name]
    op.execute(
        "INSERT INTO outbox (id, tenant_id, kind, payload, created_at, available_at, attempts)"  # noqa: S608 - of constants
        f" SELECT {_FIRST_ID} + ROW_NUMBER() OVER (ORDER BY tenant_id, id), tenant_id, 'tally_due', {payload},"
        " created_at, created_at, 0 FROM question"
        " WHERE up > 0 OR accepted_count > 0 OR EXISTS (SELECT 1 FROM answer WHERE answer.tenant_id ="
        " question.tenant_id AND answer.question_id = question.id AND answer.up > 0)"
    )


def downgrade() -> None:
    raise NotImplementedError("Rows of this schema have no place in the one before: restore a backup instead.")

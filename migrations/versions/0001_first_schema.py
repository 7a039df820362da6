"""The first schema: installations, people, questions, answers, votes, tags, outbox, destinations, deliveries."""

import sqlalchemy as sa
from alembic import op

from migrations.types import code, moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("atlassian_account_id", code(128), nullable=False),
        sa.Column("first_seen_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "account_ref", name=op.f("pk_account")),
        sa.UniqueConstraint(
            "tenant_id", "atlassian_account_id", name=op.f("uq_account_tenant_id_atlassian_account_id")
        ),
    )
    op.create_table(
        "install_token",
        sa.Column("token_hash", code(64), nullable=False),
        sa.Column("body_hash", code(64), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_install_token")),
    )
    op.create_table(
        "installation",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_key", code(255), nullable=False),
        sa.Column("base_url", code(200), nullable=False),
        sa.Column("display_url", code(200), nullable=True),
        sa.Column("oauth_client_id", code(255), nullable=True),
        sa.Column("installation_ari", code(255), nullable=True),
        sa.Column("state", code(16), nullable=False),
        sa.Column("permission_epoch", sa.Integer(), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("key_salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("last_issued_at", moment(), nullable=False),
        sa.Column("installed_at", moment(), nullable=False),
        sa.Column("uninstalled_at", moment(), nullable=True),
        sa.Column("purge_after", moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_installation")),
        sa.UniqueConstraint("client_key", name=op.f("uq_installation_client_key")),
    )
    op.create_table(
        "installation_secret",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_installation_secret")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", code(32), nullable=False),
        sa.Column("payload", code(512), nullable=False),
        sa.Column("traceparent", code(55), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("available_at", moment(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done_at", moment(), nullable=True),
        sa.Column("dead_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["available_at", "id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
        mssql_where=sa.text("done_at IS NULL"),
    )

    op.create_table(
        "space_settings",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat_enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "space_id", name=op.f("pk_space_settings")),
    )
    op.create_table(
        "tag",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.Unicode(length=35), nullable=False),
        sa.Column("use_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "tag_id", name=op.f("pk_tag")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_tag_tenant_id_slug")),
    )
    op.create_table(
        "destination",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", code(16), nullable=False),
        sa.Column("label", sa.Unicode(length=80), nullable=False),
        sa.Column("scope_kind", code(16), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=True),
        sa.Column("events", code(64), nullable=False),
        sa.Column("disclosure", code(16), nullable=False),
        sa.Column("endpoint_record", sa.LargeBinary(length=4096), nullable=False),
        sa.Column("endpoint_fingerprint", code(64), nullable=False),
        sa.Column("endpoint_host", code(255), nullable=False),
        sa.Column("endpoint_ending", code(4), nullable=False),
        sa.Column("state", code(16), nullable=False),
        sa.Column("disabled_reason", code(32), nullable=True),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("failing_since", moment(), nullable=True),
        sa.Column("last_delivered_at", moment(), nullable=True),
        sa.Column("created_by_ref", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.CheckConstraint(
            "(scope_kind = 'space' AND scope_id IS NOT NULL) OR (scope_kind = 'site' AND scope_id IS NULL)",
            name=op.f("ck_destination_scope"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by_ref"],
            ["account.tenant_id", "account.account_ref"],
            name=op.f("fk_destination_account"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_destination")),
        sa.UniqueConstraint(
            "tenant_id", "endpoint_fingerprint", name=op.f("uq_destination_tenant_id_endpoint_fingerprint")
        ),
    )
    op.create_table(
        "question",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("container_kind", code(16), nullable=False),
        sa.Column("container_id", sa.BigInteger(), nullable=False),
        sa.Column("is_guarded", sa.Boolean(), nullable=False),
        sa.Column("author_ref", sa.BigInteger(), nullable=False),
        sa.Column("state", code(16), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("up", sa.Integer(), nullable=False),
        sa.Column("down", sa.Integer(), nullable=False),
        sa.Column("answer_count", sa.Integer(), nullable=False),
        sa.Column("accepted_count", sa.Integer(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("active_at", moment(), nullable=False),
        sa.Column("deleted_at", moment(), nullable=True),
        sa.CheckConstraint("score = up - down", name=op.f("ck_question_score")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "author_ref"], ["account.tenant_id", "account.account_ref"], name=op.f("fk_question_account")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_question")),
    )
    op.create_index("ix_question_container", "question", ["tenant_id", "container_id"], unique=False)
    op.create_index(
        "ix_question_newest",
        "question",
        ["tenant_id", "space_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_question_unanswered",
        "question",
        ["tenant_id", "space_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL AND answer_count = 0"),
        postgresql_where=sa.text("deleted_at IS NULL AND answer_count = 0"),
        mssql_where=sa.text("deleted_at IS NULL AND answer_count = 0"),
    )
    op.create_index(
        "ix_question_votes",
        "question",
        ["tenant_id", "space_id", sa.literal_column("score DESC"), sa.literal_column("id DESC")],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
        mssql_where=sa.text("deleted_at IS NULL"),
    )

    op.create_table(
        "vote",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_kind", code(16), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_ref", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.CheckConstraint("value IN (-1, 1)", name=op.f("ck_vote_value")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_ref"], ["account.tenant_id", "account.account_ref"], name=op.f("fk_vote_account")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "subject_kind", "subject_id", "account_ref", name=op.f("pk_vote")),
    )
    op.create_table(
        "answer",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("author_ref", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("up", sa.Integer(), nullable=False),
        sa.Column("down", sa.Integer(), nullable=False),
        sa.Column("accepted_at", moment(), nullable=True),
        sa.Column("accepted_by_ref", sa.BigInteger(), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("deleted_at", moment(), nullable=True),
        sa.CheckConstraint("score = up - down", name=op.f("ck_answer_score")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "author_ref"], ["account.tenant_id", "account.account_ref"], name=op.f("fk_answer_account")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "question_id"], ["question.tenant_id", "question.id"], name=op.f("fk_answer_question")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "question_id", "id", name=op.f("pk_answer")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_answer_tenant_id_id")),
    )
    op.create_table(
        "delivery",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("destination_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", code(32), nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=True),
        sa.Column("state", code(16), nullable=False),
        sa.Column("due_at", moment(), nullable=False),
        sa.Column("queued_at", moment(), nullable=True),
        sa.Column("lease_until", moment(), nullable=True),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.Column("traceparent", code(55), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("finished_at", moment(), nullable=True),
        sa.Column("reason", code(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destination.tenant_id", "destination.id"],
            name=op.f("fk_delivery_destination"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "tenant_id", "event_id", "destination_id", name=op.f("uq_delivery_tenant_id_event_id_destination_id")
        ),
    )
    op.create_index("ix_delivery_destination", "delivery", ["tenant_id", "destination_id", "id"], unique=False)
    op.create_index("ix_delivery_due", "delivery", ["state", "due_at"], unique=False)

    op.create_table(
        "question_tag",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_created_at", moment(), nullable=False),
        sa.Column("question_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "question_id"], ["question.tenant_id", "question.id"], name=op.f("fk_question_tag_question")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tag_id"], ["tag.tenant_id", "tag.tag_id"], name=op.f("fk_question_tag_tag")
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "tag_id", "question_created_at", "question_id", name=op.f("pk_question_tag")
        ),
    )
    op.create_index("ix_question_tag_question", "question_tag", ["tenant_id", "question_id", "tag_id"], unique=False)

    op.create_table(
        "attempt",
        sa.Column("tenant_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", code(16), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("reason", code(32), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"], ["delivery.tenant_id", "delivery.id"], name=op.f("fk_attempt_delivery")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", "attempt_no", name=op.f("pk_attempt")),
    )


def downgrade() -> None:
    op.drop_table("attempt")
    op.drop_table("question_tag")
    op.drop_table("delivery")
    op.drop_table("answer")
    op.drop_table("vote")
    op.drop_table("question")
    op.drop_table("destination")
    op.drop_table("tag")
    op.drop_table("space_settings")
    op.drop_table("outbox")
    op.drop_table("installation_secret")
    op.drop_table("installation")
    op.drop_table("install_token")
    op.drop_table("account")

"""Who acts: typed identifiers and the principal that only the HTTP edge makes from a verified token."""

from dataclasses import dataclass
from typing import NewType

TenantId = NewType("TenantId", int)
"""Our key of an installation, in SQL and logs."""

ClientKey = NewType("ClientKey", str)
"""Atlassian's identifier of an installation; the issuer of its tokens."""

AccountId = NewType("AccountId", str)
"""Atlassian account: opaque, personal data."""

ContentId = NewType("ContentId", int)
"""Confluence content id; the public id of a question or answer. A decimal string in JSON."""

SpaceId = NewType("SpaceId", int)
"""Confluence space id. The space key is display only and never stored."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified installation and account. Use cases accept nothing weaker."""

    tenant_id: TenantId
    account_id: AccountId

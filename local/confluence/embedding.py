"""Addresses and tokens of the app's pages inside a site's pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from local.confluence.content import Item
from local.confluence.descriptor import Module
from local.confluence.installation import Installation
from local.confluence.people import Site, Space
from local.confluence.tokens import CONTEXT_QSH, Claims, query_hash, sign_request_token

CONNECT_VERSION = "1001.0.0-SNAPSHOT"
VARIABLE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the page around the iframe is about."""

    space: Space | None = None
    item: Item | None = None
    custom: Mapping[str, str] | None = None

    def variables(self) -> dict[str, str]:
        """Context parameters (https://developer.atlassian.com/cloud/confluence/context-parameters/)."""
        found = dict(self.custom or {})
        if self.space is not None:
            found |= {"space.id": str(self.space.id), "space.key": self.space.key}
        if self.item is not None:
            kind = "page" if self.item.kind == "page" else "content"
            described = {"id": str(self.item.id), "version": str(self.item.version), "type": self.item.type}
            found |= {f"{name}.{key}": value for name in {kind, "content"} for key, value in described.items()}
        return found

    def claim(self, account_id: str | None) -> Claims:
        """The informative `context` claim of tokens."""
        found: Claims = {} if account_id is None else {"user": {"accountId": account_id}}
        confluence = self.described()
        return {**found, "confluence": confluence} if confluence else found

    def described(self) -> Claims:
        found: Claims = {}
        if self.space is not None:
            found["space"] = {"id": str(self.space.id), "key": self.space.key}
        if self.item is not None:
            found["content"] = {
                "id": str(self.item.id),
                "type": self.item.type,
                "version": str(self.item.version),
            }
        return found


def fill_variables(url: str, variables: Mapping[str, str]) -> str:
    """Unknown variables become empty, as in the product."""
    return VARIABLE.sub(lambda match: quote(variables.get(match[1], ""), safe=""), url)


def iframe_url(
    site: Site,
    installation: Installation,
    module: Module,
    place: Whereabouts,
    *,
    account_id: str | None,
    licensed: bool,
) -> str:
    """A fresh signed address, good for three minutes."""
    app = installation.app
    url = app.base_url + fill_variables(module.url, place.variables())
    standard = {
        "xdm_e": site.origin,
        "xdm_c": f"channel-{app.key}__{module.key}",
        "xdm_deprecated_addon_key_do_not_use": app.key,
        "cp": "/wiki",
        "lic": "active" if licensed else "none",
        "cv": CONNECT_VERSION,
        "loc": "en-GB",
        "tz": "Europe/Berlin",
    }
    url += ("&" if "?" in url else "?") + urlencode(standard, quote_via=quote)
    token = sign_request_token(
        installation.shared_secret,
        issuer=installation.client_key,
        qsh=query_hash("GET", url, urlsplit(app.base_url).path),
        subject=account_id,
        context=place.claim(account_id),
    )
    return f"{url}&jwt={token}"


def context_token(installation: Installation, place: Whereabouts, *, account_id: str | None) -> str:
    """What AP.context.getToken gives: the fixed query hash, no claim to any address."""
    return sign_request_token(
        installation.shared_secret,
        issuer=installation.client_key,
        qsh=CONTEXT_QSH,
        subject=account_id,
        context=place.claim(account_id),
    )

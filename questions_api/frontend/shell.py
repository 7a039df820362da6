"""The HTML around the front end, and the policy it is served under (pure).

The frame holds no inline code and no nonce; scripts and styles come from our own origin and from Atlassian's
Connect script, nothing else. Only the site that the verified token names may frame it.
"""

from html import escape
from urllib.parse import urlsplit

from lib.tenancy import Installation

VIEWS = ("questions", "question", "ask", "admin")
_AVATARS = "https://*.atl-paas.net"
_CONNECT_OPTIONS = "sizeToParent:false;hideFooter:true"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def frame_policy(installation: Installation, script_origin: str) -> str:
    """The Content-Security-Policy of a frame inside this installation's Confluence."""
    site = _origin(installation.base_url)
    ancestors = dict.fromkeys((site, _origin(installation.display_url or installation.base_url)))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {script_origin}",
            f"style-src 'self' {script_origin}",
            f"img-src 'self' data: {_AVATARS} {site}",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "form-action 'none'",
            f"frame-ancestors {' '.join(ancestors)}",
        )
    )


def shell(view: str, *, data: dict[str, str], script: str, styles: tuple[str, ...], connect_script: str) -> bytes:
    """The page that loads the front end; `data` becomes data attributes, escaped."""
    links = "".join(f'<link rel="stylesheet" href="{escape(style)}">' for style in styles)
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Questions</title>{links}"
        f'<script src="{escape(connect_script)}" data-options="{_CONNECT_OPTIONS}"></script>'
        f'<script type="module" src="{escape(script)}"></script></head>'
        '<body><div class="ac-content">'
        f'<div id="root" data-view="{escape(view)}"{attributes}></div>'
        "<noscript>Questions needs JavaScript.</noscript></div></body></html>"
    ).encode()


def failure_page(heading: str, text: str, trace_id: str) -> bytes:
    """What a person sees when the frame cannot be shown."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Questions</title></head><body>'
        f"<h1>{escape(heading)}</h1><p>{escape(text)}</p>"
        f"<p><small>Reference {escape(trace_id)}</small></p></body></html>"
    ).encode()

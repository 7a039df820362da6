"""Questions as Confluence shows them to the app, remembered for a few seconds.

One event goes to many destinations at once, and each of them looks at its question right before it sends;
Confluence is asked once. The memory holds titles, which is why it is short and never leaves the process.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lib.confluence import Caller, Content
from lib.principal import ContentId, TenantId
from lib.services import Services
from lib.tenancy import Installation

BELIEVED = timedelta(seconds=5)
_HELD = 256


@dataclass(slots=True)
class Sightings:
    """What was seen of each question, and when. Shared by all threads of a process."""

    _seen: dict[tuple[TenantId, ContentId], tuple[datetime, Content | None]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(self, services: Services, installation: Installation, question_id: ContentId) -> Content | None:
        """The question, or None where the app may not see it. `Unavailable` when Confluence does not answer."""
        key, now = (installation.tenant_id, question_id), services.now()
        held = self._seen.get(key)
        if held is not None and timedelta() <= now - held[0] < BELIEVED:
            return held[1]
        found = services.confluence.content(Caller(installation, None), question_id)
        with self._lock:
            # What is past its time goes with the next question, so that no title outlives its use.
            fresh = {name: kept for name, kept in self._seen.items() if now - kept[0] < BELIEVED}
            self._seen = {**fresh, key: (now, found)} if len(fresh) < _HELD else {key: (now, found)}
        return found


SIGHTINGS = Sightings()

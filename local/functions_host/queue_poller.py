"""Queue triggers with the exact behaviour of the storage extension's listener, one poller per function.

Batches, a fixed lease with renewal, exponential back-off, retries by visibility, the poison queue: the figures are
those of https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.functions_host.engine import Function, Result
from local.functions_host.host_json import QueueSettings
from local.functions_host.outputs import decode
from local.functions_host.queue_client import Queue, QueueFailure, ReceivedMessage, is_queue_name

LEASE_S = 600
# A renewal that meets a server error is tried again sooner, down to this share of the lease (one minute of ten).
SOONEST_RENEWAL = 0.1
FIRST_DELAY_S = 0.1
POISON_SUFFIX = "-poison"

Invoke = Callable[[Function, str | bytes, Mapping[str, Any]], Awaitable[Result]]

log = logging.getLogger("local.functions_host")


@dataclass(slots=True)
class Backoff:
    """Seconds to wait before the next poll: 0.1 after activity, then doubling with jitter up to the ceiling."""

    ceiling_s: float
    rng: random.Random = field(default_factory=random.Random)
    _empty_polls: int = 0
    _delay_s: float = FIRST_DELAY_S

    def after(self, *, found: bool) -> float:
        if found:
            self._empty_polls = 1
            self._delay_s = min(FIRST_DELAY_S, self.ceiling_s)
        elif self._empty_polls == 0:
            self._empty_polls = 1
        elif self._delay_s < self.ceiling_s:
            step = self.rng.uniform(0.8, 1.2) * 2 ** (self._empty_polls - 1) * FIRST_DELAY_S
            self._delay_s = min(FIRST_DELAY_S + step, self.ceiling_s)
            self._empty_polls += 1
        return self._delay_s


@dataclass(slots=True)
class _Leased:
    """The receipt changes at every renewal, so it is read at the moment of use; None once it is lost."""

    message: ReceivedMessage
    receipt: str | None
    done: asyncio.Event = field(default_factory=asyncio.Event)


class QueuePoller:
    """At least once: a message is deleted only after the function and its outputs succeeded.

    `stop` ends polling at once; messages in flight run on, and `drained` returns when the last has ended.
    """

    def __init__(
        self,
        function: Function,
        queue: Queue,
        settings: QueueSettings,
        *,
        invoke: Invoke,
        lease_s: int = LEASE_S,
        rng: random.Random | None = None,
    ) -> None:
        self._function = function
        self._queue = queue
        self._settings = settings
        self._invoke = invoke
        self._lease_s = lease_s
        self._backoff = Backoff(settings.max_polling_interval_s, rng or random.Random())
        self._poison = _poison_queue(queue)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._wake = asyncio.Event()
        self._stopping = False
        self._is_failing = False

    @property
    def queue_name(self) -> str:
        return self._queue.name

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._room.set()

    async def drained(self) -> None:
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    async def run(self) -> None:
        found_since_delay = False
        while not self._stopping:
            batch = await self._receive()
            for message in batch:
                task = asyncio.create_task(self._process(_Leased(message, message.receipt)))
                self._in_flight.add(task)
                task.add_done_callback(self._ended)
            if batch:
                found_since_delay = True
                await self._until_room()
            else:
                await self._sleep(self._backoff.after(found=found_since_delay))
                found_since_delay = False

    async def _receive(self) -> list[ReceivedMessage]:
        try:
            batch = await self._queue.receive(self._settings.batch_size, self._lease_s)
        except QueueFailure as failure:
            # The trigger never creates its queue: a missing one counts as empty.
            self._note(None if failure.is_missing_queue else failure)
            return []
        except OSError as error:
            self._note(error)
            return []
        self._note(None)
        return batch

    def _note(self, fault: Exception | None) -> None:
        """Logs the first of a row of failed polls and the end of that row, not each poll."""
        if fault is not None and not self._is_failing:
            log.warning("%s: polling %s fails, %s", self._function.name, self._queue.name, fault)
        if fault is None and self._is_failing:
            log.info("%s: polling %s works again", self._function.name, self._queue.name)
        self._is_failing = fault is not None

    async def _sleep(self, delay_s: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), delay_s)
        except TimeoutError:
            return
        self._wake.clear()

    async def _until_room(self) -> None:
        while len(self._in_flight) > self._settings.new_batch_threshold and not self._stopping:
            self._room.clear()
            await self._room.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: a message stays until its lease ends", self._function.name, exc_info=error)

    async def _process(self, leased: _Leased) -> None:
        renewals = asyncio.create_task(self._renew(leased))
        try:
            is_success = await self._handle(leased.message)
        finally:
            # Completing waits for a renewal under way, which would otherwise change the receipt below it.
            leased.done.set()
            await renewals
        if leased.receipt is not None:
            await _ignoring_lost_receipt(self._complete(leased.message, leased.receipt, is_success=is_success))

    async def _handle(self, message: ReceivedMessage) -> bool | None:
        """True: done. False: failed. None: not run and not worth another try."""
        if message.dequeue_count > self._settings.max_dequeue_count and self._poison is not None:
            return None
        try:
            body = decode(message.text, base64_text=self._settings.base64)
        except ValueError:
            log.warning("%s: message %s is not base64", self._function.name, message.id)
            return None
        result = await self._invoke(self._function, body, _metadata(message, body))
        return result.error is None

    async def _complete(self, message: ReceivedMessage, receipt: str, *, is_success: bool | None) -> None:
        if is_success:
            await self._queue.delete(message.id, receipt)
        elif self._poison is None:
            # Without a poison queue an instant retry would loop for ever: the message waits out its lease.
            return
        elif is_success is None or message.dequeue_count >= self._settings.max_dequeue_count:
            log.warning("%s: message %s goes to %s", self._function.name, message.id, self._poison.name)
            await self._poison.put(message.text)
            await self._queue.delete(message.id, receipt)
        else:
            await self._queue.set_visibility(message.id, receipt, int(self._settings.visibility_timeout_s))

    async def _renew(self, leased: _Leased) -> None:
        delay_s = self._lease_s / 2
        while leased.receipt is not None:
            try:
                await asyncio.wait_for(leased.done.wait(), delay_s)
            except TimeoutError:
                delay_s = await self._renewed(leased, delay_s)
            else:
                return

    async def _renewed(self, leased: _Leased, delay_s: float) -> float:
        """Renews once; returns the seconds until the next renewal."""
        if leased.receipt is None:
            return delay_s
        try:
            leased.receipt = await self._queue.set_visibility(leased.message.id, leased.receipt, self._lease_s)
        except QueueFailure as failure:
            if failure.is_lost_receipt:
                log.warning("%s: the lease of message %s is lost", self._function.name, leased.message.id)
                leased.receipt = None
        except OSError:
            pass
        else:
            return self._lease_s / 2
        return max(delay_s / 2, self._lease_s * SOONEST_RENEWAL)


async def _ignoring_lost_receipt(work: Awaitable[None]) -> None:
    try:
        await work
    except QueueFailure as failure:
        if not failure.is_lost_receipt:
            raise


def _poison_queue(queue: Queue) -> Queue | None:
    name = queue.name + POISON_SUFFIX
    if queue.name.endswith(POISON_SUFFIX) or not is_queue_name(name):
        return None
    return Queue(queue.account, name)


def _metadata(message: ReceivedMessage, body: str | bytes) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "Id": message.id,
        "PopReceipt": message.receipt,
        "DequeueCount": message.dequeue_count,
        "InsertionTime": _iso(message.inserted_at),
        "ExpirationTime": _iso(message.expires_at),
        "NextVisibleTime": _iso(message.next_visible_at),
    }
    if isinstance(body, str):
        metadata["QueueTrigger"] = body
    return metadata


def _iso(at: datetime) -> str:
    # The worker's converters know this one form of UTC.
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")

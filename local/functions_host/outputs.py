"""Queue output bindings: where each function's outputs go, and writing them."""

import base64
from collections.abc import Callable, Mapping, Sequence

from local.functions_host.engine import Function
from local.functions_host.host_json import HostConfigurationError
from local.functions_host.queue_client import Queue


class Outputs:
    """`wake` is told the name of each queue written to, so that a listener of this host polls at once."""

    def __init__(self, queues: Mapping[tuple[str, str], Queue], *, base64_text: bool) -> None:
        self._queues = queues
        self._base64 = base64_text
        self.wake: Callable[[str], None] = _nobody

    async def write(self, function: Function, messages: Sequence[tuple[str, str | bytes]]) -> None:
        for name, message in messages:
            queue = self._queues.get((function.name, name))
            if queue is None:
                raise HostConfigurationError(f"{function.name} has no queue output named {name}.")
            await queue.put(encode(message, base64_text=self._base64))
            self.wake(queue.name)


def encode(message: str | bytes, *, base64_text: bool) -> str:
    data = message.encode() if isinstance(message, str) else message
    return base64.b64encode(data).decode() if base64_text else data.decode()


def decode(text: str, *, base64_text: bool) -> str | bytes:
    """Text when it is UTF-8, bytes otherwise; ValueError when base64 was agreed and this is not base64."""
    if not base64_text:
        return text
    data = base64.b64decode("".join(text.split()), validate=True)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _nobody(_queue: str) -> None:
    return None

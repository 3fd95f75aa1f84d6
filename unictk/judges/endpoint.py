"""Questions to a chat endpoint that speaks OpenAI's protocol: many at a time, patiently, each asked once."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from unictk.errors import UserError
from unictk.judges.replies import Replies

if TYPE_CHECKING:
    from openai import OpenAI

Message = dict[str, Any]
"""One message of a conversation, as the protocol has it."""

NO_KEY = "none"
"""Sent to a server of one's own, which asks for no key."""


class Endpoint:
    """A model behind an OpenAI-compatible endpoint.

    The key comes from the environment and goes nowhere but into the request. Rate limits (429), server errors
    (5xx), time-outs and broken replies are tried again with growing pauses, as the openai package does it.

    Args:
        model: the model's name there.
        base_url: address; None: OpenAI's own.
        key_variable: environment variable of the key.
        concurrency: requests at a time.
        attempts: tries per request.
        timeout: seconds per try.
        budget: questions that this process may send, each counted once however often the endpoint is busy;
            None: any number.
        cache: folder of replies (:class:`~unictk.judges.replies.Replies`); None keeps none.
        max_tokens: longest reply.

    Raises:
        UserError: openai is not installed, or there is neither key nor address.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        concurrency: Annotated[int, Ge(1)] = 8,
        attempts: Annotated[int, Ge(1)] = 6,
        timeout: Annotated[float, Gt(0)] = 60.0,
        budget: Annotated[int, Ge(0)] | None = None,
        cache: str | None = None,
        max_tokens: Annotated[int, Ge(1)] = 400,
    ) -> None:
        self.model, self.base_url, self.key_variable = model, base_url, key_variable
        self.concurrency, self.attempts, self.timeout = concurrency, attempts, timeout
        self.budget, self.max_tokens = budget, max_tokens
        self.replies = Replies(None if cache is None else Path(cache))
        self.sent = 0
        self._counting = Lock()
        self._client().close()  # what is missing is told before anything is trained

    def ask(self, conversations: Sequence[Sequence[Message]]) -> list[str]:
        """The reply to each conversation, on its own. Equal ones are asked once.

        Every reply is kept as soon as it is there, so a failure loses none.

        Raises:
            UserError: the endpoint refuses, stays silent, or the budget is spent.
        """
        asked = [self._asked(conversation) for conversation in conversations]
        keys = [json.dumps(one, sort_keys=True) for one in asked]
        distinct = dict(zip(keys, asked, strict=True))
        known = {key: self.replies.get(one) for key, one in distinct.items()}
        said = {key: reply for key, reply in known.items() if reply is not None}
        said |= self._send({key: one for key, one in distinct.items() if key not in said})
        return [said[key] for key in keys]

    def _asked(self, conversation: Sequence[Message]) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": list(conversation),
            "temperature": 0,
            "max_tokens": self.max_tokens,
        }

    def _send(self, missing: dict[str, dict[str, Any]]) -> dict[str, str]:
        if not missing:
            return {}
        with self._client() as client, ThreadPoolExecutor(self.concurrency) as pool:
            running: dict[Future[str], str] = {
                pool.submit(self._one, client, one): key for key, one in missing.items()
            }
            done, waiting = wait(running, return_when=FIRST_EXCEPTION)
            for future in waiting:
                future.cancel()
            return {running[future]: future.result() for future in done}

    def _one(self, client: OpenAI, asked: dict[str, Any]) -> str:
        """One request; broken JSON in place of a reply counts as a failed try."""
        import openai

        for attempt in range(self.attempts):
            self._spend()
            try:
                reply = client.with_options(max_retries=self.attempts - 1 - attempt).chat.completions.create(
                    **asked
                )
                said = reply.choices[0].message.content or ""
            except (openai.APIResponseValidationError, ValueError, IndexError, AttributeError, TypeError):
                continue
            except openai.OpenAIError as error:
                raise UserError(self._reason(error)) from None
            self.replies.put(asked, said)
            return said
        raise UserError(f"judge: {self._where()} sent no readable reply in {self.attempts} tries")

    def _spend(self) -> None:
        with self._counting:
            if self.budget is not None and self.sent >= self.budget:
                raise UserError(
                    f"judge.endpoint.budget: {self.budget} requests are spent; replies so far are kept, "
                    "a larger budget goes on from there"
                )
            self.sent += 1

    def _client(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ImportError:
            raise UserError("judge: openai is not installed; pip install 'unictk[judge]'") from None
        key = os.environ.get(self.key_variable)
        if not key and self.base_url is None:
            raise UserError(
                f"judge: the environment has no {self.key_variable}; set it, or judge.endpoint.base_url"
            )
        return OpenAI(api_key=key or NO_KEY, base_url=self.base_url, timeout=self.timeout)

    def _reason(self, error: Exception) -> str:
        """The error in one line, without the key, which servers like to repeat."""
        words = " ".join(str(error).split())[:300]
        if key := os.environ.get(self.key_variable):
            words = words.replace(key, "***")
        return f"judge: {self._where()}: {type(error).__name__}: {words}"

    def _where(self) -> str:
        return f"{self.model} at {self.base_url or 'api.openai.com'}"

"""The client: what can be asked of one server, and how often a request is sent until its reply begins."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING

from llmvision_magic.backends.wire import error_mapping, retries, server_errors
from llmvision_magic.backends.wire.base_url import checked_url
from llmvision_magic.backends.wire.chat_completion import whole_deltas
from llmvision_magic.backends.wire.connection_pool import ConnectionPool
from llmvision_magic.backends.wire.endpoint import ENDPOINT, NO_ENDPOINT, advice, is_azure, query_secrets, with_version
from llmvision_magic.backends.wire.exchange import Exchange, nothing_to_do
from llmvision_magic.backends.wire.log_masking import hide_in_logs
from llmvision_magic.backends.wire.request import Request, Timeouts, encoded
from llmvision_magic.backends.wire.response_body import json_object, kind_of, not_json
from llmvision_magic.backends.wire.retries import Retrying
from llmvision_magic.backends.wire.secret_filter import SecretFilter
from llmvision_magic.backends.wire.server_errors import is_no_api
from llmvision_magic.backends.wire.server_messages import Server, mapping, passwords
from llmvision_magic.backends.wire.stream_decoder import StreamDecoder
from llmvision_magic.backends.wire.transport import Call
from llmvision_magic.errors import BadResponse, ChatError, ContextTooLong, Interrupted, RequestRefused, ServerBusy
from llmvision_magic.messages import Delta, as_name
from llmvision_magic.settings.headers import Headers
from llmvision_magic.stop import Stop

if TYPE_CHECKING:
    from llmvision_magic.messages import Reply

# A finish reason has come; the usage and the end mark follow at once, or the server sends neither. Seconds.
GRACE = 2.0


class Client:
    """Talks to one server of the Chat Completion API. Usable from several threads at once.

    Close it, or use it as a context manager. Connections are made when first needed.

    Args:
        base_url: Address of the API, mostly ending in ``/v1``; where there is none, it is looked for under ``/v1``.
        api_key: Sent as a bearer token; None or empty: no Authorization header.
        headers: Sent besides our own, and in the place of those with the same name.
        timeouts: How long the server may stay silent.
        retries: How often a request that the server surely did not begin to answer is sent again.
        trust_env: Whether proxies and certificates are taken from the environment. Off for a server on this machine.
        secrets: What besides the key may not be shown: a part of the address may be the secret of a variable.

    Raises:
        InvalidInput: The base URL is no http(s) address, or the key holds characters that no header can carry.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        headers: Headers | None = None,
        timeouts: Timeouts | None = None,
        retries: int = 2,
        trust_env: bool = True,
        secrets: Iterable[str] = (),
    ) -> None:
        url = checked_url(base_url)
        self.timeouts = timeouts or Timeouts()
        self.retries = retries
        headers = headers or Headers()
        self._query = f"?{url.query.decode('ascii')}" if url.query else ""
        self._base_url = str(url.copy_with(userinfo=b"", query=None)).rstrip("/")
        self._versioned = with_version(self._base_url)
        self._pool = ConnectionPool(url, api_key, headers, self.timeouts, trust_env=trust_env)
        own = (api_key, *passwords(url.userinfo.decode("ascii")), *headers.secrets, *query_secrets(self._query[1:]))
        self._server = Server(self._base_url, (*filter(None, own), *secrets))
        self._server.has_key = bool(api_key or url.userinfo or headers)
        self._server.advice = advice(self._base_url, has_api_version=is_azure(self._query))
        self._filter = SecretFilter(filter(None, own), self._server)
        hide_in_logs(self._server.secrets)
        self._usage_known: bool | None = None

    def __repr__(self) -> str:
        return f"Client({self._server.address!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """Address of the API, without user, password, query and final slash."""
        return self._base_url

    @property
    def address(self) -> str:
        """The same, as it may be shown."""
        return self._server.address

    def close(self) -> None:
        """Close the connections; replies that still arrive are cut."""
        self._pool.close()

    def stream(
        self, request: Request, stop: Stop | None = None, *, before_reading: Callable[[], None] | None = None
    ) -> Generator[Delta | Retrying, None, None]:
        """Send a request and yield its reply as it arrives; as one delta for each choice if it is not streamed.

        A `Retrying` comes before each wait for another try. Once an event has arrived nothing is ever sent again.
        Closing the generator closes the connection. When `stop` is set the generator ends, without an error.

        Args:
            before_reading: Called when all events that were read are handed out, before more are waited for.

        Raises:
            InvalidInput: The request has no JSON.
            NotConnected: No connection, or it ended before the reply began.
            NoReply: The server stayed silent.
            RequestRefused: The server refused; a subclass if it fits one.
            BadResponse: What came is not the API.
            ReplyCut: The reply began and broke off.
        """
        stop = stop or Stop()
        with Call(stop, self.timeouts.first_event) as call:
            try:
                exchange = yield from self._opened(request, call)
                if exchange is None:
                    return
                exchange.before_reading = before_reading or nothing_to_do
                try:
                    for delta in self._filter.deltas(self._deltas(exchange, request)):
                        if stop.is_set:
                            return
                        yield delta
                finally:
                    exchange.close()
            except ChatError:
                # A connection that was shut down to wake us fails in some way or other.
                if not stop.is_set:
                    raise

    def complete(self, request: Request, stop: Stop | None = None) -> Reply:
        """Send a request and wait for the whole reply. Raises as `stream` does; retries are waited for in silence.

        Returns:
            The reply; when `stop` was set what had arrived, with the status "interrupted".
        """
        from llmvision_magic.backends.wire.whole_reply import whole_reply

        return whole_reply(self.stream(request, stop), stop)

    def models(self, stop: Stop | None = None) -> list[str]:
        """Names of the models the server offers, in its order.

        Raises:
            Interrupted: `stop` was set.
            ChatError: As `stream`; never sent twice.
        """
        stop = stop or Stop()
        try:
            answer = self.answer("GET", self._at("/models"), None, stop)
        except (BadResponse, RequestRefused) as error:
            status = error.status if isinstance(error, RequestRefused) else 404
            if not self._versioned or status not in (404, 405):
                raise
            answer = self.answer("GET", self._at("/models", self._versioned), None, stop)
            self._found(self._versioned)
        listed = answer.get("data", answer.get("models"))
        if not isinstance(listed, list):
            raise server_errors.not_a_reply("no list of models", str(answer), self._server)
        names = [item if isinstance(item, str) else mapping(item).get("id") for item in listed]
        return [as_name(self._filter.name(name)) for name in names if isinstance(name, str)]

    def answer(self, method: str, url: str, body: object, stop: Stop) -> dict[str, object]:
        """The JSON object that answers one request, beside replies.

        Args:
            url: The whole address.
            body: Sent as JSON; None for none.

        Raises:
            Interrupted: `stop` was set.
            ChatError: As `stream`; never sent twice.
        """
        with Call(stop, self.timeouts.first_event) as call:
            exchange = self._exchange(call)
            try:
                exchange.send(self._pool.http_client(), method, url, None if body is None else encoded(body))
                if exchange.status >= 300:
                    raise exchange.refusal("")
                content = exchange.body()
            except error_mapping.HTTP_EXCEPTIONS as error:
                if stop.is_set:
                    raise Interrupted(stop.reason) from error
                raise exchange.failure(error) from error
            except ChatError as error:
                if stop.is_set:
                    raise Interrupted(stop.reason) from error
                raise
            finally:
                exchange.close()
        return json_object(content, self._server)

    def _opened(self, request: Request, call: Call) -> Generator[Retrying, None, Exchange | None]:
        """Send until a reply begins; None when stopped."""
        # As it is now: another thread may find the API meanwhile.
        base, versioned, first = self._base_url, self._versioned, None
        ask_usage = not (request.asks_usage and self._usage_known is False)
        attempt = 0
        while not call.stop.is_set:
            asked_pause = None
            exchange = self._exchange(call)
            try:
                body = encoded(request.body(ask_usage=ask_usage))
                exchange.send(self._pool.http_client(), "POST", self._at(ENDPOINT, base), body)
                if exchange.status < 300 and self._is_reply(exchange):
                    self._found(base)
                    if request.asks_usage:
                        self._usage_known = ask_usage
                    return exchange
                asked_pause = exchange.asked_pause()
                failure: ChatError = exchange.refusal(request.model)
                if versioned and is_no_api(failure, request.model):
                    if first is None:
                        first, base = failure, versioned
                        self._server.address = self._server.masked(base)
                        continue
                    failure, self._server.address = first, self._server.masked(self._base_url)
                elif versioned and exchange.status in (400, 401, 422):  # so says an API, and no page before it
                    self._found(base)
                if (
                    request.asks_usage
                    and ask_usage
                    and self._usage_known is None
                    and exchange.status in (400, 422)
                    and not isinstance(failure, ContextTooLong)
                ):
                    # It may be the question for the usage that is refused: older servers do not know it.
                    ask_usage = False
                    continue
                reason = retries.reason_for_status(exchange.status) if isinstance(failure, ServerBusy) else None
            except error_mapping.HTTP_EXCEPTIONS as error:
                failure = exchange.failure(error)
                reason = retries.reason_for_exception(error)
            if call.stop.is_set:
                break
            seconds = retries.pause_before(attempt + 1, asked_pause) if reason and attempt < self.retries else None
            if reason is None or seconds is None:
                raise failure
            attempt += 1
            yield Retrying(seconds, attempt, reason)
            if not call.stop.wait(seconds):
                break
        return None

    def _deltas(self, exchange: Exchange, request: Request) -> Iterator[Delta]:
        head = exchange.head()
        kind = kind_of(exchange.content_type, head)
        if kind == "other":
            raise not_json(exchange.body(), self._server)
        asked = request.parameters.extra.get("n")
        choices = asked if isinstance(asked, int) else 1
        if kind == "json":
            yield from whole_deltas(exchange.body(), self._server, choices=choices)
            return
        between = self.timeouts.between_events

        def heard() -> None:
            exchange.heard(min(GRACE, between) if decoder.finished else between)

        decoder = StreamDecoder(exchange, self._server, choices=choices, on_event=heard)
        yield from decoder.deltas()
        if decoder.ended:
            exchange.drain()

    def _is_reply(self, exchange: Exchange) -> bool:
        """Whether an answer with a good status is the API's. Looked at while it is not known where the API is."""
        if not self._versioned:
            return True
        try:
            head = exchange.head()
        except BaseException:
            exchange.close()
            raise
        return kind_of(exchange.content_type, head) != "other" and NO_ENDPOINT not in head

    def _at(self, endpoint: str, base: str = "") -> str:
        return f"{base or self._base_url}{endpoint}{self._query}"

    def _found(self, base: str) -> None:
        """The API is there: it is looked for nowhere else any more."""
        if self._versioned:
            self._base_url, self._server.address = base, self._server.masked(base)
            self._versioned = self._server.advice = ""

    def _exchange(self, call: Call) -> Exchange:
        return Exchange(call, self._server, self.timeouts)

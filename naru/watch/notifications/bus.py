"""An own queue at the message queue, bound to the exchanges that services send notifications by.

Exchanges are asked for (passively) and never declared, and no queue but our own is: one that is declared with other
arguments than a service's has that service fail with 406. What others consume they get as before, for an exchange gives
each queue that is bound to it a copy.

Our queue is durable; exchanges mostly are not, and are gone with a broker that is restarted, and with them what binds
our queue. A second queue of ours that is not durable says whether that has happened: it is then gone, too.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import amqp
import kombu
from kombu.exceptions import KombuError

from naru.errors import NaruError
from naru.watch.notifications.address import Address

QUEUE = "naru.watch"
MARK = "naru.watch.up"
EXCHANGES = ("nova", "cinder", "openstack", "neutron", "glance", "keystone")
"""By which services send; Cinder by `openstack`, unless it is told otherwise."""
TOPICS = ("notifications", "versioned_notifications")
PRIORITIES = ("debug", "info", "audit", "sample", "warn", "error", "critical")
TTL = 86400.0
"""Seconds that the queue keeps a message while nobody reads it."""
LENGTH = 100_000
"""Messages that it keeps; then the oldest go."""
EXPIRES = 7 * 86400.0
"""Seconds after which the queue itself goes when nobody reads it."""
CONNECT = 5.0
HEARTBEAT = 20.0
LOOK, LOOK_LATER, SOON = 5.0, 60.0, 900.0
"""Exchanges that are not there are looked for every `LOOK` seconds, and after `SOON` seconds every `LOOK_LATER`: the
broker writes each look into its log."""


class Away(NaruError):
    """The message queue is not reached, or refuses what is asked of it."""


class Message(NamedTuple):
    exchange: str
    body: bytes


class Bus:
    """A connection to one of the servers of a message queue, from which messages are read. Raises Away, also of all
    its methods. `was_there` says whether our queue was there before, `waiting` how many messages it had, `went_on`
    whether the broker has gone on since we were there last, None where it cannot be known; `bound` are the exchanges
    that the queue is bound to."""

    def __init__(self, address: Address, exchanges: Sequence[str] = EXCHANGES) -> None:
        self._address, self._exchanges = address, exchanges
        self._connection = self._connected()
        self._got: list[Message] = []
        self._last = 0
        self._begun = time.monotonic()
        self._looked = float("-inf")
        self.bound: list[str] = []
        try:
            with self._told():
                self.was_there = self._declare(QUEUE, durable=True)
                self.went_on = self._marked()
                self._channel = self._connection.channel()
                self.waiting = self._channel.queue_declare(QUEUE, passive=True).message_count
                self.look()
                self._consume()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Bus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError, KombuError, amqp.AMQPError, AttributeError):
            self._connection.close()

    def _connected(self) -> kombu.Connection:
        """To the first server that answers."""
        failed: list[str] = []
        for server in self._address.servers:
            connection = kombu.Connection(
                hostname=server.host,
                port=server.port,
                userid=server.user,
                password=server.password,
                virtual_host=self._address.vhost,
                ssl=self._address.tls(server),
                connect_timeout=CONNECT,
                heartbeat=HEARTBEAT,
                transport_options={"client_properties": {"connection_name": "naru watch"}},
            )
            try:
                connection.connect()
                return connection
            except amqp.AccessRefused:
                failed.append(f"{server}: user {server.user} or its password is refused")
            except amqp.NotAllowed:
                failed.append(f"{server}: user {server.user} may not use the virtual host {self._address.vhost}")
            except (OSError, KombuError, amqp.AMQPError) as error:
                failed.append(f"{server}: {str(error) or type(error).__name__}")
            with contextlib.suppress(OSError, KombuError, amqp.AMQPError, AttributeError):
                connection.close()
        raise Away("; ".join(failed))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with a connection, in one way."""
        try:
            yield
        except amqp.AccessRefused as error:
            what = str(error.reply_text)
            exclusive = "exclusive" in what
            hint = (
                "Another naru watch run reads it, perhaps on another machine: there is one at a time."
                if exclusive
                else f"On the broker: rabbitmqctl set_permissions -p VHOST USER '^{QUEUE}' '^{QUEUE}' '.*'"
            )
            raise Away(f"{self._address}: {what}", hint=hint) from error
        except amqp.PreconditionFailed as error:
            hint = f"A queue {QUEUE} with other limits is there. On the broker: rabbitmqctl delete_queue {QUEUE}"
            raise Away(f"{self._address}: {error.reply_text}", hint=hint) from error
        except (OSError, KombuError, amqp.AMQPError) as error:
            raise Away(f"{self._address}: {str(error) or type(error).__name__}") from error

    def _declare(self, queue: str, *, durable: bool) -> bool:
        """Has a queue of ours there; whether it was there before."""
        there = True
        channel = self._connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
        except amqp.NotFound:
            there = False
            channel = self._connection.channel()
        limits: dict[str, Any] = {"x-expires": int(EXPIRES * 1000)}
        if durable:
            limits |= {"x-message-ttl": int(TTL * 1000), "x-max-length": LENGTH, "x-overflow": "drop-head"}
        channel.queue_declare(queue, durable=durable, auto_delete=False, arguments=limits)
        channel.close()
        return there

    def _marked(self) -> bool | None:
        """Whether the broker has gone on since we were there; None where it has no queues that are not durable any
        more, so that it cannot be known."""
        try:
            return self._declare(MARK, durable=False)
        except amqp.AMQPError:
            self._connection.close()
            self._connection = self._connected()
            return None

    def look(self) -> list[str]:
        """Binds the exchanges that have come since; those."""
        every = LOOK if time.monotonic() - self._begun < SOON else LOOK_LATER
        if len(self.bound) == len(self._exchanges) or time.monotonic() - self._looked < every:
            return []
        self._looked = time.monotonic()
        found = []
        with self._told():
            for name in self._exchanges:
                if name in self.bound:
                    continue
                channel = self._connection.channel()
                try:
                    channel.exchange_declare(name, type="topic", passive=True)
                except amqp.NotFound:
                    continue  # the broker has closed the channel
                for topic in TOPICS:
                    for priority in PRIORITIES:
                        channel.queue_bind(QUEUE, name, f"{topic}.{priority}")
                channel.close()
                found.append(name)
        self.bound += found
        return found

    def _consume(self) -> None:
        self._channel.basic_qos(0, 1000, False)
        self._channel.basic_consume(QUEUE, callback=self._came, exclusive=True)

    def _came(self, message: Any) -> None:
        body = message.body
        self._got.append(Message(message.delivery_info["exchange"], body.encode() if isinstance(body, str) else body))
        self._last = message.delivery_tag

    def read(self, most: int, seconds: float) -> list[Message]:
        """What comes within some time, and no more than so many; as soon as nothing more is there, what has come."""
        end = time.monotonic() + seconds
        with self._told():
            while len(self._got) < most and (left := end - time.monotonic()) > 0:
                try:
                    self._connection.drain_events(timeout=0.02 if self._got else left)
                except TimeoutError:
                    break
            self._connection.heartbeat_check()
        got, self._got = self._got, []
        return got

    def done(self) -> None:
        """What was read is kept: the broker may forget it."""
        if self._last:
            with self._told():
                self._channel.basic_ack(self._last, multiple=True)
            self._last = 0

"""Notifications from a real RabbitMQ: nobody else gets less than before, nothing is lost and nothing counted twice,
whatever is killed."""

import datetime
import ipaddress
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import amqp
import kombu
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from naru.cli.main import main
from naru.watch.match import Matcher
from naru.watch.notifications import address, bus, events, listen
from naru.watch.notifications.bus import MARK, QUEUE, Away, Bus
from naru.watch.notifications.listen import listening
from naru.watch.store import Store

from ..processes import started
from .broker import Broker, running
from .messages import RELEASES, SECRETS, Message, one, recorded

pytestmark = pytest.mark.rabbitmq


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(tmp_path_factory.mktemp("broker") / "b") as made:
        yield made


@pytest.fixture
def services(broker: Broker) -> Iterator["Services"]:
    made = Services(broker)
    yield made
    made.clear()


class Services:
    """What services do at the broker, as oslo.messaging does it: each declares its exchange and the queue that is read
    by default, neither durable, and sends."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._open()

    def _open(self) -> None:
        self._connection = self.broker.connection()
        self._channel = self._connection.channel()

    def again(self) -> None:
        """After the broker was away."""
        self._open()

    def clear(self) -> None:
        """Nothing is there any more that a test has made."""
        for exchange in bus.EXCHANGES:
            self._channel.exchange_delete(exchange)
        for queue in (QUEUE, MARK, *(f"{topic}.{name}" for topic in bus.TOPICS for name in ("error", "info"))):
            self._channel.queue_delete(queue)
        self._connection.close()

    def send(self, *messages: Message) -> None:
        for each in messages:
            exchange = kombu.Exchange(each.exchange, type="topic", durable=False, auto_delete=False)
            kombu.Queue(
                each.key, exchange, routing_key=each.key, durable=False, auto_delete=False, channel=self._channel
            ).declare()
            producer = kombu.Producer(self._channel, exchange)
            producer.publish(each.body, routing_key=each.key, content_type="application/json")

    def waiting(self, queue: str) -> int:
        channel = self._connection.channel()
        return int(channel.queue_declare(queue, passive=True).message_count)


@pytest.fixture
def words(broker: Broker, tmp_path: Path) -> list[str]:
    """The command that reads what is there."""
    file = tmp_path / "bus"
    file.touch(0o600)
    file.write_text(broker.url)
    return ["-q", "watch", "run", str(tmp_path / "watch"), "--notifications", str(file), "--once", "-f", "json"]


def counts(work: Path) -> dict[str, int]:
    with Store(work) as store:
        return {f"{one['text']} {one['exception']}": one["count"] for one in store.groups()}


def test_own_queue_beside_somebody_elses(
    services: Services, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who reads the default queues gets all that they would get without us, we get all as well; and nothing of anybody
    is declared."""
    services.send(one("pike", "scheduler.create_volume"))  # before we are there for the first time
    services.send(*(one("pike", kind).again() for kind in ("image.create", "attach_volume", "port.create.start")))
    services.send(one("pike", "identity.authenticate").again())
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["notifications"] == 0
    given = [each for release in RELEASES for each in recorded(release)]
    services.send(*given)
    assert main(words) == 0
    read = json.loads(capsys.readouterr().out)["notifications"]
    services.send(*given)
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["notifications"] == read == len(given)  # twice is once
    errors = [each for each in given if each.key == "notifications.error"]
    assert services.waiting("notifications.error") == 2 * len(errors) + 2
    assert services.waiting(QUEUE) == 0
    assert counts(tmp_path / "watch")["notification scheduler.create_volume NoValidBackend"] == 1


def test_an_exchange_that_comes_later_is_bound(services: Services, broker: Broker, tmp_path: Path) -> None:
    services.send(one("pike", "image.create"))
    with listening(tmp_path / "watch", [address.parsed(broker.url, "it")], Matcher([]), lambda *_: None):
        time.sleep(1)
        services.send(one("pike", "compute.exception", versioned=True))  # it makes the exchange
        begun = time.monotonic()
        while counts(tmp_path / "watch") == {}:
            assert time.monotonic() - begun < 10 + listen.HELD
            services.send(one("2026.2", "compute.exception", versioned=True).again())
            time.sleep(0.5)
    with Store(tmp_path / "watch") as store:
        ((_, known),) = events.states(store.connection).items()
        assert sorted(known["bound"]) == ["glance", "nova"]
        assert listen.doubts(store, time.time()) == []


def test_seconds_from_a_notification_to_its_group(services: Services, broker: Broker, tmp_path: Path) -> None:
    services.send(one("pike", "scheduler.create_volume"), one("pike", "attach_volume"))
    seconds = []
    came: list[str] = []
    with listening(
        *(tmp_path / "watch", [address.parsed(broker.url, "it")], Matcher([])), lambda _, keys: came.extend(keys)
    ):
        time.sleep(2)
        for kind in ("scheduler.create_volume", "attach_volume"):
            before, begun = len(came), time.monotonic()
            services.send(one("2026.2", kind))
            while len(came) == before:
                time.sleep(0.02)
            seconds.append(time.monotonic() - begun)
    print(f"of Cinder {seconds[0]:.2f} s, of Nova, which waits for its other format, {seconds[1]:.2f} s")
    assert seconds[0] < 3 and seconds[1] < 5


def test_we_are_down(services: Services, words: list[str], tmp_path: Path) -> None:
    """What is sent while nobody reads waits; longer than the queue keeps it, that is told."""
    services.send(one("pike", "attach_volume"), one("pike", "scheduler.create_volume"))
    assert main(words) == 0
    services.send(one("pike", "scheduler.create_volume"))
    default = services.waiting("notifications.error")
    assert main(words) == 0
    assert sum(counts(tmp_path / "watch").values()) == 1
    assert services.waiting("notifications.error") == default
    with Store(tmp_path / "watch") as store:
        ((name, known),) = events.states(store.connection).items()
        events.set_state(store.connection, name, {**known, "read": time.time() - 2 * bus.TTL})
    assert main(words) == 1
    with Store(tmp_path / "watch") as store:
        (told,) = listen.doubts(store, time.time())
        assert "may be missing" in told and "the queue keeps them for 24 hours" in told


@pytest.mark.releases  # two starts of a broker
def test_a_broker_that_is_restarted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its exchanges are gone, and what binds our queue: we are bound again as soon as they are there, what was in our
    queue is there, and the gap is told."""
    with running(tmp_path / "b") as broker:
        services = Services(broker)
        services.send(one("pike", "attach_volume"), one("pike", "scheduler.create_volume"))
        work = tmp_path / "watch"
        with listening(work, [address.parsed(broker.url, "it")], Matcher([]), lambda *_: None):
            time.sleep(2)
            services.send(one("pike", "scheduler.create_volume"))
            time.sleep(1)
            broker.stop()
            time.sleep(3)
            with Store(work) as store:
                assert any("not read" in told for told in listen.doubts(store, time.time()))
            broker.start()
            services.again()
            begun = time.monotonic()
            while sum(counts(work).values()) < 2:
                assert time.monotonic() - begun < 40, "not bound again"
                services.send(one("2026.2", "scheduler.create_volume").again())
                time.sleep(1)
        with Store(work) as store:
            (told,) = listen.doubts(store, time.time())
            assert "may be missing" in told and "the broker was restarted" in told


def test_a_connection_that_is_cut_has_no_gap(services: Services, broker: Broker, tmp_path: Path) -> None:
    services.send(one("pike", "scheduler.create_volume"))
    work = tmp_path / "watch"
    where = address.parsed(broker.url, "it")
    with listening(work, [where], Matcher([]), lambda *_: None):
        time.sleep(1)
    services.send(one("pike", "scheduler.create_volume"))
    with listening(work, [where], Matcher([]), lambda *_: None, once=True):
        pass
    assert sum(counts(work).values()) == 1
    with Store(work) as store:
        assert listen.doubts(store, time.time()) == []


def test_there_is_one_reader(services: Services, broker: Broker) -> None:
    services.send(one("pike", "scheduler.create_volume"))
    where = address.parsed(broker.url, "it")
    with Bus(where), pytest.raises(Away) as error:
        Bus(where)
    assert "Another naru watch run" in str(error.value.hint)


def test_another_host_is_tried(services: Services, broker: Broker) -> None:
    services.send(one("pike", "scheduler.create_volume"))
    url = broker.url.replace("@127.0.0.1", "@127.0.0.1:1,openstack:p%3Aw%401@127.0.0.1")
    with Bus(address.parsed(url, "it")) as reached:
        assert reached.bound == ["openstack"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("p%3Aw%401", "wrong"), "user openstack or its password is refused"),
        (("//openstack", "//none"), "may not use the virtual host /none"),
        (("@127.0.0.1:", "@127.0.0.2:"), "127.0.0.2"),
    ],
)
def test_why_it_is_not_reached_is_told(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], told: str
) -> None:
    file = tmp_path / "bus"
    file.touch(0o600)
    before, _, after = broker.url.rpartition(change[0])
    file.write_text(before + change[1] + after)
    assert main(["watch", "run", str(tmp_path / "watch"), "--notifications", str(file), "--once"]) == 1
    said = capsys.readouterr().err
    assert "notifications: not read" in said and told in said
    assert "p:w@1" not in said and "wrong" not in said


def test_limits_of_the_queue_that_are_others_are_told(broker: Broker, services: Services) -> None:
    channel = broker.connection().channel()
    channel.queue_declare(QUEUE, durable=True, auto_delete=False)
    with pytest.raises(Away) as error:
        Bus(address.parsed(broker.url, "it"))
    assert "rabbitmqctl delete_queue naru.watch" in str(error.value.hint)


def test_a_default_queue_that_somebody_made_durable_is_left(
    broker: Broker, services: Services, words: list[str], tmp_path: Path
) -> None:
    """Services fail at it (406), and say so in their logs; it is not us."""
    services.send(one("pike", "image.create"))
    channel = broker.connection().channel()
    channel.queue_declare("notifications.error", durable=True, auto_delete=False)
    assert main(words) == 0
    with pytest.raises(amqp.PreconditionFailed):
        services.send(one("pike", "scheduler.create_volume"))
    assert channel.queue_declare("notifications.error", passive=True).message_count == 0
    services.again()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    address_of = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address_of, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = directory / "cert.pem", directory / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return files


def test_tls(tmp_path: Path) -> None:
    """The broker's certificate is checked: by the file that is given, and never not at all."""
    files = certificate(tmp_path)
    with running(tmp_path / "b", files) as broker:
        services = Services(broker)
        services.send(one("pike", "scheduler.create_volume"))
        url = broker.url.replace(str(broker.port), str(broker.secure_port))
        with Bus(address.parsed(f"{url}?ssl=1&ssl_ca_file={files[0]}", "it")) as reached:
            services.send(one("pike", "scheduler.create_volume"))
            assert [each.exchange for each in reached.read(1, 10)] == ["openstack"]
        with pytest.raises(Away, match=r"(?i)certificate"):
            Bus(address.parsed(f"{url}?ssl=1", "it"))
        elsewhere = url.replace("127.0.0.1", "localhost")
        with pytest.raises(Away, match=r"(?i)certificate|refused"):
            Bus(address.parsed(f"{elsewhere}?ssl=1&ssl_ca_file={files[0]}", "it"))


READ = """
import sys
from pathlib import Path
from naru.watch.match import Matcher
from naru.watch.notifications import address, listen
listen.HELD = 0.05
where = address.parsed(Path(sys.argv[2]).read_text(), "it")
with listen.listening(Path(sys.argv[1]), [where], Matcher([]), lambda *_: None) as listeners:
    print("reads", flush=True)
    listeners[0].join()
"""
KILLS = int(os.environ.get("NARU_TEST_KILLS", "40"))


@pytest.mark.kill
@pytest.mark.releases  # a minute and more
def test_killed_at_any_instant_each_counts_once(services: Services, broker: Broker, tmp_path: Path) -> None:
    work, file = tmp_path / "watch", tmp_path / "bus"
    file.write_text(broker.url)
    message = one("2026.2", "scheduler.create_volume")
    services.send(message)
    where = address.parsed(broker.url, "it")
    Bus(where).close()  # our queue is there
    sent = 0
    rng = random.Random(17)
    for _ in range(KILLS):
        with started([sys.executable, "-c", READ, str(work), str(file)], stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdout.readline()
            for _ in range(rng.randint(1, 60)):
                services.send(message.again())
                sent += 1
            time.sleep(rng.random() * 0.6)
            os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while True:  # until the broker has seen that the last one is gone
        with listening(work, [where], Matcher([]), lambda *_: None, once=True):
            pass
        if services.waiting(QUEUE) == 0 or time.monotonic() > end:
            break
    (count,) = counts(work).values()
    print(f"{KILLS} kills, {sent} sent")
    assert count == sent
    with Store(work) as store:
        assert sum(store.hosts().popitem()[1].values()) == sent
        assert events.count(store.connection) == (sent, sent)
    assert not [secret for secret in SECRETS if secret.encode() in (work / "watch.db").read_bytes()]

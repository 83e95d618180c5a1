"""Hosts switched off and on by Redfish: sushy against the lab's power controllers, with a machine on paper behind."""

import datetime
import ipaddress
import threading
from collections.abc import Iterator
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from naru.errors import NaruError
from naru.lab.hosts import redfish
from naru.lab.hosts.machine import CONTROLS, Machine
from naru.site import power
from naru.site.model import Power

pytestmark = pytest.mark.unit

UUID = "12345678-9abc-def0-1122-334455667788"


class OnPaper(Machine):
    """Power that is a word."""

    powered = True

    @property
    def is_on(self) -> bool:
        return self.powered

    def on(self) -> None:
        self.powered = True

    def cut(self) -> None:
        self.powered = False


def certified(directory: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "controller")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "controller.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


class Controller:
    """One that runs, and how it is reached."""

    def __init__(self, machine: OnPaper, port: int, certificate: Path) -> None:
        self.machine, self.certificate = machine, str(certificate)
        given = {"address": "127.0.0.1", "user": "admin", "password": {"file": "x"}, "port": port}
        self.power = Power.model_validate(given)

    def says(self) -> bool | None:
        (found,) = power.statuses(self.power, "secret", self.certificate)
        assert (found.name, found.uuid) == ("node1", UUID)
        return found.on

    def order(self, what: power.Order, password: str = "secret") -> None:
        power.order(self.power, password, self.certificate, what)


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    spec = {"name": "node1", "uuid": UUID, "controller": "127.0.0.1/32", "nics": [], "mounts": []}
    machine = OnPaper(spec, {"directory": str(tmp_path)})
    file = certified(tmp_path)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setattr(redfish, "PORT", 0)
    monkeypatch.setitem(CONTROLS, "ForceOff", OnPaper.cut)
    monkeypatch.setitem(CONTROLS, "On", OnPaper.on)
    with redfish.Server({"node1": machine}, context, "secret") as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Controller(machine, server.server_address[1], file)
        server.shutdown()
        thread.join()


def test_off_and_on_and_what_is_so_already(controller: Controller) -> None:
    assert controller.says() is True
    orders: list[power.Order] = ["off", "off", "on", "on"]
    for what in orders:
        controller.order(what)
        assert controller.says() is (what == "on") and controller.machine.powered is (what == "on")


def test_an_order_that_is_refused_or_not_done_is_seen_by_what_is_read_back_alone(controller: Controller) -> None:
    controller.machine.faults = {"refuses": 0.0}
    controller.order("off")
    assert controller.says() is True and controller.machine.powered
    controller.machine.faults = {"says-off": 0.0}
    controller.order("off")
    assert controller.says() is False and controller.machine.powered  # it lies: other evidence has to find that out
    controller.machine.faults = {"says-on": 0.0}
    controller.order("off")
    assert controller.says() is True and not controller.machine.powered


def test_who_may_not_is_told_so(controller: Controller) -> None:
    with pytest.raises(power.Denied):
        controller.order("off", password="wrong")
    assert controller.machine.powered
    with pytest.raises(NaruError):
        power.order(controller.power.model_copy(update={"port": 9}), "secret", controller.certificate, "off")

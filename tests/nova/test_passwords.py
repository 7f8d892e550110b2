"""What guests show as their key may be anything."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nova import exception

from compute_hyperv.nova import passwords
from tests.nova import making


def shown(key):
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Guest:
    """Its end of the exchange. :param answers: given the request, what it shows as the result."""

    def __init__(self, key_text, answers=lambda _: "{}"):
        self._shown = {passwords.KEY: key_text}
        self._answers = answers
        self.told = {}

    def items(self, _machine_id):
        return self._shown

    def tell(self, _machine_id, name, data):
        self.told[name] = data
        self._shown[passwords.RESULT] = self._answers(json.loads(data))

    def withdraw(self, _machine_id, name):
        del self.told[name]


def set_password(guest, password="Geheim-1!", **image_properties):
    instances = SimpleNamespace(machine_id=lambda _: "ID")
    room = passwords.Passwords(SimpleNamespace(guest_exchange=guest), instances)
    room.set(making.make_instance(image_properties=image_properties), password)


@pytest.mark.parametrize(
    "text",
    ["no base64!", "AAAA", shown(ec.generate_private_key(ec.SECP256R1())), "a" * 1000],
    ids=["no base64", "no key", "a key of another kind", "long"],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(exception.SetAdminPasswdNotSupported, match="no public RSA key"):
        set_password(Guest(text))


def test_a_guest_without_a_key_is_refused():
    with pytest.raises(exception.InstanceAgentNotEnabled, match="shows no"):
        set_password(Guest(None))


@pytest.mark.parametrize("answer", ["", "[]", "no JSON", '{"id": "another", "error": ""}'])
def test_a_guest_that_does_not_answer_is_not_believed(monkeypatch, key, answer):
    monkeypatch.setattr(passwords, "ANSWER_WITHIN_S", 0.0)
    guest = Guest(shown(key), lambda _: answer)
    with pytest.raises(exception.InstanceAgentNotEnabled, match="did not say"):
        set_password(guest)
    assert guest.told == {}


def test_a_guest_that_refuses_says_why(key):
    guest = Guest(shown(key), lambda request: json.dumps({"id": request["id"], "error": "too short"}))
    with pytest.raises(exception.SetAdminPasswdNotSupported, match="too short"):
        set_password(guest)


@pytest.mark.parametrize(
    ("properties", "user"),
    [
        ({}, "root"),
        ({"os_type": "linux"}, "root"),
        ({"os_type": "Windows"}, "Administrator"),
        ({"os_type": "windows", "os_admin_user": "admin"}, "admin"),
    ],
)
def test_whose_password_it_is(key, properties, user):
    users = []

    def answer(request):
        users.append(request["user"])
        return json.dumps({"id": request["id"], "error": ""})

    set_password(Guest(shown(key), answer), **properties)
    assert users == [user]

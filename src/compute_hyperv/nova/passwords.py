"""Setting a password in a guest that runs, by Hyper-V's key-value pairs.

No integration service of Hyper-V sets passwords, so a program in the guest has to take part:

======================================  =======  ====================================================================
item                                    from     content
======================================  =======  ====================================================================
``OpenStack.PasswordKey``               guest    its public RSA key: base64 of the DER form (SubjectPublicKeyInfo)
``OpenStack.SetPassword``               host     JSON ``{"id", "user", "password"}``; the password in UTF-8, encrypted
                                                 with that key (OAEP with SHA-256), base64
``OpenStack.SetPasswordResult``         guest    JSON ``{"id", "error"}``; no error: an empty text
======================================  =======  ====================================================================

The password is never readable on the host. A guest without such a program is refused by name.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from nova import exception
from nova.objects.instance import Instance

from compute_hyperv.nova import shielding
from compute_hyperv.nova.errors import in_novas_words
from compute_hyperv.nova.image_properties import image_property
from compute_hyperv.nova.instances import Instances

if TYPE_CHECKING:
    from compute_hyperv.host.host import HyperVHost

KEY, REQUEST, RESULT = "OpenStack.PasswordKey", "OpenStack.SetPassword", "OpenStack.SetPasswordResult"

# The API waits a minute for us (rpc_response_timeout).
ANSWER_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.5
_MIN_KEY_BITS = 2048


class Passwords:
    def __init__(self, host: HyperVHost, instances: Instances) -> None:
        self._host = host
        self._instances = instances

    @in_novas_words
    def set(self, instance: Instance, password: str) -> None:
        """Has the guest give its administrator this password.

        :raises nova.exception.InstanceAgentNotEnabled: nobody in the guest answers.
        :raises nova.exception.SetAdminPasswdNotSupported: the guest refuses; the message has its reason. Or it is
            shielded.
        """
        if shielding.wanted(instance) == "shielded":
            raise exception.SetAdminPasswdNotSupported(
                "A shielded server takes nothing from its host: log in to it to change the password."
            )
        machine_id = self._instances.machine_id(instance)
        key = _public_key(self._host.guest_exchange.items(machine_id).get(KEY))
        number = str(uuid.uuid4())
        request = {"id": number, "user": _user(instance), "password": _encrypted(key, password)}
        self._host.guest_exchange.tell(machine_id, REQUEST, json.dumps(request))
        try:
            error = self._answer(machine_id, number)
        finally:
            self._host.guest_exchange.withdraw(machine_id, REQUEST)
        if error:
            raise exception.SetAdminPasswdNotSupported(f"The guest did not set the password: {error[:200]}")

    def _answer(self, machine_id: str, number: str) -> str:
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while True:
            result = _result(self._host.guest_exchange.items(machine_id).get(RESULT))
            if result.get("id") == number:
                return str(result.get("error", ""))
            if time.monotonic() > deadline:
                raise exception.InstanceAgentNotEnabled(
                    f"The guest did not say within {ANSWER_WITHIN_S:.0f} s whether it has set the password."
                )
            time.sleep(_LOOK_EVERY_S)


def _public_key(text: str | None) -> RSAPublicKey:
    """The guest's key. What a guest says may be anything."""
    if not text:
        raise exception.InstanceAgentNotEnabled(
            f"The guest shows no {KEY} by key-value exchange: it has no program that sets passwords, or it is still "
            "booting."
        )
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
        raise exception.SetAdminPasswdNotSupported(
            f"What the guest shows as {KEY} is no public RSA key of {_MIN_KEY_BITS} bits or more."
        )
    return key


def _encrypted(key: RSAPublicKey, password: str) -> str:
    scheme = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    try:
        return base64.b64encode(key.encrypt(password.encode(), scheme)).decode()
    except ValueError:
        raise exception.SetAdminPasswdNotSupported("The password is too long for the guest's key.") from None


def _result(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _user(instance: Instance) -> str:
    """Whose password it is, as Nova's other drivers have it: by the image's os_admin_user or its os_type."""
    named = image_property(instance, instance.image_meta, "os_admin_user")
    os_type = (image_property(instance, instance.image_meta, "os_type") or "").lower()
    return named or ("Administrator" if os_type == "windows" else "root")

"""How a password gets into a running guest by key-value pairs without being seen on the way: the guest's side.

======================================  =======  ====================================================================
item                                    from     content
======================================  =======  ====================================================================
``OpenStack.PasswordKey``               guest    its public RSA key: base64 of the DER form (SubjectPublicKeyInfo)
``OpenStack.SetPassword``               host     JSON ``{"id", "user", "password"}``; the password in UTF-8, encrypted
                                                 with that key (OAEP with SHA-256), base64
``OpenStack.SetPasswordResult``         guest    JSON ``{"id", "error"}``; no error: an empty text
======================================  =======  ====================================================================

No integration service of Hyper-V has such a thing, and no agent in the field is known to: this form is the simulator's
own. Values are shorter than the 1024 characters that a value may have (Linux' ``hyperv.h``).
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hyperv_simulator.guests.base import GuestError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY, REQUEST, RESULT = "OpenStack.PasswordKey", "OpenStack.SetPassword", "OpenStack.SetPasswordResult"


class PasswordExchange:
    """:param set_password: (user, password); its `GuestError` is the answer."""

    def __init__(self, set_password: Callable[[str, str], None]) -> None:
        self._set_password = set_password
        self._done = ""
        self._result: dict[str, str] = {}

    def items(self) -> dict[str, str]:
        """What the guest shows."""
        return {KEY: _public_key(), **self._result}

    def take(self, host_items: Mapping[str, str]) -> None:
        """Do what the host wants, once."""
        request = host_items.get(REQUEST, "")
        if request in ("", self._done):
            return
        self._done = request
        number = ""
        try:
            wanted = json.loads(request)
            number = str(wanted["id"])
            self._set_password(str(wanted["user"]), _decrypted(base64.b64decode(wanted["password"], validate=True)))
            error = ""
        except GuestError as refusal:
            error = refusal.text
        except (ValueError, KeyError, TypeError) as wrong:
            error = f"this is no request for a password: {wrong!r}"
        self._result = {RESULT: json.dumps({"id": number, "error": error})}


@functools.cache
def _key() -> RSAPrivateKey:
    """One for all guests of a process: making one takes a while."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def _public_key() -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return base64.b64encode(_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _decrypted(data: bytes) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    scheme = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return _key().decrypt(data, scheme).decode()

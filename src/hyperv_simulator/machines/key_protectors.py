"""A machine's key protector, beside its security settings, and which hosts can open it.

Rule: a protector that came with shielding data opens on guarded hosts only: the guardian service gives its keys to them
alone (Microsoft: "Guarded fabric and shielded VMs overview"). One that was made on a host opens wherever it is brought
to; that the host must have the guardian's certificates then is not simulated.
"""

from __future__ import annotations

from compute_hyperv.cim.values import CimInstance

# Beside the settings, see ``security``.
KEY_PROTECTOR, LAST_KNOWN_GOOD = "_KeyProtector", "_LastKnownGoodKeyProtector"
# What Hyper-V gives where there is none (eryph's tests of Get-VMKeyProtector say so of a host).
NO_KEY_PROTECTOR = bytes((0, 0, 0, 4))
# What a protector in shielding data begins with (assumption).
BY_GUARDIAN_SERVICE = b"HgsKeyProtector "


def key_protector_of(settings: CimInstance) -> bytes:
    """Empty where there is none."""
    value = settings.get(KEY_PROTECTOR)
    return value if isinstance(value, bytes) else b""


def needs_guarded_host(settings: CimInstance) -> bool:
    """Whether the machine can't start without keys of the guardian service."""
    return settings.get("TpmEnabled") is True and key_protector_of(settings).startswith(BY_GUARDIAN_SERVICE)

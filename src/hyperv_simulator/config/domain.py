"""``[host.kerberos]``: the host's domain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KerberosConfig:
    """What a host in a domain needs to take Kerberos tickets (``[host.kerberos]``); without a keytab it takes none.

    :param keytab: file with the keys of ``HTTP/name`` and ``WSMAN/name``, exported from the KDC.
    :param realm: the domain's realm; all of its principals are let in.
    """

    keytab: str = ""
    realm: str = ""

"""Shielding data of servers: from Barbican, by way of the host's disk, to the service that provisions machines.

A PDK file is larger than a secret may be: it is stored in pieces, as the secrets ``1`` to ``N`` of a container
(old-driver 3.4). It is read with the user's own token: whoever may not read it cannot have a server made with it.
Where Barbican is, is said once for all of Nova: by the service catalog, or ``[barbican]`` in nova.conf.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import nova.conf
from barbicanclient import client as barbican
from barbicanclient import exceptions as barbican_errors
from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1.session import Session
from nova import service_auth
from nova.objects.image_meta import ImageMeta
from nova.objects.instance import Instance
from oslo_log import log as logging

from compute_hyperv.cim.errors import CimError
from compute_hyperv.host.errors import NoShieldingData
from compute_hyperv.host.model import MachineSpec, Shielding
from compute_hyperv.nova import names, shielding
from compute_hyperv.nova.errors import ShieldingDataUnreadable

if TYPE_CHECKING:
    from compute_hyperv.host.files import Files

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# What Barbican, the way to it, and a reference or a container that is none can answer.
_ERRORS = (
    barbican_errors.HTTPError,
    barbican_errors.BarbicanException,
    keystone_errors.ClientException,
    ValueError,
    LookupError,
    TypeError,
)


def read(context: Any, instance: Instance, image_meta: ImageMeta) -> bytes:
    """:raises ShieldingDataUnreadable: Barbican does not give them, or what it gives is no file in pieces."""
    reference = shielding.reference(instance, image_meta) or ""
    try:
        secrets = _client(context).containers.get(reference).secrets
        return _joined({name: secrets[name].payload for name in secrets})
    except _ERRORS as error:
        # What is wrong comes first: users see the first 255 characters, and the reference is long.
        raise ShieldingDataUnreadable(
            reason=f"img_pdk_reference: {error or type(error).__name__}. It must name a container of Barbican with the "
            f"secrets 1 to N, which the user may read; it is {reference}"
        ) from error


@contextlib.contextmanager
def on_host(files: Files, machine: MachineSpec, data: bytes) -> Iterator[None]:
    """The data lie where the machine's spec says for as long as the block lasts. However it ends, neither they nor what
    was made beside them are there afterwards.

    :raises ShieldingDataUnreadable: the host finds that they are none.
    """
    if machine.shielding is None:
        yield
        return
    files.write(machine.shielding.data_path, data)
    try:
        yield
    except BaseException as error:
        # The build's own clean-up comes next, and tells what cannot be removed.
        with contextlib.suppress(CimError):
            _delete(files, machine.shielding)
        if isinstance(error, NoShieldingData):
            raise ShieldingDataUnreadable(reason=f"img_pdk_reference: {error}") from error
        raise
    _delete(files, machine.shielding)


def remove(files: Files, folder: str) -> None:
    """What a build that was cut off has left in an instance's folder."""
    for path in (names.shielding_data(folder), names.specialization_data(folder)):
        files.delete(path, missing_ok=True)


def _delete(files: Files, told: Shielding) -> None:
    for path in (told.data_path, told.specialization_path):
        files.delete(path, missing_ok=True)


def _client(context: Any) -> Any:
    """As castellan makes its own, with the options that it registers. The endpoint is always given: where the client
    looks it up in the catalog of a user's context, it leaves the version out of its addresses."""
    options = CONF.barbican
    auth = service_auth.get_service_user_token_auth_plugin(context)
    session = Session(auth=auth, verify=options.verify_ssl and (options.verify_ssl_path or True))
    endpoint = options.barbican_endpoint or session.get_endpoint(
        service_type="key-manager",
        interface=options.barbican_endpoint_type,
        region_name=options.barbican_region_name,
    )
    return barbican.Client(version=options.barbican_api_version, session=session, endpoint=endpoint)


def _joined(pieces: dict[str, Any]) -> bytes:
    """:raises ValueError: a piece is missing or is none."""
    expected = [str(number) for number in range(1, len(pieces) + 1)]
    if not pieces or set(pieces) != set(expected):
        raise ValueError(f"the container has the secrets {', '.join(sorted(pieces)) or 'none'}, not 1 to N")
    return b"".join(_content(name, pieces[name]) for name in expected)


def _content(name: str, payload: Any) -> bytes:
    if isinstance(payload, str):
        return payload.encode()
    if not isinstance(payload, bytes):
        raise ValueError(f"secret {name} has no content")
    return payload

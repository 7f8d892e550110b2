"""The WinRM service of one host: both listeners over one SOAP service."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import replace

from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.server.accounts import accounts_of
from hyperv_simulator.server.auth import NtlmAcceptor
from hyperv_simulator.server.endpoint import FRAME_BYTES, EndpointSettings, SoapService, WsManConnection
from hyperv_simulator.server.http import HttpListener
from hyperv_simulator.server.kerberos import KerberosAcceptor
from hyperv_simulator.server.tls import HostCertificate


class WinRm:
    """HTTP and HTTPS on a host's address.

    :param before_each: called for every HTTP request before it is looked at.
    :param clock: seconds since 1970, as the host's clock shows them.
    """

    def __init__(
        self,
        config: HostConfig,
        certificate: HostCertificate,
        service: SoapService,
        before_each: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        accounts = accounts_of(config)
        self._acceptor = NtlmAcceptor(accounts)
        kerberos = KerberosAcceptor(config.kerberos.keytab, config.kerberos.realm) if config.kerberos.keytab else None
        plain = EndpointSettings(
            accounts,
            allow_basic=config.allow_basic,
            allow_credssp=config.allow_credssp,
            allow_unencrypted=config.allow_unencrypted,
            max_envelope_bytes=config.quotas.max_envelope_bytes,
            kerberos=kerberos,
        )
        if config.client_ca_file:
            certificate.context.load_verify_locations(config.client_ca_file)
            certificate.context.verify_mode = ssl.CERT_OPTIONAL
        tls = replace(plain, channel_binding=certificate.channel_binding, allow_certificate=bool(config.client_ca_file))
        limit = config.quotas.max_envelope_bytes + FRAME_BYTES
        retrieval_s = float(config.quotas.max_packet_retrieval_time_seconds)
        self._listeners = (
            HttpListener(
                config.address,
                config.http_port,
                lambda: WsManConnection(plain, self._acceptor, service, before_each),
                max_body_bytes=limit,
                retrieval_timeout_s=retrieval_s,
                clock=clock,
            ),
            HttpListener(
                config.address,
                config.https_port,
                lambda: WsManConnection(tls, self._acceptor, service, before_each),
                tls=certificate.context,
                max_body_bytes=limit,
                retrieval_timeout_s=retrieval_s,
                clock=clock,
            ),
        )

    def start(self) -> None:
        """:raises ListenError: a port can't be had; nothing listens then."""
        for listener in self._listeners:
            try:
                listener.start()
            except OSError as error:
                self.stop()
                raise ListenError(listener.address, listener.port, error) from error

    def stop(self) -> None:
        for listener in self._listeners:
            listener.stop()
        self._acceptor.close()

    def drop_connections(self) -> None:
        """Cuts every connection, as a restart of the service does."""
        for listener in self._listeners:
            listener.drop_connections()


class ListenError(Exception):
    """An address and port can't be listened on, and why."""

    def __init__(self, address: str, port: int, error: OSError) -> None:
        super().__init__(f"{address}:{port}: {error.strerror}")
        self.address = address
        self.port = port
        self.error = error

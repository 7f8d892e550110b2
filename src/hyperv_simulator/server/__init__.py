"""The wire of one simulated host, from sockets up to WS-Management operations.

Each floor knows only the one below it::

    endpoint      /wsman: who may come in, in which form, and what leaves
      wsman       one SOAP request to one SOAP answer; enumeration keeps what Pull continues
      auth        who is at the other end of this connection (Basic, Negotiate)
      encryption  SOAP sealed into multipart/encrypted, and back
      http        sockets, threads, HTTP/1.1
      tls         the authority and the certificates
"""

"""The key-value side of guests under QEMU, with a guest that is played here."""

from __future__ import annotations

import base64
import socket

from hyperv_simulator.guests.qemu_exchange import QemuExchange


def test_a_guest_that_begins_to_listen_is_told_last_what_the_host_said_last() -> None:
    ours, theirs = socket.socketpair()
    exchange = QemuExchange(ours)
    for number in range(20):
        exchange.tell({"item": str(number)})
    guest = theirs.makefile("rw")
    assert guest.readline() == "0 report\n"
    guest.write("ok 0\n")
    guest.flush()

    told = []
    while len(told) < 20:
        number, *words = guest.readline().split()
        if len(words) == 2:
            told.append(base64.b64decode(words[1]).decode())
        elif words == ["."]:
            guest.write(f"ok {number}\n")
            guest.flush()

    assert told[-1] == "19"
    exchange.close()
    theirs.close()

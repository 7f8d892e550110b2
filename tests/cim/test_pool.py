"""Connections and the threads that use them."""

from __future__ import annotations

import threading

import pytest

from compute_hyperv.cim.errors import Busy, Unreachable
from compute_hyperv.cim.pool import ConnectionPool


class Connection:
    closed = False

    def send(self, message: bytes, timeout_s: float) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def test_a_connection_is_used_again() -> None:
    pool = ConnectionPool(Connection, 2)
    with pool.connection(1) as first:
        pass
    with pool.connection(1) as second:
        assert second is first


def test_two_threads_never_share_a_connection() -> None:
    pool = ConnectionPool(Connection, 4)
    in_use: set[int] = set()
    shared = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(200):
            with pool.connection(10) as connection:
                if id(connection) in in_use:
                    shared.append(connection)
                in_use.add(id(connection))
                in_use.discard(id(connection))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not shared


def test_a_thread_that_gets_no_connection_in_time_is_told_so() -> None:
    pool = ConnectionPool(Connection, 1)
    with pool.connection(1), pytest.raises(Busy, match="All 1 connections"), pool.connection(0.01):
        pass


def test_a_connection_that_failed_is_closed_and_not_used_again() -> None:
    pool = ConnectionPool(Connection, 1)
    with pytest.raises(RuntimeError), pool.connection(1) as failed:
        raise RuntimeError
    assert failed.closed
    with pool.connection(1) as other:
        assert other is not failed


def test_a_closed_pool_closes_what_is_idle_now_and_what_is_in_use_later() -> None:
    pool = ConnectionPool(Connection, 2)
    with pool.connection(1) as used:
        with pool.connection(1) as idle:
            pass
        pool.close()
        assert idle.closed
        assert not used.closed
    assert used.closed
    with pytest.raises(Unreachable), pool.connection(1):
        pass


def test_a_connection_that_was_idle_for_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ConnectionPool(Connection, 1)
    with pool.connection(1) as old:
        pass
    monkeypatch.setattr("compute_hyperv.cim.pool._LONGEST_IDLE_S", -1)
    with pool.connection(1) as new:
        assert new is not old
    assert old.closed

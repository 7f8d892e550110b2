"""One host as checks see it: each source is read once, by whichever check asks first; others wait for it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any, TypeVar

from compute_hyperv.cim.session import CimSession
from compute_hyperv.cim.values import CimInstance
from compute_hyperv.host.host import HyperVHost
from compute_hyperv.readiness.directory.accounts import Directories
from compute_hyperv.readiness.sources import AnySource, DirectorySource, FileSource, Source, one

_T = TypeVar("_T")


class Readings:
    """Safe for threads.

    :param name: by which the host was given.
    :param host: the host; whoever made it closes it.
    :param account: as whom the host is read; empty where that is a ticket's or a certificate's.
    :param directories: how the host's domain is asked; None where nobody knows an account for that.
    """

    def __init__(self, name: str, host: HyperVHost, account: str = "", directories: Directories | None = None) -> None:
        self.name = name
        self.host = host
        self.account = account
        self.directories = directories
        self._lock = threading.Lock()
        self._answers: dict[AnySource, Future[Any]] = {}

    @property
    def session(self) -> CimSession:
        return self.host.cim

    def of(self, source: Source[_T] | FileSource[_T] | DirectorySource[_T]) -> _T:
        """What the source says. Raises the CimError that reading it ended with, each time."""
        with self._lock:
            is_ours = source not in self._answers
            answer = self._answers.setdefault(source, Future())
        if is_ours:
            try:
                answer.set_result(self._read(source))
            except BaseException as error:
                answer.set_exception(error)
        result: _T = answer.result()
        return result

    def _read(self, source: Source[_T] | FileSource[_T] | DirectorySource[_T]) -> _T:
        if isinstance(source, FileSource):
            return source.read_files(self.host.files)
        if isinstance(source, DirectorySource):
            return source.read_directory(self)
        return source.read(self.session)

    def one(self, source: Source[tuple[CimInstance, ...]]) -> CimInstance:
        """The only instance of its class. Raises NotFound where there is none or are several."""
        return one(self.of(source), source)

    def forget(self) -> None:
        """Everything is read anew from now on: something was changed."""
        with self._lock:
            self._answers.clear()

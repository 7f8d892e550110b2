"""Every error that talking CIM over WS-Management can raise, on one page.

::

    CimError
    ├── Unreachable          no connection, or it broke before an answer came
    ├── AccessDenied         wrong credentials, or not enough rights
    ├── TimedOut             the deadline passed; the operation may still be going on
    ├── Busy                 a quota of the host is exhausted; later it may work
    ├── NotFound             no such instance, class, namespace or method
    ├── InvalidRequest       the host (or the schema) refuses what was asked
    ├── MethodFailed         a method answered with a return code that means failure
    │   └── JobFailed        it started a job, and the job ended badly
    └── ProtocolError        the answer is not what WS-Management or CIM allows

Callers catch the class that carries the decision they have to make, never a code. Every message says what was tried
and, after "Remedy:", what to do about it.
"""

from __future__ import annotations


class CimError(Exception):
    """The base of the family.

    :param message: what was tried and what went wrong, in one sentence.
    :param remedy: what a person can do about it; empty where nothing is known.
    :param code: the WS-Man, WMI or Win32 code, where there is one (unsigned).
    """

    def __init__(self, message: str, *, remedy: str = "", code: int | None = None) -> None:
        self.message = message
        self.remedy = remedy
        self.code = code
        super().__init__(f"{message} Remedy: {remedy}" if remedy else message)


class Unreachable(CimError):
    """The host does not answer, or the connection broke before the answer came."""


class AccessDenied(CimError):
    """The host refuses the credentials or the account lacks the right."""


class TimedOut(CimError):
    """The deadline passed. What was asked may still take effect: look before doing it again."""


class Busy(CimError):
    """A quota of the host is exhausted. Nothing was done: trying again later is safe."""


class NotFound(CimError):
    """There is no such instance, class, namespace or method on the host."""


class InvalidRequest(CimError):
    """The request names something the schema lacks, or the host refuses its content. Repeating it is useless."""


class MethodFailed(CimError):
    """A method answered with a return code that means failure (in ``code``)."""


class JobFailed(MethodFailed):
    """The job that a method started ended badly; the message carries the job's own error text."""


class ProtocolError(CimError):
    """The answer is not what WS-Management or CIM allows: truncated, hostile or from something else."""

"""How an operation can end other than well, and the return codes of Hyper-V's methods.

Two ways, as on a host: a request that is wrong in itself is answered at once with a return code (``Refused``); what
fails while it is done fails in its job, with texts (``OperationFailed``). Codes: hyperv-ops 0 and R1 to R21.
"""

from __future__ import annotations

DONE = 0
JOB_STARTED = 4096

NOT_SUPPORTED = 1
INVALID_TYPE = 6  # of a snapshot
FAILED = 32768
ACCESS_DENIED = 32769
METHOD_NOT_SUPPORTED = 32770
INVALID_PARAMETER = 32773
IN_USE = 32774
INVALID_STATE = 32775
INCORRECT_TYPE = 32776
FILE_NOT_FOUND = 32779
NOT_READY = 32780
SHUTDOWN_IN_PROGRESS = 32782
VHD_CHAIN_CYCLE = 32787
OBJECT_NOT_FOUND = 32789
START_FAILED = 32788  # seen in the job of a machine that could not start (real-instances 3.6)

# HRESULTs that stand in error texts
E_FAIL = 0x80041001
ELEMENT_NOT_FOUND = 0x80070490
OUT_OF_MEMORY_RESULT = 0x8007000E


class Refused(Exception):
    """The method answers with this return code and has done nothing.

    :param why: for the simulator's own log; Windows says nothing more than the code.
    """

    def __init__(self, code: int, why: str = "") -> None:
        self.code = code
        self.why = why
        super().__init__(f"return code {code}{': ' if why else ''}{why}")


class OperationFailed(Exception):
    """The job ends in an exception.

    :param texts: from the summary to the root cause, without machine ids.
    :param code: the job's ErrorCode (uint16).
    :param machine_id: the machine that the long text names.
    :param result: the HRESULT behind it, for a storage job's completion status.
    :param message_id: the event whose text it is; by default the code.
    :param reasons: what else was wrong; GetErrorEx gives each of them after this one.
    """

    def __init__(
        self,
        *texts: str,
        code: int = FAILED,
        machine_id: str = "",
        result: int = E_FAIL,
        message_id: str = "",
        reasons: tuple[OperationFailed, ...] = (),
    ) -> None:
        self.texts = texts
        self.message_id = message_id or str(code)
        self.reasons = reasons
        self.code = code
        self.machine_id = machine_id
        self.result = result
        super().__init__(" ".join(texts))

    @property
    def summary(self) -> str:
        """ErrorSummaryDescription: the layers, joined by blank lines (real-instances 3.7)."""
        return "\n\n".join(self.texts)

    @property
    def description(self) -> str:
        """ErrorDescription: the same with the machine's id."""
        if not self.machine_id:
            return self.summary
        return "\n\n".join(f"{text} (Virtual machine ID {self.machine_id})" for text in self.texts)

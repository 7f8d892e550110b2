"""``.. hyperv-simulator-keys::``: every key of hosts.toml with its default and meaning, from where it is declared."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from hyperv_simulator.config import keys


class HypervSimulatorKeys(SphinxDirective):
    """One table for each table of the file."""

    def run(self) -> list[nodes.Node]:
        # Not what stands in quotes, but how it is written: the default is shown as TOML has it.
        return self.parse_text_to_nodes("\n".join(line for table in keys.tables() for line in _table(table)))


def _table(table: keys.Table) -> list[str]:
    rows = []
    for key in table.keys:
        default = "(must be given)" if key.required else f"``{key.default}``" if key.default else ""
        rows += [f"   * - ``{key.name}``", f"     - {default}", f"     - {key.meaning}"]
    return [
        f"``{table.header}``",
        f"   {table.meaning}.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 20 20 60",
        "",
        "   * - key",
        "     - default",
        "     - meaning",
        *rows,
        "",
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("hyperv-simulator-keys", HypervSimulatorKeys)
    return {"parallel_read_safe": True}

"""A contract of our own for import-linter. Its `acyclic_siblings` compares modules that stand side by side, so it does
not see a module and the `__init__` of the package it is in import each other."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
from importlinter import Contract, ContractCheck, output


class AcyclicFiles(Contract):
    """No file imports itself by way of others."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        ours = {name for name in graph.modules if not graph.is_module_squashed(name)}
        imports = {name: graph.find_modules_directly_imported_by(name) & ours for name in sorted(ours)}
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            # Each imports the one before it.
            return ContractCheck(kept=False, metadata={"loop": error.args[1][::-1]})
        return ContractCheck(kept=True)

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in zip(check.metadata["loop"], check.metadata["loop"][1:], strict=False):
            output.print_error(f"{importer} imports {imported}")
